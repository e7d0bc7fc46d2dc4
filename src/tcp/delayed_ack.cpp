#include "delayed_ack.hpp"

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

namespace {
constexpr Duration kLongestDelay = std::chrono::milliseconds{499};  // MUST-40: less than 0.5 s
constexpr std::uint32_t kLeastQuickAcks = 2;
}  // namespace

DelayedAck::DelayedAck(const Config& config) noexcept : config_{config} {
  config_.delay = std::clamp(config_.delay, Duration::zero(), kLongestDelay);
  config_.max_delay = std::clamp(config_.max_delay, config_.delay, kLongestDelay);
}

void DelayedAck::on_data(const DataArrival& arrival) noexcept {
  rto_ = arrival.rto;
  follow_pace(arrival);
  last_data_ = arrival.now;
  unacknowledged_bytes_ += arrival.bytes;
  if (config_.delay == Duration::zero() || (quick_left_ > 0 && !interactive_)) now_ = true;
  // Every second full-sized segment; small ones count by their bytes (SHLD-19), so that a stream of them is not answered one by one.
  if (unacknowledged_bytes_ >= 2ULL * std::max(arrival.mss, 1U)) now_ = true;
  if (likely(!deadline_)) deadline_ = arrival.now + wait(arrival);
}

void DelayedAck::follow_pace(const DataArrival& arrival) noexcept {
  if (unlikely(!last_data_)) {
    pace_ = config_.delay;
    be_quick(arrival);
    return;
  }
  const Duration gap = arrival.now - *last_data_;
  if (gap <= config_.delay / 2) {
    pace_ = pace_ / 2 + config_.delay / 2;
  } else if (gap < pace_) {
    pace_ = std::min(pace_ / 2 + gap, std::max(arrival.rto, config_.delay));
  } else if (gap > arrival.rto) {
    be_quick(arrival);  // the sender was idle, or timed out: its window is small again
  }
}

/// As many as the window holds pairs of segments: by then the sender has filled it.
void DelayedAck::be_quick(const DataArrival& arrival) noexcept {
  const std::uint32_t pairs = std::max(arrival.window / (2 * std::max(arrival.mss, 1U)), kLeastQuickAcks);
  quick_left_ = std::max(quick_left_, std::min(pairs, config_.quick_acks));
}

Duration DelayedAck::wait(const DataArrival& arrival) const noexcept {
  if (likely(pace_ <= config_.delay)) return config_.delay;
  Duration longest = config_.max_delay;
  longest = std::min(longest, std::max(arrival.srtt, config_.delay));
  return std::min(pace_, longest);
}

void DelayedAck::on_data_sent(TimePoint now) noexcept {
  if (likely(last_data_.has_value()) && likely(now - *last_data_ < pace_)) interactive_ = true;
}

void DelayedAck::on_ack_sent(TimePoint now) noexcept {
  if (unlikely(deadline_.passed(now)) && !now_) {
    // Nothing came in time to take it along: no answer of ours, then the next one need not wait for one; no data of the peer's, then it is slower.
    pace_ = interactive_ ? config_.delay : std::min(2 * pace_, std::max(rto_, config_.delay));
    interactive_ = false;
  }
  if (unacknowledged_bytes_ > 0 && quick_left_ > 0) {
    --quick_left_;
    if (quick_left_ == 0) pace_ = config_.delay;
  }
  unacknowledged_bytes_ = 0;
  deadline_.reset();
  now_ = false;
}

}  // namespace tapir::tcp
