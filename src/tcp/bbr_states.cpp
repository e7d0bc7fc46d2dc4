// BBR's states (draft-ietf-ccwg-bbr section 5.3).
#include <algorithm>

#include "bbr.hpp"

namespace tapir::tcp {

namespace {
struct Gains {
  double pacing, cwnd;
};
constexpr Gains gains(Bbr::State state) {
  switch (state) {
    case Bbr::State::startup: return {Bbr::kStartupPacingGain, 2};
    case Bbr::State::drain: return {Bbr::kDrainPacingGain, 2};
    case Bbr::State::probe_bw_down: return {0.9, 2};
    case Bbr::State::probe_bw_up: return {1.25, 2.25};
    case Bbr::State::probe_rtt: return {1, 0.5};
    default: return {1, 2};
  }
}
constexpr std::uint64_t kMostRenoRounds = 63;
constexpr std::uint32_t kMostUpRounds = 30;
}  // namespace

bool Bbr::in_probe_bw() const noexcept { return state_ >= State::probe_bw_down && state_ <= State::probe_bw_up; }

bool Bbr::probing_bw() const noexcept {
  return state_ == State::startup || state_ == State::probe_bw_refill || state_ == State::probe_bw_up;
}

void Bbr::enter(State state) noexcept {
  state_ = state;
  pacing_gain_ = gains(state).pacing;
  cwnd_gain_ = gains(state).cwnd;
}

/// Sections 5.3.1 and 5.3.2.
void Bbr::check_startup(const AckEvent& event) noexcept {
  if (state_ == State::startup && !model_.full_bw_reached() && startup_loses_much()) {
    undo_state_ = State::startup;
    model_.declare_full_bw();
    const std::uint64_t product = model_.bdp(model_.max_bw(), 1);
    if (product != BbrModel::kUnlimited) inflight_longterm_ = std::max(product, model_.inflight_latest());
  }
  if (state_ == State::startup && model_.full_bw_reached()) {
    enter(State::drain);
    drain_start_round_ = model_.rounds();
  }
  const bool drained = event.in_flight <= inflight(1) || model_.rounds() > drain_start_round_ + kMostDrainRounds;
  if (state_ == State::drain && drained) start_down(event.now);
}

/// Section 5.3.1.3: many losses in a round mean that the pipe, and the queue behind it, is full.
bool Bbr::startup_loses_much() const noexcept {
  if (!model_.loss_round_start() || !in_recovery_) return false;
  const BbrModel::Round& round = model_.last_round();
  if (!sack_) return round.lost > 0;
  return round.loss_events >= kStartupLossEvents &&
         static_cast<double>(round.lost) > kLossThreshold * static_cast<double>(round.lost + round.delivered);
}

/// Section 5.3.3.
void Bbr::update_probe_bw(const AckEvent& event) noexcept {
  if (!model_.full_bw_reached()) return;
  if (adapt_longterm(event) || !in_probe_bw()) return;
  switch (state_) {
    case State::probe_bw_down:
      if (!start_probe_if_time(event.now) && time_to_cruise(event)) enter(State::probe_bw_cruise);
      break;
    case State::probe_bw_cruise: (void)start_probe_if_time(event.now); break;
    case State::probe_bw_refill:
      if (model_.round_start()) {  // one round at the rate of the path, so that the probe meets a full pipe
        probe_samples_ = true;
        start_up(event);
      }
      break;
    case State::probe_bw_up:
      if (time_to_go_down(event)) {
        prev_probe_too_high_ = false;  // not yet
        start_down(event.now);
      }
      break;
    default: break;
  }
}

/// Section 5.3.3.6: what was in flight without many losses can be in flight. Whether a state was entered.
bool Bbr::adapt_longterm(const AckEvent& event) noexcept {
  if (ack_phase_ == AckPhase::probe_starting && model_.round_start()) ack_phase_ = AckPhase::probe_feedback;
  if (ack_phase_ == AckPhase::probe_stopping && model_.round_start()) {
    probe_samples_ = false;
    ack_phase_ = AckPhase::init;
    if (in_probe_bw() && event.rate && !event.rate->app_limited) model_.advance_max_bw_filter();
    if (in_probe_bw() && prev_probe_precautionary_ && !prev_probe_too_high_) {  // the bound of before was safe: go beyond
      start_refill();
      return true;
    }
  }
  if (!event.rate || inflight_longterm_ == BbrModel::kUnlimited) return false;
  if (too_high(event.rate->lost_bytes, event.rate->in_flight_at_send)) return false;
  inflight_longterm_ = std::max<std::uint64_t>(inflight_longterm_, event.rate->in_flight_at_send);
  if (state_ == State::probe_bw_up) raise_longterm(event);
  return false;
}

bool Bbr::too_high(std::uint64_t lost, std::uint32_t in_flight) const noexcept {
  return static_cast<double>(lost) > kLossThreshold * in_flight || (lost > 0 && !sack_);
}

/// Section 5.5.10.2: what was sent while probing is judged when it is lost, by what was in flight when it left.
void Bbr::on_lost(const LostEvent& event) {
  model_.on_lost(event);
  if (probe_samples_ && too_high(event.lost_bytes, event.in_flight_at_send)) lower_longterm(event);
}

void Bbr::lower_longterm(const LostEvent& event) noexcept {
  prev_probe_too_high_ = true;
  probe_samples_ = false;
  if (!event.app_limited) {
    // How much of the lost burst would have fitted, had no more than the threshold of what was in flight been lost.
    const double before = static_cast<double>(event.in_flight_at_send) - event.bytes;
    const double lost_before = static_cast<double>(event.lost_bytes) - event.bytes;
    const double fits = before + (kLossThreshold * before - lost_before) / (1 - kLossThreshold);
    inflight_longterm_ = static_cast<std::uint64_t>(std::max({fits, BbrModel::kBeta * static_cast<double>(target_inflight()), 0.0}));
  }
  if (state_ != State::probe_bw_up) return;
  undo_state_ = State::probe_bw_up;
  start_down(event.now);
}

/// Section 5.3.3.4: slowly at first, then faster each round.
void Bbr::raise_longterm(const AckEvent& event) noexcept {
  if (!event.cwnd_limited || cwnd_ < inflight_longterm_) return;
  up_acked_ += event.delivered_bytes;
  if (up_acked_ >= up_bytes_per_mss_) {
    const std::uint64_t steps = up_acked_ / up_bytes_per_mss_;
    up_acked_ -= steps * up_bytes_per_mss_;
    inflight_longterm_ += steps * parameters_.mss;
  }
  if (model_.round_start()) raise_slope();
}

void Bbr::raise_slope() noexcept {
  const std::uint64_t segments_this_round = 1ULL << up_rounds_;
  up_rounds_ = std::min(up_rounds_ + 1, kMostUpRounds);
  up_bytes_per_mss_ = std::max<std::uint64_t>(cwnd_ / segments_this_round, parameters_.mss);
}

void Bbr::start_down(TimePoint now) noexcept {
  model_.reset_congestion_signals();
  up_bytes_per_mss_ = BbrModel::kUnlimited;
  round_of_probe_ = model_.rounds() - dice(2);
  probe_wait_ = std::chrono::seconds{2} + Duration{static_cast<Duration::rep>(dice(1'000'000'000))};
  cycle_stamp_ = now;
  ack_phase_ = AckPhase::probe_stopping;
  model_.start_round(model_.delivered());
  enter(State::probe_bw_down);
}

void Bbr::start_refill() noexcept {
  model_.reset_shortterm();
  up_rounds_ = 0;
  up_acked_ = 0;
  prev_probe_precautionary_ = false;
  ack_phase_ = AckPhase::refilling;
  model_.start_round(model_.delivered());
  enter(State::probe_bw_refill);
}

void Bbr::start_up(const AckEvent&) noexcept {
  ack_phase_ = AckPhase::probe_starting;
  model_.start_round(model_.delivered());
  model_.reset_full_bw(model_.latest_bw());
  enter(State::probe_bw_up);
  raise_slope();
}

/// Section 5.3.3.3: every two to three seconds, or as often as Reno would find the limit on a short path.
bool Bbr::start_probe_if_time(TimePoint now) noexcept {
  const std::uint64_t segments = target_inflight() / parameters_.mss;
  const bool rounds_over = model_.rounds() - round_of_probe_ >= std::clamp<std::uint64_t>(segments, 1, kMostRenoRounds);
  if (now - cycle_stamp_ <= probe_wait_ && !rounds_over) return false;
  start_refill();
  return true;
}

bool Bbr::time_to_cruise(const AckEvent& event) const noexcept {
  return event.in_flight <= inflight_with_headroom() && event.in_flight <= inflight(1);
}

bool Bbr::time_to_go_down(const AckEvent& event) noexcept {
  // As much as the bound is in flight, less what is too little for a segment: after a probe that lost too much that is enough for once.
  const std::uint64_t reached = std::uint64_t{event.in_flight} + event.delivered_bytes + event.lost_bytes + parameters_.mss;
  if (prev_probe_too_high_ && reached > inflight_longterm_) {
    prev_probe_precautionary_ = true;
    return true;
  }
  if (event.cwnd_limited && cwnd_ >= inflight_longterm_) {  // the bound, not the path, limits: it is raised first
    model_.reset_full_bw(model_.latest_bw());
    return false;
  }
  return model_.full_bw_now();
}

/// Section 5.3.4: when the least delay was not seen for five seconds the queue is emptied, to see it.
void Bbr::check_probe_rtt(const AckEvent& event) noexcept {
  if (state_ != State::probe_rtt && model_.probe_rtt_expired() && !idle_restart_) {
    save_cwnd();
    enter(State::probe_rtt);
    probe_rtt_done_stamp_.reset();
    ack_phase_ = AckPhase::probe_stopping;
    model_.start_round(model_.delivered());
  }
  if (state_ == State::probe_rtt) handle_probe_rtt(event);
  if (event.delivered_bytes > 0) idle_restart_ = false;
}

void Bbr::handle_probe_rtt(const AckEvent& event) noexcept {
  if (!probe_rtt_done_stamp_) {
    if (event.in_flight > probe_rtt_cwnd()) return;
    probe_rtt_done_stamp_ = event.now + kProbeRttDuration;
    probe_rtt_round_done_ = false;
    model_.start_round(model_.delivered());
    return;
  }
  if (model_.round_start()) probe_rtt_round_done_ = true;
  if (probe_rtt_round_done_ && event.now > *probe_rtt_done_stamp_) leave_probe_rtt(event.now);
}

void Bbr::leave_probe_rtt(TimePoint now) noexcept {
  model_.probe_rtt_done(now);
  model_.reset_shortterm();
  if (model_.full_bw_reached()) {
    start_down(now);
    enter(State::probe_bw_cruise);
  } else {
    enter(State::startup);
  }
  restore_cwnd();
}

}  // namespace tapir::tcp
