// What leaves next: the scheduler asks for one segment at a time (pull), so that acknowledgments merge and windows are fresh.

#include <algorithm>
#include <limits>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

void ConnectionCore::wants_to_send() {
  if (!is_over()) context_.scheduler.make_ready(*this);
}

[[gnu::flatten, gnu::hot]] Pulled ConnectionCore::pull() {
  const Held self{*this};
  if (unlikely(is_over())) return Pulled::drained;
  const Scheduler::Deferral deferral{context_.scheduler};
  const network::Outlook outlook = engine_->network().outlook(tuple_.remote.address);
  if (unlikely(!outlook.writable)) {
    update_timers();
    return Pulled::blocked;
  }
  tells_queue_ = outlook.tells_queue;
  if (likely(std::exchange(path_due_, false))) look_at_path(outlook.path_mtu);
  bool sent = false;
  if (const std::uint32_t plain = plain_segment(); likely(plain > 0)) {
    sent = send_plain(plain) || send_ack();  // what has to wait keeps no acknowledgment back
  } else {
    sent = send_next();
  }
  if (unlikely(is_over())) return Pulled::drained;  // over a loopback the answer may have come already
  const bool more = likely(sent) && may_send_more();
  if (likely(!more)) {
    note_app_limit();
    note_what_limits();
  }
  update_timers();
  return more ? Pulled::more : Pulled::drained;
}

/// What goes first, of all that a connection may have to send. Whether something has left.
bool ConnectionCore::send_next() {
  return send_syn() || send_tail_probe() || retransmit() || send_probe() || send_keepalive() || send_new() ||
         (recovery_.new_data_is_impossible() && retransmit()) || send_guess() || send_ack();
}

/// Whether it is worth to look for another segment after one.
bool ConnectionCore::may_send_more() const {
  if (unlikely(probe_due_) || unlikely(tail_probe_due_) || unlikely(keepalive_due_) || unlikely(ack_.due(context_.now()))) return true;
  return unsent() > 0 || unlikely(fin_unsent()) || unlikely(recovery_.state() != CaState::open) ||
         unlikely(recovery_.queue().lost_bytes() > 0);
}

/// SYN, or SYN,ACK once the peer's SYN is known; the first, or the one that was lost.
bool ConnectionCore::send_syn() {
  const RetransmitQueue::Range* front = recovery_.queue().front();
  const bool again = front != nullptr && !tcb_.syn_acked && front->lost;
  if (tcb_.syn_sent && !again) return false;
  const std::uint32_t payload = take_syn_data();
  tcb_.syn_sent = true;
  note_sent(tcb_.iss, tcb_.iss + 1 + payload);
  count_sent(0, again);
  counters_.bytes_sent += payload;
  const Flags flags = tcb_.state == State::syn_sent ? Flags::syn | ecn_.syn_flags(again) : Flags::syn | Flags::ack | ecn_.syn_ack_flags();
  Packet packet{context_.pool};
  if (payload > 0) (void)send_buffer_.view(0, payload, packet);
  (void)emit(std::move(packet), tcb_.iss, flags);
  fast_open_.option.reset();
  return true;
}

/// How many of the lost octets at `begin` may leave now; 0: none.
std::uint32_t ConnectionCore::retransmission_size(SeqNum begin) const {
  const RetransmitQueue& sent = recovery_.queue();
  const SeqNum edge = tcb_.snd_una + tcb_.snd_wnd;
  if (begin >= edge) return 0;  // beyond a window that was shrunk (RFC 9293 section 3.8.6)
  std::uint32_t allowed = mss_;
  if (!recovery_.retransmission_is_free()) {
    const std::uint32_t in_network = sent.in_network();
    allowed = congestion_.cwnd() > in_network ? congestion_.cwnd() - in_network : 0;
    if (in_network == 0) allowed = std::max(allowed, mss_);
    if (allowed < sent.lost_run(begin, std::min(mss_, record_left(begin)))) return 0;
  }
  std::uint32_t most = std::min({allowed, super_segment_limit(), distance(begin, edge)});
  if (most > mss_) most -= most % mss_;
  most = std::min(most, record_left(begin));
  // A FIN behind a full segment takes no room in it.
  const std::uint32_t run = sent.lost_run(begin, most + (fin_sent_ ? 1U : 0U));
  return run > most && begin + run != tcb_.snd_nxt ? most : run;
}

