#pragma once

#include <cstdint>

#include <tapir/core/random.hpp>
#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// At most so many in each period: what bounds challenge ACKs (RFC 5961 section 7).
class RateLimiter {
 public:
  /// Whether one more of `most` may be, in the present `period`. Both may change: they hold for those that were before, too.
  [[nodiscard]] bool allow(TimePoint now, std::uint32_t most, Duration period) noexcept {
    (void)begins(now, period);
    return take(most);
  }
  /// The same, of a number that each period draws anew, from half of `most` to all: who counts them learns nothing from it.
  [[nodiscard]] bool allow(TimePoint now, std::uint32_t most, Duration period, Random& random) {
    if (begins(now, period)) count_ = static_cast<std::uint32_t>(random.below(std::uint64_t{most} / 2 + 1));
    return take(most);
  }
  /// Whether what happened may still matter: otherwise it is as at the start.
  [[nodiscard]] bool counting(TimePoint now, Duration period) const noexcept { return started_ && now - begin_ < period; }

 private:
  [[nodiscard]] bool begins(TimePoint now, Duration period) noexcept {
    if (counting(now, period)) return false;
    started_ = true;
    begin_ = now;
    count_ = 0;
    return true;
  }
  [[nodiscard]] bool take(std::uint32_t most) noexcept {
    if (count_ >= most) return false;
    ++count_;
    return true;
  }

  TimePoint begin_{};
  std::uint32_t count_ = 0;
  bool started_ = false;
};

}  // namespace tapir::tcp
