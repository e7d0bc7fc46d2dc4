#pragma once

#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// When something is due, if ever. As an optional TimePoint in half the room; and the earliest of several is found without a branch for each.
class Deadline {
 public:
  constexpr Deadline() noexcept = default;
  /// TimePoint::max(): never.
  constexpr Deadline(TimePoint at) noexcept : at_{at} {}                                            // NOLINT(google-explicit-constructor)
  constexpr Deadline(std::optional<TimePoint> at) noexcept : at_{at.value_or(TimePoint::max())} {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] constexpr bool set() const noexcept { return at_ != TimePoint::max(); }
  [[nodiscard]] explicit constexpr operator bool() const noexcept { return set(); }
  /// TimePoint::max() when there is none.
  [[nodiscard]] constexpr TimePoint operator*() const noexcept { return at_; }
  constexpr void reset() noexcept { at_ = TimePoint::max(); }

  friend constexpr bool operator==(Deadline, Deadline) noexcept = default;

 private:
  TimePoint at_ = TimePoint::max();
};

}  // namespace tapir::tcp
