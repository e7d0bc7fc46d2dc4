#pragma once

#include <algorithm>
#include <cstdint>

#include <tapir/core/time.hpp>

namespace tapir::icmp {

/// How many messages may leave: `per_second` on the long average, `burst` at once.
struct RateLimit {
  std::uint32_t per_second = 0;  ///< 0: nothing beyond the first burst
  std::uint32_t burst = 0;       ///< 0: nothing at all
};

/// A token bucket: it holds at most `burst` tokens and gains `per_second` of them each second; every message takes one.
class TokenBucket {
 public:
  constexpr explicit TokenBucket(RateLimit limit) noexcept : limit_{limit}, tokens_{limit.burst * kToken} {}

  /// Takes a token; false when there is none.
  [[nodiscard]] constexpr bool take(TimePoint now) noexcept {
    fill(now);
    if (tokens_ < kToken) return false;
    tokens_ -= kToken;
    return true;
  }

 private:
  /// Parts of a token: `per_second` of them arrive each nanosecond, so no rounding loses any.
  static constexpr std::uint64_t kToken = 1'000'000'000;

  constexpr void fill(TimePoint now) noexcept {
    const std::uint64_t room = limit_.burst * kToken - tokens_;
    const auto elapsed = static_cast<std::uint64_t>(std::max<Duration::rep>((now - filled_).count(), 0));
    filled_ = now;
    if (limit_.per_second == 0) return;
    tokens_ = elapsed > room / limit_.per_second ? limit_.burst * kToken : tokens_ + elapsed * limit_.per_second;
  }

  RateLimit limit_;
  std::uint64_t tokens_;
  TimePoint filled_{};
};

}  // namespace tapir::icmp
