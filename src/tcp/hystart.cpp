#include "hystart.hpp"

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

Hystart::Hystart(const Config& config) noexcept : config_{config} {
  config_.growth_divisor = std::max(config_.growth_divisor, 2U);  // RFC 9406 section 4.3: a MUST
  config_.min_rtt_divisor = std::max(config_.min_rtt_divisor, 1U);
}

void Hystart::on_ack(SeqNum snd_una, SeqNum snd_nxt, std::optional<Duration> rtt) noexcept {
  if (phase_ == Phase::over) return;
  if (unlikely(!window_end_)) window_end_ = snd_nxt;
  if (likely(rtt.has_value())) {
    current_min_ = unlikely(current_min_.has_value()) ? std::min(*current_min_, *rtt) : *rtt;
    ++sample_count_;
    judge();
  }
  if (snd_una >= *window_end_) end_round(snd_nxt);
}

void Hystart::judge() noexcept {
  if (likely(sample_count_ < config_.samples)) return;
  if (phase_ == Phase::conservative) {
    if (*current_min_ < *baseline_) {  // the delay went down again: the exit would have been too early
      baseline_.reset();
      phase_ = Phase::slow_start;
    }
  } else if (last_min_ && *current_min_ >= *last_min_ + threshold()) {
    baseline_ = current_min_;
    css_rounds_ = 0;
    phase_ = Phase::conservative;
  }
}

void Hystart::end_round(SeqNum snd_nxt) noexcept {
  ++rounds_;
  window_end_ = snd_nxt;
  last_min_ = current_min_;
  current_min_.reset();
  sample_count_ = 0;
  if (phase_ == Phase::conservative && ++css_rounds_ >= config_.css_rounds) phase_ = Phase::over;
}

/// RttThresh.
Duration Hystart::threshold() const noexcept {
  return std::max(config_.min_rtt_threshold, std::min(*last_min_ / config_.min_rtt_divisor, config_.max_rtt_threshold));
}

}  // namespace tapir::tcp
