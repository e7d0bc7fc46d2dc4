// RFC 9293 section 3.10.7.3: a segment arrives in SYN-SENT.

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr Duration kEchoGrain = TimestampClock::Tick{1};
}  // namespace

/// Whether a SYN,ACK echoes the timestamp of one of our SYN segments, if any: what comes from an earlier connection does not (Linux' PAWSActive). Hosts that do
/// not know what to echo say 0.
bool ConnectionCore::echoes_syn(const Options& theirs) const {
  if (!engine_->config().timestamps || !theirs.timestamps || theirs.timestamps->echo_reply == 0) return true;
  const RetransmitQueue::Range* const syn = recovery_.queue().front();
  const auto since = timestamp_clock_.since(theirs.timestamps->echo_reply, context_.now());
  return syn == nullptr || (since && *since <= context_.now() - syn->first_sent + kEchoGrain);
}

Accepted ConnectionCore::syn_sent_arrives(Arrival& arrival) {
  Segment& segment = arrival.segment;
  const bool has_ack = segment.has(Flags::ack);
  const bool of_ours = segment.ack > tcb_.iss && segment.ack <= tcb_.snd_nxt && (segment.has(Flags::rst) || echoes_syn(arrival.options));
  if (has_ack && !of_ours) {
    engine_->reset_stranger(segment, tuple_, settings_->tos);  // answers no RST
    return drop(Drop::bad_ack);
  }
  if (segment.has(Flags::rst)) {
    if (!has_ack) return drop(Drop::blind_attack);
    end(Error::connection_refused, true);
    return {};
  }
  if (!segment.has(Flags::syn)) return drop(Drop::bad_flags);

  take_syn(arrival);
  if (!has_ack) {
    // Both ends opened at once. Our SYN goes again, with the acknowledgment of theirs.
    set_state(State::syn_received);
    recovery_.all_lost(context_.now());
    return {};
  }
  new_ack(arrival);
  fast_open_answered(arrival);
  become_established();
  ack_.on_urgent();
  segment.flags &= ~Flags::syn;
  ++segment.seq;
  return process_rest(arrival);
}

}  // namespace tapir::tcp::detail
