#include "rtt_estimator.hpp"

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

namespace {
constexpr Duration kLeastRto = std::chrono::milliseconds{1};    // zero would send again and again within one moment
constexpr Duration kGreatestRto = std::chrono::hours{24};       // doubled it is still far from overflow
constexpr Duration kLeastCap = std::chrono::seconds{60};        // RFC 6298 section 2.5
constexpr Duration kAfterSynTimeout = std::chrono::seconds{3};  // RFC 6298 section 5.7
constexpr Duration kMaxSample = std::chrono::hours{24};         // keeps the sums below far from overflow
constexpr std::uint32_t kMostSamples = 1000;                    // likewise
}  // namespace

RttEstimator::RttEstimator(const Config& config) noexcept : config_{config}, rto_{} {
  config_.max_rto = std::clamp(config_.max_rto, kLeastCap, kGreatestRto);
  config_.min_rto = std::clamp(config_.min_rto, kLeastRto, kGreatestRto);
  rto_ = bounded(config_.initial_rto);
}

void RttEstimator::on_sample(Duration rtt, std::uint32_t samples_per_rtt, TimePoint now) noexcept {
  const std::int64_t count = std::clamp(samples_per_rtt, 1U, kMostSamples);
  rtt = std::clamp(rtt, Duration::zero(), kMaxSample);
  note_minimum(rtt, now);
  if (unlikely(!sampled())) {  // section 2.2
    srtt_ = rtt;
    rttvar_ = rtt / 2;
  } else {  // section 2.3: the variation from the old mean first; alpha 1/8, beta 1/4, each shared by the samples
    const Duration deviation = srtt_ > rtt ? srtt_ - rtt : rtt - srtt_;
    if (likely(count == 1)) {  // mostly; and division by what is known beforehand is a shift
      rttvar_ = (3 * rttvar_ + deviation) / 4;
      srtt_ = (7 * srtt_ + rtt) / 8;
    } else {
      rttvar_ = ((4 * count - 1) * rttvar_ + deviation) / (4 * count);
      srtt_ = ((8 * count - 1) * srtt_ + rtt) / (8 * count);
    }
  }
  latest_ = rtt;
  ++samples_;
  backoffs_ = 0;
  rto_ = bounded(srtt_ + std::max(config_.granularity, 4 * rttvar_));
}

/// A minimum over two windows, the one under way and the one before: a path that has become longer is noticed (RFC 8985 section 6.2 step 1).
void RttEstimator::note_minimum(Duration rtt, TimePoint now) noexcept {
  if (unlikely(!sampled())) {
    min_rtt_ = former_min_rtt_ = rtt;
    window_began_ = now;
  } else if (unlikely(now - window_began_ >= config_.min_rtt_window)) {
    const bool silent = now - window_began_ >= 2 * config_.min_rtt_window;
    former_min_rtt_ = silent ? rtt : min_rtt_;
    min_rtt_ = rtt;
    window_began_ = now;
  }
  min_rtt_ = std::min(min_rtt_, rtt);
}

void RttEstimator::on_spurious_timeout() noexcept {
  backoffs_ = 0;
  rto_ = bounded(sampled() ? srtt_ + std::max(config_.granularity, 4 * rttvar_) : config_.initial_rto);
}

void RttEstimator::back_off() noexcept {
  rto_ = bounded(2 * rto_);
  ++backoffs_;
}

void RttEstimator::on_established(bool syn_timed_out) noexcept {
  if (!syn_timed_out || config_.initial_rto >= kAfterSynTimeout) return;
  rto_ = kAfterSynTimeout;
  backoffs_ = 0;
}

Duration RttEstimator::bounded(Duration rto) const noexcept { return std::min(std::max(rto, config_.min_rto), config_.max_rto); }

}  // namespace tapir::tcp
