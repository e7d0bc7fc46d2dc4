#pragma once

#include <algorithm>
#include <chrono>

namespace tapir {

/// A span of time; the resolution is one nanosecond.
using Duration = std::chrono::nanoseconds;

/// The clock all of tapir counts by. It has no now(): protocol code is told the time by its Scheduler,
/// which is driven by real time (Runtime) or by virtual time (sim::World).
struct Clock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock, Duration>;
  static constexpr bool is_steady = true;
};

/// A moment on the scheduler's clock. Its zero is arbitrary: only differences mean anything.
using TimePoint = Clock::time_point;

/// `delay` from `now`, or the end of time when that is further than the clock can say: Duration::max() means "never".
[[nodiscard]] constexpr TimePoint deadline_after(TimePoint now, Duration delay) noexcept {
  if (delay <= Duration::zero()) return now;
  return delay > TimePoint::max() - std::max(now, TimePoint{}) ? TimePoint::max() : now + delay;
}

}  // namespace tapir
