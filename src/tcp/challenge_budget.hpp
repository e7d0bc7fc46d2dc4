#pragma once

#include <cstdint>
#include <optional>

#include <tapir/core/random.hpp>
#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// The challenge ACKs that all connections of a stack together may send (RFC 5961 section 7). How many a period has is drawn anew each time, from half
/// to one and a half of `about`: an attacker who counts those that he gets cannot tell whether somebody else got any (CVE-2016-5696).
class ChallengeBudget {
 public:
  /// `random` must outlive it.
  explicit ChallengeBudget(Random& random) noexcept : random_{random} {}

  /// With another `about` than before a period begins.
  [[nodiscard]] bool allow(TimePoint now, std::uint32_t about, Duration period) {
    if (!begin_ || now - *begin_ >= period || about != about_) {
      begin_ = now;
      about_ = about;
      left_ = about / 2 + random_.below(std::uint64_t{about} + 1);
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  Random& random_;
  std::uint32_t about_ = 0;  ///< of the present period
  std::optional<TimePoint> begin_;
  std::uint64_t left_ = 0;
};

}  // namespace tapir::tcp
