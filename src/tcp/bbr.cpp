// The events and what is set because of them; bbr_states.cpp has the states.
#include "bbr.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "initial_window.hpp"

namespace tapir::tcp {

Bbr::Bbr(const CongestionParameters& parameters) noexcept : parameters_{parameters}, random_{parameters.seed + 0x9e37'79b9'7f4a'7c15ULL} {
  parameters_.mss = std::max(parameters_.mss, 1U);
  parameters_.initial_window_segments = std::clamp(parameters_.initial_window_segments, 1U, 10U);
  on_established(0);
  if (parameters.cwnd) set_cwnd(*parameters.cwnd);
}

void Bbr::on_established(std::uint32_t syn_retransmissions) {
  const std::uint32_t mss = parameters_.mss;
  const std::uint32_t window = initial_window(parameters_.initial_window_segments, mss);
  set_cwnd(syn_retransmissions > 1 ? mss : window);
  initial_cwnd_ = cwnd_;
  // Section 5.6.2: until there is a sample the round trip is taken to be 1 ms.
  const double rtt = parameters_.rtt ? std::max(std::chrono::duration<double>(*parameters_.rtt).count(), 1e-6) : 1e-3;
  pacing_rate_ = kStartupPacingGain * cwnd_ / rtt;
}

void Bbr::on_ack(const AckEvent& event) {
  model_.on_ack(event, cwnd_, probing_bw());
  if (event.rtt && !has_seen_rtt_) {
    has_seen_rtt_ = true;
    const double rtt = std::max(std::chrono::duration<double>(*event.rtt).count(), 1e-6);
    pacing_rate_ = kStartupPacingGain * cwnd_ / rtt;
  }
  if (rto_recovery_ && event.snd_una >= *rto_recovery_) {
    rto_recovery_.reset();
    restore_cwnd();
  }
  check_startup(event);
  update_probe_bw(event);
  check_probe_rtt(event);
  if (event.rate) model_.advance_latest(*event.rate);
  set_pacing_rate(pacing_gain_);
  set_window(event);
}

/// Section 5.6.2. Until the pipe is full a lower sample does not slow the flow down.
void Bbr::set_pacing_rate(double gain) noexcept {
  const double rate = gain * model_.bw() * (1 - kPacingMargin);
  if (rate > 0 && (model_.full_bw_reached() || rate > pacing_rate_)) pacing_rate_ = rate;
}

std::optional<std::uint64_t> Bbr::pacing_rate() const noexcept { return static_cast<std::uint64_t>(std::clamp(pacing_rate_, 1.0, 1e15)); }

/// Section 5.6.4.
void Bbr::set_window(const AckEvent& event) noexcept {
  const std::uint64_t product = model_.bdp(model_.bw(), cwnd_gain_);
  const std::uint64_t most = product == BbrModel::kUnlimited ? product : quantized(product + model_.extra_acked());
  std::uint64_t window = cwnd_;
  const std::uint64_t acked = event.delivered_bytes > 0 ? event.delivered_bytes : event.acked_bytes;
  if (model_.full_bw_reached()) {
    window = std::min(window + acked, most);
  } else if (window < most || model_.delivered() < initial_cwnd_) {
    window += acked;
  }
  window = std::max<std::uint64_t>(window, least_cwnd());
  if (state_ == State::probe_rtt) window = std::min(window, probe_rtt_cwnd());
  std::uint64_t cap = BbrModel::kUnlimited;
  if (state_ == State::probe_rtt || state_ == State::probe_bw_cruise) {
    cap = inflight_with_headroom();
  } else if (in_probe_bw()) {
    cap = inflight_longterm_;
  }
  cap = std::max<std::uint64_t>(std::min(cap, model_.inflight_shortterm()), least_cwnd());
  set_cwnd(std::min(window, cap));
}

/// Section 5.6.4.2: room for what a device merges, and for probing.
std::uint64_t Bbr::quantized(std::uint64_t bytes) const noexcept {
  if (bytes == BbrModel::kUnlimited) return bytes;
  const auto quantum = static_cast<std::uint64_t>(std::clamp(pacing_rate_ * 1e-3, 2.0 * parameters_.mss, 65536.0));
  bytes = std::max<std::uint64_t>({bytes, 3 * quantum, least_cwnd()});
  return state_ == State::probe_bw_up ? bytes + 2ULL * parameters_.mss : bytes;
}

std::uint64_t Bbr::inflight_with_headroom() const noexcept {
  if (inflight_longterm_ == BbrModel::kUnlimited) return inflight_longterm_;
  const auto headroom =
      std::max<std::uint64_t>(parameters_.mss, static_cast<std::uint64_t>(kHeadroom * static_cast<double>(inflight_longterm_)));
  return std::max<std::uint64_t>(inflight_longterm_ > headroom ? inflight_longterm_ - headroom : 0, least_cwnd());
}

std::uint64_t Bbr::probe_rtt_cwnd() const noexcept {
  const std::uint64_t half = model_.bdp(model_.bw(), 0.5);
  return half == BbrModel::kUnlimited ? least_cwnd() : std::max<std::uint64_t>(half, least_cwnd());
}

/// Section 5.6.4.4: recovery by itself changes nothing, the losses have been told of.
void Bbr::on_loss(const LossEvent& event) {
  if (event.cause == Congestion::ecn) {
    model_.on_mark();
    return;
  }
  if (!in_recovery_) save_state();
  in_recovery_ = true;
  sack_ = event.cause == Congestion::loss;
}

/// Without SACK what has left the network is still counted as in flight: the window is inflated as in RFC 5681 section 3.2.
void Bbr::on_duplicate_ack(const DuplicateAckEvent& event) {
  const std::uint64_t inflated = cwnd_ + std::uint64_t{parameters_.mss} * event.segments;
  set_cwnd(std::max<std::uint64_t>(cwnd_, std::min<std::uint64_t>(inflated, 2ULL * prior_cwnd_)));
}

void Bbr::on_recovered(const RecoveredEvent&) {
  if (!in_recovery_) return;
  in_recovery_ = false;
  if (sack_) {
    restore_cwnd();
  } else {
    set_cwnd(prior_cwnd_);  // it was inflated
  }
}

void Bbr::on_rto(const RtoEvent& event) {
  if (event.first) save_state();
  in_recovery_ = false;
  rto_recovery_ = event.snd_nxt;
  set_cwnd(parameters_.mss);  // section 5.6.4.4: nothing is in flight, one segment goes
}

/// Section 5.5.11.2.
void Bbr::on_undo(const UndoEvent&) {
  in_recovery_ = false;
  rto_recovery_.reset();
  restore_cwnd();
  model_.undo(undo_bw_shortterm_, undo_inflight_shortterm_);
  inflight_longterm_ = std::max(inflight_longterm_, undo_longterm_);
  const auto before = std::exchange(undo_state_, std::nullopt);
  if (!before || *before == state_) return;
  if (*before == State::startup) model_.take_full_bw_back();
  if (state_ == State::probe_rtt) return;
  if (*before == State::startup) {
    enter(State::startup);
  } else {
    start_refill();
  }
}

/// Section 5.4.1: after silence the flow starts at the rate of the path, with no burst and no probing.
void Bbr::on_idle(const IdleEvent& event) {
  idle_restart_ = true;
  if (in_probe_bw()) set_pacing_rate(1);
  if (state_ == State::probe_rtt && probe_rtt_done_stamp_ && event.now > *probe_rtt_done_stamp_) leave_probe_rtt(event.now);
}

void Bbr::on_mss_change(const MssChangeEvent& event) {
  const std::uint32_t size = std::max(event.mss, 1U);
  if (size < parameters_.mss) set_cwnd(std::uint64_t{cwnd_} * size / parameters_.mss);
  parameters_.mss = size;
  set_cwnd(cwnd_);
}

std::uint32_t Bbr::ssthresh() const noexcept { return model_.full_bw_reached() ? cwnd_ : std::numeric_limits<std::uint32_t>::max(); }

/// Section 5.5.11.1.
void Bbr::save_state() noexcept {
  save_cwnd();
  undo_state_.reset();
  undo_bw_shortterm_ = model_.bw_shortterm();
  undo_inflight_shortterm_ = model_.inflight_shortterm();
  undo_longterm_ = inflight_longterm_;
}

/// The window to come back to: during recovery or ProbeRTT that of before.
void Bbr::save_cwnd() noexcept {
  const bool modulated = in_recovery_ || rto_recovery_ || state_ == State::probe_rtt;
  prior_cwnd_ = modulated ? std::max(prior_cwnd_, cwnd_) : cwnd_;
}
void Bbr::restore_cwnd() noexcept { set_cwnd(std::max(cwnd_, prior_cwnd_)); }

void Bbr::set_cwnd(std::uint64_t bytes) noexcept {
  const std::uint32_t mss = parameters_.mss;
  cwnd_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes, mss, std::max(parameters_.max_cwnd, mss)));
}

/// A number below `bound`: flows that share a path must not probe in step.
std::uint64_t Bbr::dice(std::uint64_t bound) noexcept {
  random_ ^= random_ << 13U;
  random_ ^= random_ >> 7U;
  random_ ^= random_ << 17U;
  return random_ % bound;
}

}  // namespace tapir::tcp
