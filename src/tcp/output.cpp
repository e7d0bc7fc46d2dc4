// What leaves next: the scheduler asks for one segment at a time (pull), so that acknowledgments merge and windows are fresh.

#include <algorithm>
#include <array>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

void ConnectionCore::wants_to_send() {
  if (!is_over()) context_.scheduler.make_ready(*this);
}

Pulled ConnectionCore::pull() {
  const auto self = shared_from_this();
  if (is_over()) return Pulled::drained;
  if (!engine_->network().writable(tuple_.remote.address)) return Pulled::blocked;
  const bool sent = send_syn() || retransmit() || send_probe() || send_keepalive() || send_new() || send_ack();
  if (is_over()) return Pulled::drained;  // over a loopback the answer may have come already
  update_timers();
  return sent ? Pulled::more : Pulled::drained;
}

/// SYN, or SYN,ACK once the peer's SYN is known; the first, or the one that was lost.
bool ConnectionCore::send_syn() {
  const RetransmitQueue::Range* front = sent_.front();
  const bool again = front != nullptr && tcb_.snd_una == tcb_.iss && front->lost;
  if (tcb_.snd_nxt != tcb_.iss && !again) return false;
  std::array<std::byte, kMaxOptionsSize> bytes{};
  Writer writer{bytes};
  (void)encode_options(Options{.mss = mss_to_offer()}, writer);
  sent_.on_sent(tcb_.iss, tcb_.iss + 1, context_.now());
  tcb_.snd_nxt = later(tcb_.snd_nxt, tcb_.iss + 1);
  count_sent(0, again);
  const Flags flags = tcb_.state == State::syn_sent ? Flags::syn : Flags::syn | Flags::ack;
  emit(Packet{context_.pool}, tcb_.iss, flags, std::span{bytes}.first(writer.written()));
  return true;
}

/// How many octets from `begin` on, at most `max`, are lost without a gap.
std::uint32_t ConnectionCore::lost_run(SeqNum begin, std::uint32_t max) const {
  const auto& ranges = sent_.ranges();
  SeqNum end = begin;
  for (std::size_t i = 0; i < ranges.size() && distance(begin, end) < max; ++i) {
    if (ranges[i].end <= end) continue;
    if (!ranges[i].lost || ranges[i].begin > end) break;
    end = ranges[i].end;
  }
  return std::min(distance(begin, end), max);
}

/// How many of the lost octets at `begin` may leave now; 0: none.
std::uint32_t ConnectionCore::retransmission_size(SeqNum begin) const {
  const SeqNum edge = tcb_.snd_una + tcb_.snd_wnd;
  if (begin >= edge) return 0;  // beyond a window that was shrunk (RFC 9293 section 3.8.6)
  const std::uint32_t whole = lost_run(begin, mss_);
  std::uint32_t allowed = mss_;  // fast recovery resends one segment for each hole, whatever cwnd says (RFC 6582 section 3.2)
  if (!recovery_.fast) {
    const std::uint32_t in_network = sent_.in_network();
    allowed = congestion_.cwnd() > in_network ? congestion_.cwnd() - in_network : 0;
    if (in_network == 0) allowed = std::max(allowed, mss_);
    if (allowed < whole) return 0;
  }
  std::uint32_t most = std::min({allowed, super_segment_limit(), distance(begin, edge)});
  if (most > mss_) most -= most % mss_;
  // A FIN behind a full segment takes no room in it.
  const std::uint32_t run = lost_run(begin, most + (fin_sent_ ? 1U : 0U));
  return run > most && begin + run != tcb_.snd_nxt ? most : run;
}

bool ConnectionCore::retransmit() {
  if (!is_synchronized(tcb_.state) || tcb_.snd_wnd == 0) return false;
  const RetransmitQueue::Range* lost = sent_.next_lost();
  if (lost == nullptr || lost->begin == tcb_.iss) return false;
  const SeqNum begin = lost->begin;
  const std::uint32_t size = retransmission_size(begin);
  if (size == 0) return false;
  const bool with_fin = fin_sent_ && begin + size == tcb_.snd_nxt;
  std::uint32_t payload = size - (with_fin ? 1U : 0U);
  // A short rest is filled up with what has not been sent yet.
  if (begin + size == tcb_.snd_nxt && !fin_sent_ && payload < mss_) payload += std::min({mss_ - payload, unsent(), usable_window()});
  const SeqNum end = begin + payload + (with_fin ? 1U : 0U);
  sent_.on_sent(begin, end, context_.now());
  tcb_.snd_nxt = later(tcb_.snd_nxt, end);
  note_cwnd_use();
  count_sent(payload, true);
  Flags flags = Flags::ack;
  if (with_fin) flags |= Flags::fin;
  if (payload > 0 && begin + payload == data_end()) flags |= Flags::psh;
  transmit(begin, payload, flags);
  return true;
}

