#include "rack.hpp"

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

namespace {
constexpr std::uint32_t kPersistence = 16;     // recoveries, RFC 8985 section 6.2 step 4
constexpr std::uint32_t kMaxMultiplier = 255;  // far beyond what SRTT bounds
}  // namespace

void Rack::on_delivered(const RetransmitQueue::Range& range, const Arrived& arrived) noexcept {
  const bool retransmitted = range.transmissions > 1;
  if (unlikely(!forward_most_) || likely(range.end > *forward_most_)) {
    forward_most_ = range.end;
  } else if (range.end < *forward_most_ && !retransmitted) {
    reordering_ = std::max(reordering_, distance(range.begin, *forward_most_));
    if (!std::exchange(late_, true)) ++reordering_events_;
  }
  const Duration rtt = arrived.at - range.last_sent;
  if (unlikely(retransmitted)) {
    // It is the original that was acknowledged, and of that the time is not known.
    if (arrived.echo_before && *arrived.echo_before <= range.last_sent) return;
    if (arrived.min_rtt && rtt < *arrived.min_rtt) return;
  }
  rtt_ = rtt;
  const rack::Sent sent{.at = range.last_sent, .end = range.end};
  if (unlikely(!latest_) || likely(rack::sent_after(sent, *latest_))) latest_ = sent;
}

void Rack::on_late_arrival(SeqNum begin) noexcept {
  if (forward_most_ && begin < *forward_most_) reordering_ = std::max(reordering_, distance(begin, *forward_most_));
}

void Rack::on_duplicate_reported(SeqNum snd_nxt) noexcept {
  if (dsack_round_) return;
  dsack_round_ = snd_nxt;
  multiplier_ = std::min(multiplier_ + 1, kMaxMultiplier);
  persist_ = kPersistence;
}

void Rack::on_una_advanced(SeqNum snd_una) noexcept {
  if (unlikely(dsack_round_.has_value()) && snd_una >= *dsack_round_) dsack_round_.reset();
}

void Rack::on_recovery_over() noexcept {
  if (persist_ > 0) --persist_;
  if (persist_ == 0) multiplier_ = 1;
}

}  // namespace tapir::tcp
