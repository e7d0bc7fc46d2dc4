// RFC 9293 section 3.10.7.3: a segment arrives in SYN-SENT.

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

Accepted ConnectionCore::syn_sent_arrives(Arrival& arrival) {
  Segment& segment = arrival.segment;
  const bool has_ack = segment.has(Flags::ack);
  if (has_ack && (segment.ack <= tcb_.iss || segment.ack > tcb_.snd_nxt)) {
    engine_->reset_stranger(segment, tuple_, settings_.tos);  // answers no RST
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