bool ConnectionCore::retransmit() {
  if (!is_synchronized(tcb_.state) || tcb_.snd_wnd == 0 || recovery_.prefers_new_data()) return false;
  const RetransmitQueue::Range* lost = recovery_.queue().next_lost();
  if (lost == nullptr || (lost->begin == tcb_.iss && !tcb_.syn_acked)) return false;
  const SeqNum begin = lost->begin;
  const std::uint32_t size = retransmission_size(begin);
  if (size == 0) return false;
  if (paced_out()) return false;
  const bool with_fin = fin_sent_ && begin + size == tcb_.snd_nxt;
  std::uint32_t payload = size - (with_fin ? 1U : 0U);
  // A short rest is filled up with what has not been sent yet; not what went with the SYN, for which room was left.
  const SeqNum syn_data_end = tcb_.iss + 1 + fast_open_.attempt.data;
  const bool of_syn = distance(begin, syn_data_end) - 1 < fast_open_.attempt.data;  // begin lies 1 to `data` octets before the end of that
  const bool ends_record = payload > 0 && record_left(begin) == payload;
  if (begin + size == tcb_.snd_nxt && !fin_sent_ && payload < mss_ && !ends_record && !of_syn)
    payload += std::min({mss_ - payload, unsent(), usable_window(), record_left(tcb_.snd_nxt)});
  Flags flags = Flags::ack;
  if (with_fin) flags |= Flags::fin;
  if (payload > 0 && (begin + payload == syn_data_end || ends_record || begin + payload == data_end())) flags |= Flags::psh;
  if (!send_octets(begin, payload, flags)) return false;
  // The timer is not to send again what has just been (RFC 6298 section 5). Without SACK partial acknowledgments move it (RFC 6582 section 3.2).
  if (begin == tcb_.snd_una && recovery_.sack() && !is_over()) deadlines_.retransmit = context_.now() + rtt_.rto();
  return true;
}

/// RFC 6675 section 5 (C): what may be lost, when cwnd takes a segment and there is nothing better to send.
bool ConnectionCore::send_guess() {
  const auto guess = recovery_.next_guess();
  if (!guess || tcb_.snd_wnd == 0 || (unsent() > 0 && peer_window_left() > 0)) return false;
  if (recovery_.queue().in_network() + mss_ > congestion_.cwnd() || paced_out()) return false;
  const auto [begin, end] = guess->range;
  const bool with_fin = fin_sent_ && end == tcb_.snd_nxt;
  const std::uint32_t payload = distance(begin, end) - (with_fin ? 1U : 0U);
  recovery_.on_guess(*guess);
  Flags flags = Flags::ack;
  if (with_fin) flags |= Flags::fin;
  if (payload > 0 && begin + payload == data_end()) flags |= Flags::psh;
  if (send_octets(begin, payload, flags)) return true;
  recovery_.on_guess_refused();
  return false;
}

/// RFC 8985 section 7.3: a new segment if there is one and the peer has room, else the last one again; one that cwnd does not hold back.
bool ConnectionCore::send_tail_probe() {
  if (!tail_probe_due_) return false;
  tail_probe_due_ = false;
  const RetransmitQueue::Range* last = recovery_.queue().back();
  if (last == nullptr || tcb_.snd_wnd == 0) return false;
  const std::uint32_t fresh = std::min({unsent(), peer_window_left(), mss_, record_left(tcb_.snd_nxt)});
  const bool with_fin = fresh == 0 && fin_sent_;
  const SeqNum begin =
      fresh > 0 ? tcb_.snd_nxt : later(later(last->begin, record_begin(tcb_.snd_nxt)), tcb_.snd_nxt - mss_ - (with_fin ? 1U : 0U));
  const SeqNum end = tcb_.snd_nxt + fresh;
  const std::uint32_t payload = distance(begin, end) - (with_fin ? 1U : 0U);
  Flags flags = Flags::ack | ecn_.on_new_data(fresh);
  if (with_fin) flags |= Flags::fin;
  if (payload > 0 && begin + payload == data_end()) flags |= Flags::psh;
  if (!send_octets(begin, payload, flags, true)) return false;
  ++counters_.tail_probes;
  return true;
}

/// RFC 9293 section 3.8.6.1: one octet into a closed window, the oldest unacknowledged or the next; or none, of a number that makes the peer answer.
bool ConnectionCore::send_probe() {
  if (!probe_due_) return false;
  probe_due_ = false;
  if (!persisting() || refused_) return false;  // what the device has refused is tried again as it is
  const bool again = !recovery_.queue().empty();
  if (!again && !engine_->config().probe_with_data) {
    count_sent(0, false);
    (void)transmit(tcb_.snd_una - 1, 0, Flags::ack);
    return true;
  }
  const SeqNum begin = again ? tcb_.snd_una : tcb_.snd_nxt;
  const bool is_fin = begin == data_end();
  if (!send_octets(begin, is_fin ? 0 : 1, is_fin ? Flags::ack | Flags::fin : Flags::ack)) return false;
  probing_ = true;
  if (is_fin) fin_sent_ = true;
  return true;
}

