#include <tapir/link/delay_line.hpp>

namespace tapir::link {

DelayLine::DelayLine(Scheduler& scheduler, std::function<void(Packet)> deliver, std::size_t limit)
    : scheduler_{scheduler}, deliver_{std::move(deliver)}, limit_{limit}, timer_{Timer::calling<&DelayLine::on_due>(scheduler, *this)} {}

bool DelayLine::put(Packet frame, TimePoint due) {
  if (full()) return false;
  frames_.emplace(std::pair{due, ++order_}, std::move(frame));
  timer_.arm_at(frames_.begin()->first.first);
  return true;
}

void DelayLine::clear() noexcept {
  frames_.clear();
  timer_.cancel();
}

void DelayLine::on_due() {
  const Destruction::Watch watch{destruction_};
  while (!frames_.empty() && frames_.begin()->first.first <= scheduler_.now()) {
    Packet frame = std::move(frames_.begin()->second);
    frames_.erase(frames_.begin());
    if (!frames_.empty()) timer_.arm_at(frames_.begin()->first.first);  // the receiver may throw, or wait for what comes behind this one
    deliver_(std::move(frame));
    if (watch.destroyed()) return;
  }
  timer_.cancel();  // its moment may have been that of a frame which is gone
  if (!frames_.empty()) timer_.arm_at(frames_.begin()->first.first);
}

}  // namespace tapir::link
