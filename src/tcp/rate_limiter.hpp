#pragma once

#include <cstdint>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// At most so many in each period: what bounds challenge ACKs (RFC 5961 section 7).
class RateLimiter {
 public:
  /// Whether one more of `most` may be, in the present `period`. Both may change: they hold for those that were before, too.
  [[nodiscard]] bool allow(TimePoint now, std::uint32_t most, Duration period) noexcept {
    if (!started_ || now - begin_ >= period) {
      started_ = true;
      begin_ = now;
      count_ = 0;
    }
    if (count_ >= most) return false;
    ++count_;
    return true;
  }
  /// Whether what happened may still matter: otherwise it is as at the start.
  [[nodiscard]] bool counting(TimePoint now, Duration period) const noexcept { return started_ && now - begin_ < period; }

 private:
  TimePoint begin_{};
  std::uint32_t count_ = 0;
  bool started_ = false;
};

}  // namespace tapir::tcp
