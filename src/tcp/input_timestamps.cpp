// What the timestamps of a segment say (RFC 7323).

#include <tapir/core/branch.hpp>

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
  return answer_unacceptable(segment, Drop::old_timestamp);
}

/// RFC 7323 section 5.3 R3: the segment is acceptable.
void ConnectionCore::note_timestamp(const Arrival& arrival) noexcept {
  if (unlikely(!tcb_.negotiated.timestamps) || unlikely(!arrival.options.timestamps)) return;
  recent_timestamp_.on_segment(arrival.segment.seq, arrival.options.timestamps->value, context_.now());
}

}  // namespace tapir::tcp::detail
