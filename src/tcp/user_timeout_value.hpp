#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// The user timeout option's value (RFC 5482 section 3.3): 15 bits, of seconds or of minutes.
struct UserTimeoutValue {
  static constexpr std::uint16_t kGranularity = 0x8000;  // the G bit
  static constexpr std::uint16_t kMost = 0x7fff;

  bool minutes = false;
  std::uint16_t count = 0;  ///< at most kMost

  /// In seconds where those suffice, else in minutes; rounded up, and at most 32767 minutes.
  [[nodiscard]] static constexpr UserTimeoutValue of(Duration time) noexcept {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::max(time, Duration{1}));
    if (seconds.count() <= kMost) return {.minutes = false, .count = static_cast<std::uint16_t>(seconds.count())};
    const auto minutes = std::chrono::ceil<std::chrono::minutes>(seconds).count();
    return {.minutes = true, .count = static_cast<std::uint16_t>(std::min<std::int64_t>(minutes, kMost))};
  }
  [[nodiscard]] static constexpr UserTimeoutValue from_wire(std::uint16_t field) noexcept {
    return {.minutes = (field & kGranularity) != 0, .count = static_cast<std::uint16_t>(field & kMost)};
  }
  [[nodiscard]] constexpr std::uint16_t to_wire() const noexcept {
    return static_cast<std::uint16_t>((minutes ? kGranularity : 0U) | (count & kMost));
  }
  [[nodiscard]] constexpr Duration duration() const noexcept {
    return minutes ? Duration{std::chrono::minutes{count}} : Duration{std::chrono::seconds{count}};
  }

  friend constexpr bool operator==(const UserTimeoutValue&, const UserTimeoutValue&) noexcept = default;
};

}  // namespace tapir::tcp
