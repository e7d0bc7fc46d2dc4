#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// How long a sender was busy, and what held it back meanwhile: Linux' tcp_info has these three times (tcp_chrono_start()).
class SendingTimes {
 public:
  enum class Phase : std::uint8_t {
    idle,
    busy,            ///< something is outstanding or waits
    window_limited,  ///< the peer's window has no room for what waits
    buffer_limited,  ///< all was sent, and the user had more to write than the send buffer took
  };

  /// From `now` on it is this.
  void enter(Phase phase, TimePoint now) noexcept {
    if (likely(phase == phase_)) return;
    times_[index(phase_)] += now - since_;
    phase_ = phase;
    since_ = now;
  }
  /// How long it was so, up to `now`.
  [[nodiscard]] Duration in(Phase phase, TimePoint now) const noexcept {
    return times_[index(phase)] + (phase == phase_ ? now - since_ : Duration::zero());
  }
  /// All phases but idle: those that are limited are busy, too.
  [[nodiscard]] Duration busy(TimePoint now) const noexcept {
    return in(Phase::busy, now) + in(Phase::window_limited, now) + in(Phase::buffer_limited, now);
  }

 private:
  [[nodiscard]] static constexpr std::size_t index(Phase phase) noexcept { return static_cast<std::size_t>(phase); }

  Phase phase_ = Phase::idle;
  TimePoint since_{};
  std::array<Duration, 4> times_{};
};

}  // namespace tapir::tcp
