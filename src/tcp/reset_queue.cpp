#include "reset_queue.hpp"

#include "engine.hpp"

namespace tapir::tcp {

void ResetQueue::add(const Send& reset) {
  if (waiting_.size() == kCapacity) waiting_.pop_front();
  waiting_.push_back(reset);
  engine_.context().scheduler.make_ready(*this);
}

Pulled ResetQueue::pull() {
  if (waiting_.empty()) return Pulled::drained;
  if (!engine_.network().writable(waiting_.front().remote.address)) return Pulled::blocked;
  const Send reset = waiting_.front();
  waiting_.pop_front();
  (void)engine_.send(Packet{engine_.context().pool}, reset);
  return waiting_.empty() ? Pulled::drained : Pulled::more;
}

}  // namespace tapir::tcp
