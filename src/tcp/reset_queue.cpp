#include "reset_queue.hpp"

#include "engine.hpp"

namespace tapir::tcp {

void ResetQueue::add(const Send& reset, std::optional<Timestamps> timestamps) {
  if (waiting_.size() == kCapacity) waiting_.pop_front();
  waiting_.push_back({reset, timestamps});
  engine_.context().scheduler.make_ready(*this);
}

Pulled ResetQueue::pull() {
  if (waiting_.empty()) return Pulled::drained;
  if (!engine_.network().writable(waiting_.front().send.remote.address)) return Pulled::blocked;
  const Reset reset = waiting_.front();
  waiting_.pop_front();
  (void)engine_.send(reset.send, {.timestamps = reset.timestamps});
  return waiting_.empty() ? Pulled::drained : Pulled::more;
}

}  // namespace tapir::tcp
