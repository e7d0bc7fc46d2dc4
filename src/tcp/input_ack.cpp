// What an acceptable acknowledgment does (RFC 9293 section 3.10.7.4, fifth check).

#include <algorithm>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr Duration kAdviceInterval = std::chrono::milliseconds{500};  // good news of the path need not come with every segment
}  // namespace

void ConnectionCore::process_ack(const Arrival& arrival) {
  const Segment& segment = arrival.segment;
  if (segment.ack >= tcb_.snd_una && ecn_.on_ack(segment.flags, segment.ack)) congestion_echoed();
  last_ack_received_ = context_.now();
  more_follows_ = false;  // held back until the next chance to send at most, as Linux does it
  if (segment.ack > tcb_.snd_una) {
    new_ack(arrival);
  } else if (repeats_ack(segment) || (recovery_.sack() && !arrival.options.sack.empty())) {
    if (repeats_ack(segment) && !recovery_.queue().empty()) ++counters_.duplicate_acks;
    const AckOutcome outcome = recovery_.on_ack(report_of(arrival));
    count_delivered(segments_of(outcome.delivered));
    respond(outcome, 0);
  }
  take_window(segment);
  if (fin_sent_ && tcb_.snd_una == tcb_.snd_nxt) own_fin_acknowledged();
}

/// A SYN,ACK that is sent again echoes the SYN that came first, as no TSval is taken from a repeated one (RFC 7323 section 4.3): then it tells how long both
/// were lost, and nothing of the path.
bool ConnectionCore::echoes_last_syn(const AckReport& report) const noexcept {
  const RetransmitQueue::Range* const syn = recovery_.queue().front();
  return syn == nullptr || !report.echo_rtt || *report.echo_rtt <= report.arrived - syn->last_sent + TimestampClock::Tick{1};
}

AckReport ConnectionCore::report_of(const Arrival& arrival) const {
  const TimePoint now = context_.now();
  AckReport report{.now = now,
                   .arrived = arrival.ingress == TimePoint{} ? now : arrival.ingress,
                   .ack = arrival.segment.ack,
                   .sack = arrival.options.sack,
                   .duplicate = repeats_ack(arrival.segment),
                   .max_window = tcb_.max_snd_wnd};
  if (likely(tcb_.negotiated.timestamps) && likely(arrival.options.timestamps.has_value())) {
    report.echo_rtt = timestamp_clock_.since(arrival.options.timestamps->echo_reply, report.arrived);
    if (likely(report.echo_rtt.has_value())) report.echo_before = TimestampClock::end_of_tick(report.arrived) - *report.echo_rtt;
    if (unlikely(tcb_.state == State::syn_sent) && !echoes_last_syn(report)) report.echo_rtt.reset();
  }
  return report;
}

void ConnectionCore::count_delivered(std::uint32_t segments) noexcept {
  counters_.delivered_segments += segments;
  if (unlikely(ecn_.echoed())) counters_.delivered_ce_segments += segments;
}

void ConnectionCore::new_ack(const Arrival& arrival) {
  const Segment& segment = arrival.segment;
  const bool of_syn = !tcb_.syn_acked;
  const AckOutcome outcome = recovery_.on_ack(report_of(arrival));
  tcb_.snd_una = segment.ack;
  tcb_.syn_acked = true;
  mtu_reports_.on_acked(tcb_.snd_una);
  const std::uint32_t controls = (of_syn ? 1U : 0U) + (fin_sent_ && segment.ack == tcb_.snd_nxt ? 1U : 0U);
  const std::uint32_t bytes = outcome.acked - std::min(controls, outcome.acked);
  send_buffer_.acknowledge(bytes);
  send_base_ += bytes;
  counters_.bytes_acked += bytes;
  if (unlikely(tcb_.urgent_out) && tcb_.snd_up <= tcb_.snd_una) tcb_.urgent_out = false;
  front_retransmissions_ = 0;
  count_delivered(unlikely(of_syn) ? 1 : segments_of(outcome.delivered));
  if (unlikely(of_syn)) handshake_complete();
  respond(outcome, bytes);
  ack_made_progress(bytes);
}

