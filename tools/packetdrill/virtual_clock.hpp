#pragma once

#include <sys/time.h>

#include <functional>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/sim/world.hpp>

#include "blocked_call.hpp"

namespace tapir::packetdrill {

/// The script's clock: a sim::World that moves on only when packetdrill sleeps, waits for a datagram or looks at the clock. On the way from one
/// moment to the next it lets a blocked call return as soon as what that call waits for has happened. Used with the lock held.
class VirtualClock {
 public:
  VirtualClock(sim::World& world, BlockedCall& blocked) noexcept : world_{world}, blocked_{blocked} {}

  /// Every look takes a microsecond: packetdrill looks again and again until a moment has come.
  [[nodiscard]] timeval look(Lock& lock);
  [[nodiscard]] static long long microseconds(TimePoint time) noexcept;

  /// Lets everything happen that happens now.
  void settle(Lock& lock) { pass(Duration::zero(), lock); }
  void pass(Duration time, Lock& lock);
  /// Jumps from timer to timer until `done`; without a limit it gives up when no timer is left. Whether `done` was reached.
  bool run_until(const std::function<bool()>& done, std::optional<Duration> limit, Lock& lock);

 private:
  bool advance(const std::function<bool()>& done, TimePoint end, Lock& lock);

  sim::World& world_;
  BlockedCall& blocked_;
};

}  // namespace tapir::packetdrill
