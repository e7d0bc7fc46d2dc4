#pragma once

#include <algorithm>
#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// When something is due, if it is waited for: an optional TimePoint in half the room, of which the earliest of several is found without a branch for each.
class Deadline {
 public:
  /// It is waited for, and that for ever: what TimePoint::max() becomes. A moment before, so that it is not the same as none.
  static constexpr TimePoint for_ever = TimePoint::max() - Duration{1};

  constexpr Deadline() noexcept = default;
  explicit(false) constexpr Deadline(TimePoint at) noexcept : at_{std::min(at, for_ever)} {}
  explicit(false) constexpr Deadline(std::optional<TimePoint> at) noexcept : at_{at ? std::min(*at, for_ever) : none} {}

  [[nodiscard]] constexpr bool is_set() const noexcept { return at_ != none; }
  [[nodiscard]] explicit constexpr operator bool() const noexcept { return is_set(); }
  /// Later than for_ever when there is none.
  [[nodiscard]] constexpr TimePoint operator*() const noexcept { return at_; }
  [[nodiscard]] constexpr bool passed(TimePoint now) const noexcept { return at_ <= now && is_set(); }
  constexpr void reset() noexcept { at_ = none; }

  friend constexpr bool operator==(Deadline, Deadline) noexcept = default;

 private:
  static constexpr TimePoint none = TimePoint::max();

  TimePoint at_ = none;
};

}  // namespace tapir::tcp
