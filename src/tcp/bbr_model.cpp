#include "bbr_model.hpp"

#include <algorithm>
#include <utility>

namespace tapir::tcp {

namespace {
constexpr double kMostBytes = 1e18;             // more than any path holds, less than the integer does
constexpr std::uint64_t kExtraAckedRounds = 5;  // two halves of ExtraAckedFilterLen

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
double rate_of(const RateSample& rate) {
  return rate.interval > Duration::zero() ? static_cast<double>(rate.delivered_bytes) / seconds(rate.interval) : 0;
}
}  // namespace

void BbrModel::on_ack(const AckEvent& event, std::uint32_t cwnd, bool probing_bw) noexcept {
  update_round(event);
  if (event.rate) {
    update_bandwidth(*event.rate);
    update_congestion(event, cwnd, probing_bw);
  }
  update_aggregation(event, cwnd);
  if (event.rate) update_full_bw(*event.rate);
  update_min_rtt(event);
}

/// Section 5.5.1: a round trip is over when what was sent at its start or later is acknowledged.
void BbrModel::update_round(const AckEvent& event) noexcept {
  this_round_.delivered += event.delivered_bytes;
  round_start_ = false;
  if (!event.rate) return;
  delivered_ = event.rate->total_delivered_bytes;
  if (event.rate->prior_delivered_bytes < next_round_delivered_) return;
  next_round_delivered_ = delivered_;
  ++rounds_;
  round_start_ = true;
}

/// Section 5.5.5: the maximum of the last two cycles. A sample that the application limited counts only if it is higher.
void BbrModel::update_bandwidth(const RateSample& rate) noexcept {
  latest_sample_ = rate_of(rate);
  if (latest_sample_ > 0 && (latest_sample_ >= max_bw() || !rate.app_limited)) bw_filter_[1] = std::max(bw_filter_[1], latest_sample_);
}

void BbrModel::advance_max_bw_filter() noexcept {
  if (bw_filter_[1] == 0) return;  // nothing was learned in this cycle
  bw_filter_[0] = bw_filter_[1];
  bw_filter_[1] = 0;
}

/// Section 5.5.10: once in a round trip with losses the bounds come down to what was delivered, by 30 % at most.
void BbrModel::update_congestion(const AckEvent& event, std::uint32_t cwnd, bool probing_bw) noexcept {
  loss_round_start_ = event.rate->prior_delivered_bytes >= loss_round_delivered_;
  if (loss_round_start_) loss_round_delivered_ = delivered_;
  bw_latest_ = std::max(bw_latest_, latest_sample_);
  inflight_latest_ = std::max(inflight_latest_, event.rate->delivered_bytes);
  if (!loss_round_start_) return;
  last_round_ = std::exchange(this_round_, {});
  if (loss_in_round_ && !probing_bw) {
    if (inflight_shortterm_ == kUnlimited) {
      bw_shortterm_ = max_bw();
      inflight_shortterm_ = cwnd;
    }
    bw_shortterm_ = std::max(bw_latest_, kBeta * bw_shortterm_);
    inflight_shortterm_ = std::max(inflight_latest_, static_cast<std::uint64_t>(kBeta * static_cast<double>(inflight_shortterm_)));
  }
  loss_in_round_ = false;
}

/// Section 5.5.10.2.
void BbrModel::on_lost(const LostEvent& event) noexcept {
  begin_loss_round(event.total_delivered_bytes);
  this_round_.lost += event.bytes;
  ++this_round_.loss_events;
}

void BbrModel::begin_loss_round(std::uint64_t delivered) noexcept {
  if (!loss_in_round_) {
    loss_round_delivered_ = delivered;
    this_round_ = {};
  }
  loss_in_round_ = true;
}

void BbrModel::undo(double bw_shortterm, std::uint64_t inflight_shortterm) noexcept {
  loss_in_round_ = false;
  reset_full_bw(0);
  bw_shortterm_ = std::max(bw_shortterm_, bw_shortterm);
  inflight_shortterm_ = std::max(inflight_shortterm_, inflight_shortterm);
}

void BbrModel::advance_latest(const RateSample& rate) noexcept {
  if (!loss_round_start_) return;
  bw_latest_ = rate_of(rate);
  inflight_latest_ = rate.delivered_bytes;
}

void BbrModel::reset_shortterm() noexcept {
  bw_shortterm_ = std::numeric_limits<double>::infinity();
  inflight_shortterm_ = kUnlimited;
}

void BbrModel::reset_congestion_signals() noexcept {
  loss_in_round_ = false;
  bw_latest_ = 0;
  inflight_latest_ = 0;
}

/// Section 5.5.9: how much more than the estimated rate acknowledgments bring at once.
void BbrModel::update_aggregation(const AckEvent& event, std::uint32_t cwnd) noexcept {
  if (event.delivered_bytes == 0) return;
  const double interval = aggregation_start_ ? seconds(event.now - *aggregation_start_) : 0;
  double expected = bw() * interval;
  if (!aggregation_start_ || static_cast<double>(aggregated_) <= expected) {
    aggregation_start_ = event.now;
    aggregated_ = 0;
    expected = 0;
  }
  aggregated_ += event.delivered_bytes;
  const auto extra = static_cast<std::uint64_t>(std::max(static_cast<double>(aggregated_) - expected, 0.0));
  const std::uint64_t window = full_bw_reached_ ? kExtraAckedRounds : 1;
  if (rounds_ - extra_acked_round_ >= window) {
    extra_acked_round_ = rounds_;
    extra_acked_[0] = extra_acked_[1];
    extra_acked_[1] = 0;
  }
  extra_acked_[1] = std::max(extra_acked_[1], std::min<std::uint64_t>(extra, cwnd));
}

/// Section 5.3.1.2: the pipe is full when the rate has not grown by a quarter in three rounds.
void BbrModel::update_full_bw(const RateSample& rate) noexcept {
  if (full_bw_now_ || !round_start_ || rate.app_limited) return;
  if (latest_sample_ >= full_bw_ * kFullBwGrowth) {
    reset_full_bw(latest_sample_);
    return;
  }
  if (++full_bw_count_ >= kFullBwRounds) declare_full_bw();
}

void BbrModel::reset_full_bw(double start) noexcept {
  full_bw_ = start;
  full_bw_count_ = 0;
  full_bw_now_ = false;
}

/// Sections 5.3.4.3 and 5.5.8: two filters, one that says when to look, one that says how far the path is.
void BbrModel::update_min_rtt(const AckEvent& event) noexcept {
  if (!probe_rtt_min_delay_) probe_rtt_min_stamp_ = event.now;
  probe_rtt_expired_ = probe_rtt_min_delay_ && event.now > probe_rtt_min_stamp_ + kProbeRttInterval;
  if (event.rtt && (!probe_rtt_min_delay_ || *event.rtt < *probe_rtt_min_delay_ || probe_rtt_expired_)) {
    probe_rtt_min_delay_ = event.rtt;
    probe_rtt_min_stamp_ = event.now;
  }
  const bool expired = event.now > min_rtt_stamp_ + kMinRttFilter;
  if (probe_rtt_min_delay_ && (!min_rtt_ || *probe_rtt_min_delay_ < *min_rtt_ || expired)) {
    min_rtt_ = probe_rtt_min_delay_;
    min_rtt_stamp_ = probe_rtt_min_stamp_;
  }
}

/// The bandwidth-delay product times `gain`; kUnlimited without a delay sample.
std::uint64_t BbrModel::bdp(double bandwidth, double gain) const noexcept {
  if (!min_rtt_) return kUnlimited;
  return static_cast<std::uint64_t>(std::min(gain * bandwidth * seconds(*min_rtt_), kMostBytes));
}

}  // namespace tapir::tcp
