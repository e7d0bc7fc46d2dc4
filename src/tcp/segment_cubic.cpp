#include "segment_cubic.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tapir::tcp {

namespace {
constexpr Duration kUpdateInterval = std::chrono::milliseconds{31};  // a 32nd of a second in ticks of one millisecond
constexpr Duration kAfterRecovery = std::chrono::seconds{1};         // round trips measured so soon after congestion say little
constexpr std::uint32_t kSearching = 20;                             // acknowledgments for a segment at most, where no plateau is known
constexpr std::uint64_t kBeta = 717;                                 // of 1024
constexpr double kC = 410.0 / 1024;
constexpr std::uint32_t kRenoScale = 15;  // eighths of a window that Reno's grows by a segment in: 8 * (1 + beta) / (3 * (1 - beta))
constexpr std::uint32_t kFewestAcks = 2;  // so that a window grows by half in a round trip at most
}  // namespace

std::uint64_t SegmentCubic::reduced(std::uint32_t flight_size) const noexcept {
  return std::uint64_t{flight_size / mss()} * kBeta / 1024 * mss();
}

void SegmentCubic::congested(bool timeout) {
  const std::uint32_t window = segments();
  w_max_ = window < w_max_ ? static_cast<std::uint32_t>(window * (1024 + kBeta) / 2048) : window;
  epoch_start_.reset();
  acked_ = acked_rest_ = 0;
  if (!timeout) return;
  w_max_ = 0;
  updated_at_.reset();
  acks_wanted_ = 0;
  train_ = {};
}

bool SegmentCubic::slow_start_over(const AckEvent& event) {
  if (!event.rtt || (epoch_start_ && event.now - *epoch_start_ < kAfterRecovery)) return false;
  min_rtt_ = min_rtt_ ? std::min(*min_rtt_, *event.rtt) : *event.rtt;
  if (!watched_ || !in_slow_start()) return false;
  return train_.on_ack({.now = event.now,
                        .snd_una = event.snd_una,
                        .snd_nxt = event.snd_nxt,
                        .window = segments(),
                        .rtt = *event.rtt,
                        .min_rtt = *min_rtt_,
                        .paced = paced_});
}

/// The function's time stands still while nothing is sent. The same silence may be told of several times: what is about to be sent may have to wait.
void SegmentCubic::resumed(TimePoint now, Duration idle) {
  const TimePoint since = resumed_at_ ? std::max(*resumed_at_, now - idle) : now - idle;
  resumed_at_ = now;
  if (epoch_start_) epoch_start_ = std::min(*epoch_start_ + (now - since), now);
}

void SegmentCubic::begin_epoch(TimePoint now, std::uint32_t window, std::uint32_t acked) noexcept {
  epoch_start_ = now;
  reno_acked_ = acked;
  reno_ = window;
  origin_ = std::max(w_max_, window);
  k_ = std::cbrt((origin_ - window) / kC);
}

/// From where the function will be in a round trip.
std::uint32_t SegmentCubic::acks_for_target(TimePoint now) const noexcept {
  const std::uint32_t window = segments();
  const double time = std::chrono::duration<double>(now - *epoch_start_ + min_rtt_.value_or(Duration::zero())).count() - k_;
  const double distance = std::floor(kC * std::abs(time * time * time));
  const double target = time < 0 ? origin_ - std::min<double>(distance, origin_) : origin_ + distance;
  const std::uint32_t hardly = 100 * window;
  return target > window ? static_cast<std::uint32_t>(window / (target - window)) : hardly;
}

void SegmentCubic::update(TimePoint now, std::uint32_t acked) noexcept {
  const std::uint32_t window = segments();
  reno_acked_ += acked;
  if (updated_at_ && updated_window_ == window && now - *updated_at_ <= kUpdateInterval) return;
  if (!epoch_start_ || updated_at_ != now) {
    updated_window_ = window;
    updated_at_ = now;
    if (!epoch_start_) begin_epoch(now, window, acked);
    acks_wanted_ = acks_for_target(now);
    if (w_max_ == 0) acks_wanted_ = std::min(acks_wanted_, kSearching);
  }
  const std::uint32_t step = window * kRenoScale / 8;
  for (; reno_acked_ > step; reno_acked_ -= step) ++reno_;
  if (reno_ > window) acks_wanted_ = std::min(acks_wanted_, window / (reno_ - window));
  acks_wanted_ = std::max(acks_wanted_, kFewestAcks);
}

void SegmentCubic::avoid(const AckEvent& event, std::uint32_t acked_bytes) {
  acked_rest_ += acked_bytes;
  const std::uint32_t acked = acked_rest_ / mss();
  acked_rest_ %= mss();
  if (acked == 0) return;
  update(event.now, acked);
  std::uint32_t growth = 0;
  if (acked_ >= acks_wanted_) {  // what was counted for a window that wanted more
    acked_ = 0;
    ++growth;
  }
  acked_ += acked;
  growth += acked_ / acks_wanted_;
  acked_ %= acks_wanted_;
  set_cwnd(cwnd() + std::uint64_t{growth} * mss());
}

}  // namespace tapir::tcp