/// RFC 9293 section 3.8.4: a number the peer has acknowledged, which makes it answer.
bool ConnectionCore::send_keepalive() {
  if (!keepalive_due_) return false;
  keepalive_due_ = false;
  count_sent(0, false);
  (void)transmit(tcb_.snd_nxt - 1, 0, Flags::ack);
  return true;
}

/// Octets from `begin` to the end of the record that it is in; far more when none is known.
std::uint32_t ConnectionCore::record_left(SeqNum begin) const noexcept {
  if (begin < send_base_) return std::numeric_limits<std::uint32_t>::max();
  const auto left = send_buffer_.record_left(distance(send_base_, begin));
  return left ? static_cast<std::uint32_t>(*left) : std::numeric_limits<std::uint32_t>::max();
}

/// Where the record begins that the octet before `end` is in, as far as it is kept.
SeqNum ConnectionCore::record_begin(SeqNum end) const noexcept {
  if (end <= send_base_) return end;
  return send_base_ + static_cast<std::uint32_t>(send_buffer_.record_begin(distance(send_base_, end)));
}

/// About the next record: behind it no more comes into its last segment, so that has nothing to wait for.
SendDecision ConnectionCore::new_data_decision() const {
  const std::uint32_t queued = unsent();
  const std::uint32_t record = std::min(queued, record_left(later(tcb_.snd_nxt, send_base_)));
  const bool middle = record < queued;
  return {.queued = record,
          .usable_window = usable_window(),
          .mss = current_mss(),
          .max_window = tcb_.max_snd_wnd,
          .outstanding =
              settings_->minshall ? in_flight(small_end_ - 1 /* its last octet */) : recovery_.queue().outstanding() > syn_outstanding(),
          .minshall = settings_->minshall,
          .no_delay = !nagle_ || middle || fin_queued_,  // nothing comes that it could wait for
          .corked = (settings_->cork || more_follows_) && !fin_queued_ && !middle,
          .override_expired = override_expired_ || let_go_};
}

bool ConnectionCore::send_new() {
  if (!transfers() || (unsent() == 0 && !fin_unsent())) return false;
  const bool lost_goes_first = !recovery_.prefers_new_data() && (recovery_.sack() || !recovery_.in_fast_recovery());
  if (lost_goes_first && recovery_.queue().lost_bytes() > 0) return false;
  if (recovery_.queue().empty() && last_data_sent_ && peer_window_left() > 0) {
    congestion_.on_idle({.now = context_.now(), .idle = context_.now() - *last_data_sent_, .rto = rtt_.rto()});
  }
  const SendDecision decision = new_data_decision();
  const SeqNum begin = later(tcb_.snd_nxt, send_base_);
  std::uint32_t count = may_send(decision);
  if (count > decision.mss) count = std::min(count, super_segment_limit());
  const WrittenChunks::End* const chunk = chunks_.next_end(begin);
  const std::uint32_t in_chunk = chunk == nullptr ? 0 : distance(begin, chunk->at);
  if (in_chunk > 0 && in_chunk % mss_ == 0) count = std::min(count, in_chunk);
  if (count % decision.mss != 0 && waits_for_device(decision)) count -= count % decision.mss;
  const bool with_fin = fin_unsent() && count == unsent() && peer_window_left() > count;
  if (count == 0 && !with_fin) {
    // With data outstanding an ACK will come; otherwise only a timer can end the wait for a larger window.
    if (decision.queued > 0 && decision.usable_window > 0 && recovery_.queue().empty() && !deadlines_.send_override) {
      deadlines_.send_override = deadline_after(context_.now(), engine_->config().send_override);
    }
    return false;
  }
  if (paced_out()) return false;
  if (const MtuProbe probe = send_mtu_probe(); probe != MtuProbe::none) return probe == MtuProbe::sent;
  const bool pushed = end_pushed_ || override_expired_ || count < unsent();
  Flags flags = Flags::ack | ecn_.on_new_data(count);
  if (with_fin) flags |= Flags::fin;
  const bool ends_write = count == decision.queued && pushed;
  const bool ends_chunk = in_chunk > 0 && count == in_chunk && chunk->push;
  if (count > 0 && (ends_write || ends_chunk)) flags |= Flags::psh;  // the end of what the user wrote (MUST-61)
  if (!send_octets(begin, count, flags)) return false;
  new_data_left();
  if (with_fin) fin_sent_ = true;
  return true;
}

/// What kept it back is over.
void ConnectionCore::new_data_left() {
  override_expired_ = let_go_ = false;
  deadlines_.send_override.reset();
  deadlines_.auto_cork.reset();
  queued_until_.reset();
  if (unlikely(tells_queue_)) queued_until_ = engine_->network().queued_until(tuple_.remote.address);
}

