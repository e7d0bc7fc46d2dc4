#include "new_reno.hpp"

#include <algorithm>

namespace tapir::tcp {

namespace {
constexpr std::uint32_t kInitialWindowBytes = 14600;  // RFC 6928 section 2
constexpr std::uint32_t kOldInitialWindow = 4380;     // RFC 3390 section 1
constexpr std::uint64_t kMuchSent = 4096;             // RFC 6928 section 2: "more than 4KB"
}  // namespace

NewReno::NewReno(const Config& config) noexcept : config_{config}, ssthresh_{config.initial_ssthresh} {
  config_.mss = std::max(config_.mss, 1U);
  config_.initial_window_segments = std::clamp(config_.initial_window_segments, 1U, 10U);
  set_cwnd(initial_window());
  window_at_start_ = cwnd_;
}

std::uint32_t NewReno::initial_window() const noexcept {
  return std::min(config_.initial_window_segments * config_.mss, std::max(2 * config_.mss, kInitialWindowBytes));
}

void NewReno::on_established(std::uint32_t syn_retransmissions) {
  set_cwnd(syn_retransmissions > 1 ? config_.mss : initial_window());
  acked_since_start_ = 0;
  window_at_start_ = cwnd_;
}

void NewReno::on_ack(const AckEvent& event) {
  acked_since_start_ += event.acked_bytes;
  if (acked_since_start_ > window_at_start_) in_first_window_ = false;
  // A window that the application does not fill was not probed, so it must not grow (RFC 7661 section 1 on RFC 5681 section 3.1).
  if (!event.cwnd_limited || event.acked_bytes == 0) return;
  if (in_slow_start()) {
    // Appropriate byte counting with L = 1: dividing acknowledgments gains nothing, and one covering many segments counts as one.
    const std::uint64_t most = std::uint64_t{config_.mss} * std::max(event.segments, 1U);
    set_cwnd(cwnd_ + std::min<std::uint64_t>(event.acked_bytes, most));
    return;
  }
  avoidance_acked_ += event.acked_bytes;
  if (avoidance_acked_ < cwnd_) return;
  avoidance_acked_ -= cwnd_;
  set_cwnd(std::uint64_t{cwnd_} + config_.mss);
}

void NewReno::on_loss(const LossEvent& event) {
  note_loss(event.flight_size);
  reduce_ssthresh(event.flight_size);
  // The three duplicates say that three segments have left the network (RFC 5681 section 3.2 step 3). Further ones inflate it by what was outstanding
  // at most, so that forged duplicates gain nothing.
  set_cwnd(std::uint64_t{ssthresh_} + 3ULL * config_.mss);
  recovery_limit_ = std::uint64_t{cwnd_} + event.flight_size;
  avoidance_acked_ = 0;
}

void NewReno::on_duplicate_ack(const DuplicateAckEvent& event) {
  const std::uint64_t inflated = cwnd_ + std::uint64_t{config_.mss} * event.segments;
  set_cwnd(std::max<std::uint64_t>(cwnd_, std::min(inflated, recovery_limit_)));
}

void NewReno::on_partial_ack(const PartialAckEvent& event) {
  // RFC 6582 section 3.2 step 3: deflate by what left the network, add a segment back for the one that the retransmission filled.
  std::uint64_t deflated = event.acked_bytes < cwnd_ ? cwnd_ - event.acked_bytes : 0;
  if (event.acked_bytes >= config_.mss) deflated += config_.mss;
  set_cwnd(deflated);
}

void NewReno::on_recovered(const RecoveredEvent& event) {
  // The careful variant of RFC 6582 section 3.2 step 3: no burst when little is outstanding.
  const std::uint64_t no_burst = std::uint64_t{std::max(event.flight_size, config_.mss)} + config_.mss;
  set_cwnd(std::min<std::uint64_t>(ssthresh_, no_burst));
  avoidance_acked_ = 0;
}

void NewReno::on_rto(const RtoEvent& event) {
  note_loss(event.flight_size);
  if (event.first) reduce_ssthresh(event.flight_size);
  set_cwnd(config_.mss);
  avoidance_acked_ = 0;
}

void NewReno::on_idle(const IdleEvent& event) {
  if (event.idle <= event.rto) return;
  std::uint32_t restart = initial_window();
  if (lost_in_first_window_) {
    restart = std::min({restart, 4 * config_.mss, std::max(2 * config_.mss, kOldInitialWindow)});
  }
  set_cwnd(std::min(restart, cwnd_));
  acked_since_start_ = 0;
  window_at_start_ = cwnd_;
  in_first_window_ = true;
  avoidance_acked_ = 0;
}

void NewReno::on_mss_change(const MssChangeEvent& event) {
  const std::uint32_t mss = std::max(event.mss, 1U);
  // Fewer bytes a segment, the same number of segments; a larger size leaves the bytes as they are (RFC 5681 section 3.1, RFC 8899 section 3).
  if (mss < config_.mss) set_cwnd(std::uint64_t{cwnd_} * mss / config_.mss);
  config_.mss = mss;
  set_cwnd(cwnd_);
}

void NewReno::set_cwnd(std::uint64_t bytes) noexcept {
  cwnd_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes, config_.mss, std::max(config_.max_cwnd, config_.mss)));
}

void NewReno::reduce_ssthresh(std::uint32_t flight_size) noexcept { ssthresh_ = std::max(flight_size / 2, 2 * config_.mss); }

/// Remembers a loss in the initial or a restart window that was larger than what RFC 3390 would have sent.
void NewReno::note_loss(std::uint32_t flight_size) noexcept {
  if (in_first_window_ && acked_since_start_ + flight_size > kMuchSent) lost_in_first_window_ = true;
}

}  // namespace tapir::tcp
