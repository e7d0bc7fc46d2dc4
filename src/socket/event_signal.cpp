#include "event_signal.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace tapir::posix::detail {

EventSignal::EventSignal() noexcept : descriptor_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {}

EventSignal::~EventSignal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void EventSignal::raise(bool on) noexcept {
  if (on == raised_ || descriptor_ < 0) return;
  raised_ = on;
  eventfd_t value = 1;
  if (on) {
    (void)::eventfd_write(descriptor_, value);
  } else {
    (void)::eventfd_read(descriptor_, &value);
  }
}

}  // namespace tapir::posix::detail
