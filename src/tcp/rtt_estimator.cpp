#include "rtt_estimator.hpp"

#include <algorithm>

namespace tapir::tcp {

using std::chrono::seconds;

namespace {
constexpr Duration kLeastRto = std::chrono::milliseconds{1};  // zero would send again and again within one moment
constexpr Duration kGreatestRto = std::chrono::hours{24};     // doubled it is still far from overflow
constexpr Duration kLeastCap = seconds{60};                   // RFC 6298 section 2.5
constexpr Duration kAfterSynTimeout = seconds{3};             // RFC 6298 section 5.7
constexpr Duration kMaxSample = std::chrono::hours{24};       // keeps the sums below far from overflow
}  // namespace

RttEstimator::RttEstimator(const Config& config) noexcept : config_{config}, rto_{} {
  config_.max_rto = std::clamp(config_.max_rto, kLeastCap, kGreatestRto);
  config_.min_rto = std::clamp(config_.min_rto, kLeastRto, kGreatestRto);
  rto_ = bounded(config_.initial_rto);
}

void RttEstimator::on_sample(Duration rtt) noexcept {
  rtt = std::clamp(rtt, Duration::zero(), kMaxSample);
  if (!sampled()) {  // section 2.2
    srtt_ = rtt;
    rttvar_ = rtt / 2;
    min_rtt_ = rtt;
  } else {  // section 2.3: the variation from the old mean first; alpha 1/8, beta 1/4
    const Duration deviation = srtt_ > rtt ? srtt_ - rtt : rtt - srtt_;
    rttvar_ = (3 * rttvar_ + deviation) / 4;
    srtt_ = (7 * srtt_ + rtt) / 8;
    min_rtt_ = std::min(min_rtt_, rtt);
  }
  latest_ = rtt;
  ++samples_;
  backoffs_ = 0;
  rto_ = bounded(srtt_ + std::max(config_.granularity, 4 * rttvar_));
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