/// RFC 9293 section 3.8.6.1: one octet into a closed window, the oldest unacknowledged or the next.
bool ConnectionCore::send_probe() {
  if (!probe_due_) return false;
  probe_due_ = false;
  if (!persisting()) return false;
  const SeqNum begin = sent_.empty() ? tcb_.snd_nxt : tcb_.snd_una;
  const bool is_fin = begin == data_end();
  const bool again = !sent_.empty();
  probing_ = true;
  if (is_fin) fin_sent_ = true;
  sent_.on_sent(begin, begin + 1, context_.now());
  tcb_.snd_nxt = later(tcb_.snd_nxt, begin + 1);
  count_sent(is_fin ? 0 : 1, again);
  transmit(begin, is_fin ? 0 : 1, is_fin ? Flags::ack | Flags::fin : Flags::ack);
  return true;
}

/// RFC 9293 section 3.8.4: a number the peer has acknowledged, which makes it answer.
bool ConnectionCore::send_keepalive() {
  if (!keepalive_due_) return false;
  keepalive_due_ = false;
  count_sent(0, false);
  transmit(tcb_.snd_nxt - 1, 0, Flags::ack);
  return true;
}

SendDecision ConnectionCore::new_data_decision() const noexcept {
  return {.queued = unsent(),
          .usable_window = usable_window(),
          .mss = mss_,
          .max_window = tcb_.max_snd_wnd,
          .outstanding = !sent_.empty(),
          .no_delay = !settings_.nagle,
          .override_expired = override_expired_};
}

bool ConnectionCore::send_new() {
  if (!is_synchronized(tcb_.state) || (unsent() == 0 && !fin_unsent())) return false;
  if (!recovery_.fast && sent_.next_lost() != nullptr) return false;  // what is lost goes first
  if (sent_.empty() && last_sent_) {
    congestion_.on_idle({.now = context_.now(), .idle = context_.now() - *last_sent_, .rto = rtt_.rto()});
  }
  const SendDecision decision = new_data_decision();
  const std::uint32_t count = std::min(may_send(decision), super_segment_limit());
  const bool with_fin = fin_unsent() && count == decision.queued && peer_window_left() > count;
  if (count == 0 && !with_fin) {
    // With data outstanding an ACK will come; otherwise only a timer can end the wait for a larger window.
    if (decision.queued > 0 && decision.usable_window > 0 && sent_.empty() && !deadlines_.send_override) {
      deadlines_.send_override = deadline_after(context_.now(), engine_->config().send_override);
    }
    return false;
  }
  override_expired_ = false;
  deadlines_.send_override.reset();
  const SeqNum begin = later(tcb_.snd_nxt, send_base_);
  const SeqNum end = begin + count + (with_fin ? 1U : 0U);
  sent_.on_sent(begin, end, context_.now());
  tcb_.snd_nxt = end;
  if (with_fin) fin_sent_ = true;
  if (!recovery_.fast && recovery_.duplicate_acks > 0) recovery_.limited_bytes += count;
  note_cwnd_use();
  count_sent(count, false);
  Flags flags = Flags::ack;
  if (with_fin) flags |= Flags::fin;
  if (count > 0 && count == decision.queued) flags |= Flags::psh;  // the end of what the user wrote (MUST-61)
  transmit(begin, count, flags);
  return true;
}

bool ConnectionCore::send_ack() {
  if (tcb_.state == State::syn_sent || !ack_.due(context_.now())) return false;
  count_sent(0, false);
  transmit(tcb_.snd_nxt, 0, Flags::ack);
  return true;
}

std::uint32_t ConnectionCore::unsent() const noexcept {
  if (fin_sent_ || is_over()) return 0;
  return distance(later(tcb_.snd_nxt, send_base_), data_end());
}

/// What the peer's window leaves beyond SND.NXT; 0 when it was shrunk below what is in flight (SHLD-15).
std::uint32_t ConnectionCore::peer_window_left() const noexcept {
  const std::uint32_t flight = tcb_.flight_size();
  return tcb_.snd_wnd > flight ? tcb_.snd_wnd - flight : 0;
}

/// What the peer's window and cwnd leave beyond SND.NXT.
std::uint32_t ConnectionCore::usable_window() const noexcept {
  std::uint64_t cwnd = congestion_.cwnd();
  // Limited transmit: a segment for each of the first two duplicates, beyond a cwnd that does not change (RFC 5681 section 3.2 step 1).
  if (!recovery_.fast && recovery_.duplicate_acks <= 2) cwnd += std::uint64_t{recovery_.duplicate_acks} * mss_;
  const std::uint32_t flight = tcb_.flight_size();
  return cwnd > flight ? static_cast<std::uint32_t>(std::min<std::uint64_t>(cwnd - flight, peer_window_left())) : 0;
}

/// Whether cwnd is what holds the sender back: a window that is not used must not grow (RFC 7661 section 4.1 has the same test).
void ConnectionCore::note_cwnd_use() noexcept {
  const std::uint64_t flight = sent_.outstanding();
  const std::uint64_t cwnd = congestion_.cwnd();
  cwnd_limited_ = flight + mss_ > cwnd || (congestion_.in_slow_start() && 2 * flight >= cwnd);
}

}  // namespace tapir::tcp::detail
