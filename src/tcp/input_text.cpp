// Sixth to eighth step of RFC 9293 section 3.10.7.4: URG, segment text, FIN.

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// The pointer names the octet behind the last urgent one (MUST-62).
void ConnectionCore::process_urgent(const Segment& segment) {
  if (!segment.has(Flags::urg) || fin_received_ || !receives_text(tcb_.state)) return;
  const SeqNum pointer = segment.seq + segment.urgent;
  if (pointer <= next_read() || (tcb_.urgent_in && pointer <= tcb_.rcv_up)) return;
  tcb_.rcv_up = pointer;
  tcb_.urgent_in = true;
  tell(kUrgent);
}

Accepted ConnectionCore::process_text(Arrival& arrival) {
  Segment& segment = arrival.segment;
  if (segment.payload_size == 0 && !segment.has(Flags::fin)) return {};
  if (fin_received_ || !receives_text(tcb_.state)) {
    ack_.on_urgent();
    return drop(Drop::after_close);
  }
  if (reading_over_ && segment.payload_size > 0) {
    const auto dropped = drop(Drop::after_close);
    engine_->reset_stranger(segment, tuple_, settings_->tos);  // as in CLOSED, where the connection is from now on
    end(Error::connection_aborted, true);
    return dropped;
  }
  note_fin(arrival);
  if (peer_fin_ && segment.seq + segment.payload_size > *peer_fin_) {  // nothing comes behind a FIN
    segment.payload_size = segment.seq < *peer_fin_ ? distance(segment.seq, *peer_fin_) : 0;
    arrival.payload.truncate(segment.payload_size);
  }
  Accepted outcome{};
  if (segment.payload_size > 0) outcome = take_text(arrival);
  if (peer_fin_ == tcb_.rcv_nxt) {
    peer_fin_arrived();
  } else if (segment.has(Flags::fin)) {
    ack_.on_urgent();
  }
  return outcome;
}

Accepted ConnectionCore::take_text(Arrival& arrival) {
  const Segment& segment = arrival.segment;
  last_data_received_ = context_.now();
  const std::uint32_t each =
      arrival.segments == 1 ? segment.payload_size : (segment.payload_size + arrival.segments - 1) / arrival.segments;
  receive_mss_ = std::clamp(each, receive_mss_, 65535U);
  if (unlikely(segment.seq != tcb_.rcv_nxt)) return text_beyond_gap(arrival);
  text_in_order(arrival);
  return {};
}

/// Octets of an acceptable segment that have come before, beyond a gap (RFC 2883).
void ConnectionCore::note_overlap(const Segment& segment) {
  const auto twice = reassembly_.overlap(segment.seq, segment.seq + segment.payload_size);
  if (twice && engine_->config().dsack) sack_report_.on_duplicate(twice->begin, twice->end);
}

void ConnectionCore::text_in_order(Arrival& arrival) {
  const Segment& segment = arrival.segment;
  if (unlikely(memory_.exhausted())) engine_->drop_out_of_order();
  const bool fills_gap = !reassembly_.empty();
  if (unlikely(fills_gap)) note_overlap(segment);
  window_growth_.on_data(segment.payload_size, receive_mss_);
  if (unlikely(settings_->time_arrivals)) time_arrival(segment.seq, segment.payload_size, arrival.ingress);
  accept_in_order(arrival.payload);
  acknowledge_later(segment);
  if (unlikely(fills_gap)) ack_.on_urgent();
  receive_tuning_.on_data(context_.now(), tcb_.rcv_nxt, tcb_.rcv_wnd);
  if (likely(segment.payload_size < receive_mss_) || !tcb_.negotiated.timestamps || !arrival.options.timestamps) return;
  const std::uint32_t echo = arrival.options.timestamps->echo_reply;
  if (const auto since = timestamp_clock_.since(echo, context_.now())) receive_tuning_.on_echo(echo, *since);
}

/// An acknowledgment is owed, though not at once.
void ConnectionCore::acknowledge_later(const Segment& segment) {
  ack_.on_data({.now = context_.now(),
                .bytes = segment.payload_size,
                .mss = receive_mss_,
                .window = tcb_.rcv_wnd,
                .rto = rtt_.rto(),
                .srtt = rtt_.srtt().value_or(Duration::max())});
}

/// Octets beyond a gap are answered at once (RFC 5681 section 4.2). Where memory is scarce they are the first to be given up; the first block of SACK
/// tells of them nevertheless (RFC 2018 section 8).
Accepted ConnectionCore::text_beyond_gap(Arrival& arrival) {
  const SeqNum begin = arrival.segment.seq;
  const SeqNum end = begin + arrival.segment.payload_size;
  ack_.on_urgent();
  if (memory_.scarce()) {
    reassembly_.clear();
    sack_report_.on_discarded(begin, end);
    return drop(Drop::memory_limit);
  }
  const auto inserted = reassembly_.insert(tcb_.rcv_nxt, begin, std::move(arrival.payload));
  if (inserted.duplicate && engine_->config().dsack) sack_report_.on_duplicate(inserted.duplicate->begin, inserted.duplicate->end);
  if (inserted.bytes > 0) {
    if (settings_->time_arrivals) time_arrival(begin, arrival.segment.payload_size, arrival.ingress);
    return {};
  }
  if (!inserted.dropped) return drop(Drop::duplicate);
  sack_report_.on_discarded(begin, end);
  return drop(Drop::memory_limit);
}

/// Notes when octets from number `begin` on came, for a user who wants to know.
void ConnectionCore::time_arrival(SeqNum begin, std::uint32_t size, TimePoint ingress) {
  if (arrivals_ == nullptr) arrivals_ = std::make_unique<ArrivalTimes>();
  const std::uint64_t place = counters_.bytes_received + distance(tcb_.rcv_nxt, begin);
  arrivals_->note(place, place + size, ingress == TimePoint{} ? context_.now() : ingress);
}

/// Hands the octets at RCV.NXT to the user, and those that waited behind them.
void ConnectionCore::accept_in_order(const Packet& payload) {
  const std::size_t size = payload.size();
  receive_buffer_.append(payload);
  advance_received(size);
  if (unlikely(!reassembly_.empty())) accept_reassembled();
  tell(kReadable);
}

void ConnectionCore::accept_reassembled() {
  while (auto slice = reassembly_.take(tcb_.rcv_nxt)) {
    const std::size_t more = slice->size();
    receive_buffer_.append(std::move(*slice));
    advance_received(more);
  }
}

void ConnectionCore::advance_received(std::size_t bytes) noexcept {
  const auto count = static_cast<std::uint32_t>(bytes);
  tcb_.rcv_nxt += count;
  tcb_.rcv_wnd -= std::min(count, tcb_.rcv_wnd);
  counters_.bytes_received += count;
}

/// A FIN beyond a gap takes effect when the gap is closed; until then its place is kept.
void ConnectionCore::note_fin(const Arrival& arrival) {
  if (arrival.segment.has(Flags::fin) && !peer_fin_) peer_fin_ = arrival.segment.seq + arrival.segment.payload_size;
}

}  // namespace tapir::tcp::detail
