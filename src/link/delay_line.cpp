#include <tapir/link/delay_line.hpp>

namespace tapir::link {

DelayLine::DelayLine(Scheduler& scheduler, std::function<void(Packet)> deliver, std::size_t limit)
    : scheduler_{scheduler}, deliver_{std::move(deliver)}, limit_{limit}, timer_{Timer::calling<&DelayLine::on_due>(scheduler, *this)} {}

bool DelayLine::put(Packet frame, TimePoint due) {
  if (full()) return false;
  frames_.emplace(std::pair{due, ++order_}, std::move(frame));
  // While frames are handed out the timer waits for the end: on_due() arms it then.
  if (!handing_out_) timer_.arm_at(frames_.begin()->first.first);
  return true;
}

void DelayLine::clear() noexcept {
  frames_.clear();
  timer_.cancel();
}

void DelayLine::on_due() {
  const Destruction::Watch watch{destruction_};
  handing_out_ = true;
  const auto end = [this, &watch] {
    if (watch.destroyed()) return;
    handing_out_ = false;
    if (!frames_.empty()) timer_.arm_at(frames_.begin()->first.first);
  };
  try {
    while (!watch.destroyed() && !frames_.empty() && frames_.begin()->first.first <= scheduler_.now()) {
      Packet frame = std::move(frames_.begin()->second);
      frames_.erase(frames_.begin());
      deliver_(std::move(frame));
    }
  } catch (...) {
    end();
    throw;
  }
  end();
}

}  // namespace tapir::link