/// What the acknowledgment of `bytes` means for congestion control and for the retransmission timer (RFC 6298 section 5).
void ConnectionCore::respond(const AckOutcome& outcome, std::uint32_t bytes) {
  const TimePoint now = context_.now();
  const std::uint32_t flight = recovery_.queue().outstanding();
  const std::uint32_t controls = outcome.acked - std::min(outcome.acked, bytes);  // SYN and FIN
  const bool held_back = congestion_.holds_back();
  if (unlikely(outcome.undone)) {
    congestion_->on_undo({.now = now, .flight_size = flight});
    observe_congestion("undo");
  }
  if (unlikely(outcome.mtu_probe != MtuProbeFate::unknown)) mtu_probe_settled(outcome.mtu_probe);
  if (unlikely(outcome.entered) || unlikely(outcome.tail_lost)) tell_of_loss(outcome);
  for (const LostEvent& lost : recovery_.newly_lost()) congestion_->on_lost(lost);
  if (unlikely(outcome.partial)) {
    congestion_->on_partial_ack({.now = now, .acked_bytes = bytes, .flight_size = flight});
  } else if (unlikely(outcome.left)) {
    congestion_->on_recovered({.now = now, .acked_bytes = bytes, .flight_size = flight, .repaired_bytes = outcome.repaired});
    observe_congestion("recovered");
  } else if (unlikely(outcome.duplicate_in_recovery)) {
    congestion_->on_duplicate_ack({.now = now, .flight_size = flight});
  } else if (likely(bytes > 0) || (recovery_.sack() && outcome.delivered > 0)) {
    congestion_.on_ack({.now = now,
                        .acked_bytes = bytes,
                        .credit_bytes = outcome.credit - std::min(outcome.credit, controls),
                        .delivered_bytes = outcome.delivered,
                        .lost_bytes = outcome.mtu_probe == MtuProbeFate::lost ? 0 : outcome.lost,
                        .flight_size = flight,
                        .in_flight = recovery_.queue().in_network(),
                        .snd_una = tcb_.snd_una,
                        .snd_nxt = tcb_.snd_nxt,
                        .rtt = outcome.rtt,
                        .cwnd_limited = cwnd_limited(),
                        .in_recovery = recovery_.sack() && recovery_.in_fast_recovery(),
                        .ece = ecn_.echoed(),
                        .rate = outcome.rate});
    observe_congestion("ack");
  }
  // The acknowledgment that ends it, too: what is outstanding left under it (draft-ietf-ccwg-bbr section 5.3.4.3).
  if (unlikely(held_back) || unlikely(congestion_.holds_back())) recovery_.rate().on_app_limited(recovery_.queue().in_network());
  if (likely(recovery_.queue().empty())) {
    deadlines_.retransmit.reset();
  } else if (outcome.restart_timer) {
    deadlines_.retransmit = now + rtt_.rto();
  }
}

/// A congestion response, with a recovery or, when a probe has repaired the loss, without.
void ConnectionCore::tell_of_loss(const AckOutcome& outcome) {
  const TimePoint now = context_.now();
  const std::uint32_t flight = recovery_.queue().outstanding();
  congestion_->on_loss({.now = now,
                        .flight_size = flight - std::min(recovery_.limited_bytes(), flight),
                        .snd_una = tcb_.snd_una,
                        .snd_nxt = tcb_.snd_nxt,
                        .cause = recovery_.sack() ? Congestion::loss : Congestion::duplicate_acks,
                        .in_flight = recovery_.queue().in_network(),
                        .recover_fs = outcome.recover_fs});
  ecn_.on_reduced(tcb_.snd_nxt);
  if (outcome.entered) {
    ++counters_.fast_retransmits;
    observe_congestion("fast retransmit");
  } else {
    congestion_->on_recovered({.now = now, .flight_size = flight, .repaired_bytes = mss_});
    observe_congestion("tail loss");
  }
}

