#include "delayed_ack.hpp"

#include <algorithm>

namespace tapir::tcp {

namespace {
constexpr Duration kLongestDelay = std::chrono::milliseconds{499};  // MUST-40: less than 0.5 s
}

DelayedAck::DelayedAck(const Config& config) noexcept : config_{config}, quick_left_{config.quick_acks} {
  config_.delay = std::clamp(config_.delay, Duration::zero(), kLongestDelay);
}

void DelayedAck::on_data(TimePoint now, std::uint32_t bytes, std::uint32_t segments, std::uint32_t mss) noexcept {
  unacknowledged_bytes_ += bytes;
  if (quick_left_ > 0 || config_.delay == Duration::zero()) {
    quick_left_ -= std::min(quick_left_, std::max(segments, 1U));
    now_ = true;
  }
  // Every second full-sized segment; small ones count by their bytes (SHLD-19), so that a stream of them is not answered one by one.
  if (unacknowledged_bytes_ >= 2ULL * std::max(mss, 1U)) now_ = true;
  if (!deadline_) deadline_ = now + config_.delay;
}

void DelayedAck::on_ack_sent() noexcept {
  unacknowledged_bytes_ = 0;
  deadline_.reset();
  now_ = false;
}

}  // namespace tapir::tcp
