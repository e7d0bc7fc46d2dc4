// What the timestamps of a segment say (RFC 7323).

#include <algorithm>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// RFC 7323 section 5.3 R1, before the sequence number is looked at. RST is exempt (section 5.2).
ConnectionCore::Checked ConnectionCore::check_timestamps(Arrival& arrival) {
  const Segment& segment = arrival.segment;
  if (!tcb_.negotiated.timestamps || segment.has(Flags::rst)) return Verdict::go_on;
  if (!arrival.options.timestamps) {
    // A SYN may come from a peer that has forgotten all: it must get its challenge ACK.
    if (segment.has(Flags::syn) || !engine_->config().require_timestamps) return Verdict::go_on;
    return drop(Drop::no_timestamp);
  }
  if (!recent_timestamp_.is_old(arrival.options.timestamps->value, context_.now())) return Verdict::go_on;
  (void)answer_unacceptable(segment);
  return std::unexpected{Drop::old_timestamp};
}

/// RFC 7323 section 5.3 R3: the segment is acceptable.
void ConnectionCore::note_timestamp(const Arrival& arrival) noexcept {
  if (!tcb_.negotiated.timestamps || !arrival.options.timestamps) return;
  recent_timestamp_.on_segment(arrival.segment.seq, arrival.options.timestamps->value, context_.now());
}

/// An acknowledgment of something new is a measurement of the round trip (RFC 7323 section 4.1): by our own record of when it left, which is exact, and
/// where a retransmission makes that ambiguous by the echoed timestamp.
void ConnectionCore::sample_rtt(const Arrival& arrival, const RetransmitQueue::Acked& acked) {
  const TimePoint at = arrival.ingress == TimePoint{} ? context_.now() : arrival.ingress;
  std::optional<Duration> rtt;
  if (acked.rtt_sent_at) {
    rtt = at - *acked.rtt_sent_at;
  } else if (tcb_.negotiated.timestamps && arrival.options.timestamps) {
    rtt = timestamp_clock_.since(arrival.options.timestamps->echo_reply, at);
  }
  if (!rtt) return;
  // Appendix G: with an acknowledgment for every second segment there are so many samples in a round trip. What was in flight when it began counts: its last
  // acknowledgments find little of it left.
  if (tcb_.snd_una > rtt_round_end_) {
    rtt_round_end_ = tcb_.snd_nxt;
    rtt_round_samples_ = (sent_.outstanding() + acked.bytes + 2 * mss_ - 1) / (2 * mss_);
  }
  rtt_.on_sample(*rtt, rtt_round_samples_);
}

}  // namespace tapir::tcp::detail
