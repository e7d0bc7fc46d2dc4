// What an acceptable acknowledgment does (RFC 9293 section 3.10.7.4 fifth check, RFC 5681, RFC 6582).

#include <algorithm>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr std::uint32_t kDuplicateThreshold = 3;                      // RFC 5681 section 3.2
constexpr Duration kAdviceInterval = std::chrono::milliseconds{500};  // good news of the path need not come with every segment
}  // namespace

void ConnectionCore::process_ack(const Arrival& arrival) {
  const Segment& segment = arrival.segment;
  if (segment.ack > tcb_.snd_una) {
    new_ack(arrival);
  } else if (segment.ack == tcb_.snd_una && is_duplicate_ack(segment)) {
    duplicate_ack();
  }
  if (segment.ack >= tcb_.snd_una) update_send_window(segment);
  // A peer that answers probes of its closed window is alive, however long that lasts (MUST-37).
  if (tcb_.snd_wnd == 0 && deadlines_.user_timeout) restart_user_timeout();
  if (fin_sent_ && tcb_.snd_una == tcb_.snd_nxt) own_fin_acknowledged();
}

void ConnectionCore::new_ack(const Arrival& arrival) {
  const Segment& segment = arrival.segment;
  const bool of_syn = tcb_.snd_una == tcb_.iss;
  const RetransmitQueue::Acked acked = sent_.on_ack(segment.ack);
  tcb_.snd_una = segment.ack;
  const std::uint32_t controls = (of_syn ? 1U : 0U) + (fin_sent_ && segment.ack == tcb_.snd_nxt ? 1U : 0U);
  const std::uint32_t bytes = acked.bytes - std::min(controls, acked.bytes);
  send_buffer_.acknowledge(bytes);
  send_base_ += bytes;
  counters_.bytes_acked += bytes;
  sample_rtt(arrival, acked);
  if (tcb_.urgent_out && tcb_.snd_up <= tcb_.snd_una) tcb_.urgent_out = false;
  front_retransmissions_ = 0;
  if (of_syn) handshake_complete();
  recover_by(acked, bytes);
  ack_made_progress(bytes);
}

/// What the acknowledgment means for congestion control and for the retransmission timer (RFC 6582 section 3.2, RFC 6298 section 5).
void ConnectionCore::recover_by(const RetransmitQueue::Acked& acked, std::uint32_t bytes) {
  const std::uint32_t flight = sent_.outstanding();
  bool restart_timer = true;
  if (recovery_.fast && tcb_.snd_una < recovery_.recover) {
    congestion_.on_partial_ack({.now = context_.now(), .acked_bytes = bytes, .flight_size = flight});
    sent_.mark_lost(tcb_.snd_una, tcb_.snd_una + mss_);
    restart_timer = !recovery_.partial_seen;
    recovery_.partial_seen = true;
  } else if (recovery_.fast) {
    recovery_.fast = false;
    congestion_.on_recovered({.now = context_.now(), .acked_bytes = bytes, .flight_size = flight});
    observe_congestion("recovered");
  } else if (bytes > 0) {
    congestion_.on_ack({.now = context_.now(),
                        .acked_bytes = bytes,
                        .flight_size = flight,
                        .snd_una = tcb_.snd_una,
                        .snd_nxt = tcb_.snd_nxt,
                        .rtt = acked.rtt_sent_at ? rtt_.latest() : std::nullopt,
                        .cwnd_limited = cwnd_limited_});
    observe_congestion("ack");
  }
  recovery_.duplicate_acks = 0;
  recovery_.limited_bytes = 0;
  if (sent_.empty()) {
    deadlines_.retransmit.reset();
  } else if (restart_timer) {
    deadlines_.retransmit = context_.now() + rtt_.rto();
  }
}

/// Who is to know that the peer got something.
void ConnectionCore::ack_made_progress(std::uint32_t bytes) {
  if (sent_.empty() && send_buffer_.empty() && !fin_unsent()) {
    deadlines_.user_timeout.reset();
  } else {
    restart_user_timeout();
  }
  if (!last_advice_ || context_.now() - *last_advice_ >= kAdviceInterval) {
    last_advice_ = context_.now();
    engine_->network().advise(tuple_.remote.address, true);
  }
  if (bytes == 0) return;
  tell(kAcknowledged);
  // Not for every segment: a writer that is woken for little sends little.
  if (wants_room_ && send_buffer_.room() >= std::max<std::size_t>(send_buffer_.limit() / 4, 1)) {
    wants_room_ = false;
    tell(kWritable);
  }
}

/// RFC 5681 section 2: five conditions.
bool ConnectionCore::is_duplicate_ack(const Segment& segment) const noexcept {
  return !sent_.empty() && segment.seg_len() == 0 && segment.window == tcb_.snd_wnd;
}

void ConnectionCore::duplicate_ack() {
  ++counters_.duplicate_acks;
  if (recovery_.fast) {
    congestion_.on_duplicate_ack({.now = context_.now(), .flight_size = sent_.outstanding()});
    return;
  }
  ++recovery_.duplicate_acks;
  // RFC 6582 section 3.2 step 2: duplicates of what was sent before the last recovery say nothing of a new loss.
  if (recovery_.duplicate_acks == kDuplicateThreshold && tcb_.snd_una > recovery_.recover) enter_fast_recovery();
}

void ConnectionCore::enter_fast_recovery() {
  const std::uint32_t flight = sent_.outstanding();
  congestion_.on_loss({.now = context_.now(),
                       .flight_size = flight - std::min(recovery_.limited_bytes, flight),
                       .snd_una = tcb_.snd_una,
                       .snd_nxt = tcb_.snd_nxt});
  recovery_.fast = true;
  recovery_.partial_seen = false;
  recovery_.recover = tcb_.snd_nxt;
  sent_.mark_lost(tcb_.snd_una, tcb_.snd_una + mss_);
  ++counters_.fast_retransmits;
  observe_congestion("fast retransmit");
}

/// SND.WND, by a segment newer than the one of the last update.
void ConnectionCore::update_send_window(const Segment& segment) {
  const bool newer = tcb_.snd_wl1 < segment.seq || (tcb_.snd_wl1 == segment.seq && tcb_.snd_wl2 <= segment.ack);
  if (!newer) return;
  tcb_.snd_wnd = segment.window;
  tcb_.max_snd_wnd = std::max(tcb_.max_snd_wnd, segment.window);
  tcb_.snd_wl1 = segment.seq;
  tcb_.snd_wl2 = segment.ack;
  if (tcb_.snd_wnd == 0 || !probing_) return;
  // What was sent into the closed window was thrown away there.
  probing_ = false;
  sent_.mark_all_lost();
}

}  // namespace tapir::tcp::detail