/// Who is to know that the peer got something.
void ConnectionCore::ack_made_progress(std::uint32_t bytes) {
  if (likely(recovery_.queue().empty()) && likely(send_buffer_.empty()) && likely(!fin_unsent())) {
    deadlines_.user_timeout.reset();
  } else {
    restart_user_timeout();
  }
  if (unlikely(!last_advice_) || unlikely(context_.now() - *last_advice_ >= kAdviceInterval)) {
    last_advice_ = context_.now();
    engine_->network().advise(tuple_.remote.address, true);
  }
  if (unlikely(bytes == 0)) return;
  tell(kAcknowledged);
  // Not for every segment: a writer that is woken for little sends little.
  if (unlikely(wants_room_) && !settings_->chunked_writes && send_buffer_.room() >= std::max<std::size_t>(send_buffer_.limit() / 4, 1)) {
    wants_room_ = false;
    tell(kWritable);
  }
}

/// RFC 5681 section 2: of its five conditions all but that data is outstanding.
bool ConnectionCore::repeats_ack(const Segment& segment) const noexcept {
  return segment.ack == tcb_.snd_una && segment.seg_len() == 0 && segment.window == tcb_.snd_wnd;
}

/// The peer tells of a congestion mark: the answer is that to a loss, with nothing to send again (RFC 3168 section 6.1.2).
void ConnectionCore::congestion_echoed() {
  const RetransmitQueue& sent = recovery_.queue();
  const std::uint32_t flight = sent.outstanding();
  if (flight == 0 || recovery_.in_fast_recovery()) return;
  if (congestion_.cwnd() <= mss_) {  // no less can be sent than a segment, so it waits
    pacer_.hold(context_.now() + rtt_.rto());
    deadlines_.retransmit = context_.now() + rtt_.rto();
  }
  congestion_->on_loss({.now = context_.now(),
                        .flight_size = sent.outstanding(),
                        .snd_una = tcb_.snd_una,
                        .snd_nxt = tcb_.snd_nxt,
                        .cause = Congestion::ecn,
                        .in_flight = sent.in_network()});
  ecn_.on_echo_answered(tcb_.snd_nxt);
  observe_congestion("ECN");
}

CaState ConnectionCore::ca_state() const noexcept {
  const CaState state = recovery_.state();
  const bool losses = state == CaState::recovery || state == CaState::loss;
  return !losses && ecn_.answering() ? CaState::cwr : state;
}

/// What an acceptable acknowledgment says of the peer's window.
void ConnectionCore::take_window(const Segment& segment) {
  if (likely(segment.ack >= tcb_.snd_una)) update_send_window(segment);
  // A peer that answers probes of its closed window is alive, however long that lasts (MUST-37). Where nobody is left who could give up, it must not hold
  // our memory for ever (RFC 6429 section 3).
  if (unlikely(tcb_.snd_wnd == 0) && deadlines_.user_timeout && !released_) restart_user_timeout();
}

/// SND.WND, by a segment newer than the one of the last update.
void ConnectionCore::update_send_window(const Segment& segment) {
  const bool newer = likely(tcb_.snd_wl1 < segment.seq) || (tcb_.snd_wl1 == segment.seq && tcb_.snd_wl2 <= segment.ack);
  if (unlikely(!newer)) return;
  tcb_.snd_wnd = segment.window;
  tcb_.max_snd_wnd = std::max(tcb_.max_snd_wnd, segment.window);
  tcb_.snd_wl1 = segment.seq;
  tcb_.snd_wl2 = segment.ack;
  if (likely(!probing_) || tcb_.snd_wnd == 0) return;
  // What was sent into the closed window was thrown away there.
  probing_ = false;
  recovery_.all_lost(context_.now());
}

}  // namespace tapir::tcp::detail