/// Auto-corking: a small segment would only stand behind those that the device has not sent yet, while the user writes what could go with it. It leaves when
/// they have, so it is no later than it would have been. As Linux' tcp_should_autocork().
bool ConnectionCore::waits_for_device(const SendDecision& decision) {
  const bool more_may_come = decision.queued == unsent() && !decision.override_expired && !fin_queued_;
  if (!more_may_come || !queued_until_ || *queued_until_ <= context_.now()) return false;
  if (recovery_.queue().empty() || !engine_->config().auto_cork) return false;
  deadlines_.auto_cork = queued_until_;
  return true;
}

bool ConnectionCore::send_ack() {
  if (tcb_.state == State::syn_sent || !ack_.due(context_.now())) return false;
  if (tcb_.state == State::established && is_queued() && queue_->is_listed() && !std::exchange(ack_waits_, true)) {
    wants_to_send();  // behind the user, who is about to be told: the answer takes the acknowledgment along
    return false;
  }
  count_sent(0, false);
  (void)transmit(tcb_.snd_nxt, 0, Flags::ack);
  return true;
}

[[gnu::hot]] std::uint32_t ConnectionCore::unsent() const noexcept {
  if (unlikely(fin_sent_) || unlikely(is_over())) return 0;
  return distance(later(tcb_.snd_nxt, send_base_), data_end());
}

/// What the peer's window leaves beyond SND.NXT; 0 when it was shrunk below what is in flight (SHLD-15).
std::uint32_t ConnectionCore::peer_window_left() const noexcept {
  const std::uint32_t flight = tcb_.flight_size() - syn_outstanding();
  return tcb_.snd_wnd > flight ? tcb_.snd_wnd - flight : 0;
}

/// What the peer's window and cwnd leave beyond SND.NXT.
std::uint32_t ConnectionCore::usable_window() const noexcept {
  const std::uint64_t cwnd = std::uint64_t{congestion_.cwnd()} + recovery_.limited_transmit_allowance();
  const std::uint32_t flight = recovery_.in_flight() - std::min(recovery_.in_flight(), syn_outstanding());
  return cwnd > flight ? static_cast<std::uint32_t>(std::min<std::uint64_t>(cwnd - flight, peer_window_left())) : 0;
}

/// Octets [begin, end) leave: the books on what is outstanding.
void ConnectionCore::note_sent(SeqNum begin, SeqNum end, bool tail_probe) {
  const TimePoint now = context_.now();
  const bool again = begin < tcb_.snd_nxt;
  const std::uint32_t before = recovery_.queue().in_network();
  recovery_.on_sent(begin, end, now, tail_probe);
  tcb_.snd_nxt = later(tcb_.snd_nxt, end);
  if (unlikely(!tcb_.syn_acked) && begin == tcb_.iss) return;
  cwnd_usage_.on_sent(recovery_.in_flight(), congestion_.cwnd(), mss_, tcb_.snd_una, tcb_.snd_nxt);
  congestion_.on_sent({.now = now,
                       .bytes = distance(begin, end),
                       .in_flight = before,
                       .retransmission = again,
                       .cwnd_limited = cwnd_limited(),
                       .rto = rtt_.rto()});
}

/// Nothing more is sent now: why, for those who look at the connection. Linux judges at the same moment (tcp_write_xmit(), tcp_cwnd_validate()).
void ConnectionCore::note_what_limits() noexcept {
  using Phase = SendingTimes::Phase;
  Phase phase = Phase::busy;
  if (unlikely(!is_synchronized(tcb_.state)) || (unlikely(recovery_.queue().empty()) && unsent() == 0 && !fin_unsent())) {
    phase = Phase::idle;
  } else if (const std::uint32_t next = std::min(unsent(), mss_);
             unlikely(next > 0) && peer_window_left() < next && recovery_.in_flight() + next <= congestion_.cwnd()) {
    phase = Phase::window_limited;
  } else if (unlikely(wants_room_) && unsent() == 0 && !cwnd_limited()) {
    phase = Phase::buffer_limited;
  }
  sending_times_.enter(phase, context_.now());
}

/// Nothing is sent for want of data, not of a window (draft-ietf-ccwg-bbr section 4.1.2.4).
void ConnectionCore::note_app_limit() noexcept {
  const RetransmitQueue& sent = recovery_.queue();
  if (unsent() < mss_ && sent.lost_bytes() == 0 && sent.in_network() < congestion_.cwnd())
    recovery_.rate().on_app_limited(sent.in_network());
}

}  // namespace tapir::tcp::detail
