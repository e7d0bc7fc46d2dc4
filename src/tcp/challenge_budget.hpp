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
  ChallengeBudget(std::uint32_t about, Duration period, Random& random) noexcept : about_{about}, period_{period}, random_{random} {}

  [[nodiscard]] bool allow(TimePoint now) {
    if (!begin_ || now - *begin_ >= period_) {
      begin_ = now;
      left_ = about_ / 2 + random_.below(std::uint64_t{about_} + 1);
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  std::uint32_t about_;
  Duration period_;
  Random& random_;
  std::optional<TimePoint> begin_;
  std::uint64_t left_ = 0;
};

}  // namespace tapir::tcp
