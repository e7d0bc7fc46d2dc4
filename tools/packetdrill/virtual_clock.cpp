#include "virtual_clock.hpp"

#include <algorithm>

namespace tapir::packetdrill {

using std::chrono::duration_cast;
using std::chrono::microseconds;

long long VirtualClock::microseconds(TimePoint time) noexcept {
  return duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

timeval VirtualClock::look(Lock& lock) {
  pass(std::chrono::microseconds{1}, lock);
  const long long now = microseconds(world_.now());
  return {.tv_sec = now / 1'000'000, .tv_usec = now % 1'000'000};
}

void VirtualClock::pass(Duration time, Lock& lock) {
  (void)advance([] { return false; }, world_.now() + time, lock);
}

bool VirtualClock::run_until(const std::function<bool()>& done, std::optional<Duration> limit, Lock& lock) {
  if (limit) return advance(done, world_.now() + *limit, lock);
  settle(lock);
  while (!done()) {
    const auto next = world_.scheduler().next_wakeup();
    if (!next) return false;
    (void)advance(done, std::max(*next, world_.now()), lock);
  }
  return true;
}

bool VirtualClock::advance(const std::function<bool()>& done, TimePoint end, Lock& lock) {
  for (;;) {
    const bool stopped = world_.run_until([&] { return blocked_.may_return() || done(); }, end - world_.now());
    if (!blocked_.may_return()) return stopped;
    blocked_.let_return(lock);
    if (done()) return true;
  }
}

}  // namespace tapir::packetdrill
