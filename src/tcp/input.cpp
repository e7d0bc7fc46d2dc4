// RFC 9293 section 3.10.7.4: a segment arrives in a state other than CLOSED, LISTEN and SYN-SENT. One function a check, in the RFC's order.

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

/// The caller keeps this connection alive while it ends.
[[gnu::flatten, gnu::hot]] Accepted ConnectionCore::segment_arrives(Arrival&& arrival) {
  ++counters_.segments_received;
  if (likely(!arrival.segment.has(Flags::syn))) arrival.segment.window <<= tcb_.snd_wind_shift;  // RFC 7323 section 2.3
  if (likely(is_predicted(arrival))) {
    accept_predicted(arrival);
    after_input();
    return {};
  }
  const Accepted outcome = tcb_.state == State::syn_sent ? syn_sent_arrives(arrival) : checks(arrival);
  if (!is_over()) after_input();
  return outcome;
}

void ConnectionCore::after_input() {
  tune_send_buffer();
  account_memory();
  if (unlikely(is_blocked())) update_timers();
  wants_to_send();  // and when it has its turn the timers are brought in line
}

/// Something came that nothing can be said of but that it was damaged (Config::acknowledge_bad_checksums).
void ConnectionCore::damaged_segment_arrives() {
  if (!is_synchronized(tcb_.state)) return;
  challenge();
  update_timers();
  wants_to_send();
}

Accepted ConnectionCore::checks(Arrival& arrival) {
  // Security and precedence, the RFC's third check, are no longer in use.
  using Check = Checked (ConnectionCore::*)(Arrival&);
  static constexpr Check kChecks[] = {&ConnectionCore::check_timestamps, &ConnectionCore::check_sequence, &ConnectionCore::check_reset,
                                      &ConnectionCore::check_syn, &ConnectionCore::check_ack};
  for (const Check check : kChecks) {
    const Checked verdict = (this->*check)(arrival);
    if (!verdict) return std::unexpected{verdict.error()};
    if (*verdict == Verdict::stop || is_over()) return {};
  }
  note_timestamp(arrival);
  return process_rest(arrival);
}

/// Sixth to eighth step: URG, text, FIN.
Accepted ConnectionCore::process_rest(Arrival& arrival) {
  note_peer_alive(arrival.tos);
  ecn_.on_segment(arrival.segment.flags, arrival.tos);
  if (tcb_.passive && !arrival.ip_options.empty() && arrival.ip_options != ip_options_) {
    ip_options_ = std::move(arrival.ip_options);  // another route than before replaces it (SHLD-24)
    update_mss();
  }
  take_user_timeout(arrival.options);
  cut_to_window(arrival);
  process_urgent(arrival.segment);
  return process_text(arrival);
}

/// An acceptable segment has come.
void ConnectionCore::note_peer_alive(std::uint8_t tos) {
  counters_.received_tos = tos;
  last_received_ = context_.now();
  keepalive_unanswered_ = 0;
  if (unlikely(settings_->keepalive.on) || unlikely(deadlines_.keepalive.is_set())) restart_keepalive();
}

/// First check: the sequence number.
ConnectionCore::Checked ConnectionCore::check_sequence(Arrival& arrival) {
  Segment& segment = arrival.segment;
  if (tcb_.state == State::syn_received && segment.has(Flags::syn) && !segment.has(Flags::rst) && segment.seq == tcb_.irs) {
    return repeated_syn(arrival);
  }
  if (acceptable(segment)) return Verdict::go_on;
  if (segment.has(Flags::rst)) return drop(Drop::out_of_window);
  if (tcb_.rcv_wnd == 0 && segment.seq == tcb_.rcv_nxt) {
    // "Special allowance should be made to accept valid ACKs, URGs, and RSTs": a probe of a closed window may bring news of the other direction.
    arrival.payload.truncate(0);
    segment.payload_size = 0;
    segment.flags &= ~Flags::fin;
    ack_.on_urgent();
    return Verdict::go_on;
  }
  return answer_unacceptable(segment, segment.seg_len() > 0 && segment.end() <= tcb_.rcv_nxt ? Drop::duplicate : Drop::out_of_window);
}

std::unexpected<Drop> ConnectionCore::answer_unacceptable(const Segment& segment, Drop reason) {
  // Two ends that find each other's empty ACKs unacceptable must not answer each other for ever.
  if (segment.seg_len() > 0 || answers_.allow(context_.now(), kAnswersPerPeriod, kAnswersPeriod)) ack_.on_urgent();
  if (engine_->config().dsack) sack_report_.on_duplicate(segment.seq, earlier(segment.seq + segment.payload_size, tcb_.rcv_nxt));
  return drop(reason);
}

/// The four cases of RFC 9293 section 3.4, table 6.
bool ConnectionCore::acceptable(const Segment& segment) const noexcept {
  const std::uint32_t length = segment.seg_len();
  if (length == 0) {
    if (tcb_.rcv_wnd == 0) return segment.seq == tcb_.rcv_nxt;
    // A peer that has filled the window acknowledges from its right edge. While one of its segments is missing that is not yet RCV.NXT, but what it
    // acknowledges is needed.
    if (!reassembly_.empty() && segment.seq == tcb_.receive_edge() && !segment.has(Flags::rst)) return true;
    return in_range(segment.seq, tcb_.rcv_nxt, tcb_.rcv_wnd);
  }
  if (tcb_.rcv_wnd == 0) return false;
  return in_range(segment.seq, tcb_.rcv_nxt, tcb_.rcv_wnd) || in_range(segment.end() - 1, tcb_.rcv_nxt, tcb_.rcv_wnd);
}

/// The peer's SYN once more while we are in SYN-RECEIVED. With an ACK it is the other half of a simultaneous open (RFC 9293 figure 8): the SYN is old, the
/// rest counts. Without, our SYN,ACK was lost.
ConnectionCore::Checked ConnectionCore::repeated_syn(Arrival& arrival) {
  Segment& segment = arrival.segment;
  if (segment.has(Flags::ack)) {
    segment.flags &= ~Flags::syn;
    if (engine_->config().dsack) sack_report_.on_duplicate(segment.seq, segment.seq + 1);
    ++segment.seq;
    ack_.on_urgent();
    return Verdict::go_on;
  }
  ecn_.on_syn_again(segment.flags);
  tcb_.negotiated.ecn = ecn_.negotiated();
  recovery_.all_lost(context_.now());
  return drop(Drop::duplicate);
}

/// Second check: RST, as RFC 5961 section 3 has it.
ConnectionCore::Checked ConnectionCore::check_reset(Arrival& arrival) {
  if (!arrival.segment.has(Flags::rst)) return Verdict::go_on;
  if (arrival.segment.seq != tcb_.rcv_nxt) {
    fast_open_reset_early();
    challenge();
    return drop(Drop::blind_attack);
  }
  switch (tcb_.state) {
    case State::syn_received:
      if (unseen()) {
        return_to_listen();
      } else {
        end(tcb_.passive ? Error::connection_reset : Error::connection_refused, true);
      }
      break;
    case State::closing:
    case State::last_ack: end(send_buffer_.empty() ? std::error_code{} : make_error_code(Error::connection_reset), true); break;
    default: end(Error::connection_reset, true); break;
  }
  return Verdict::stop;
}

/// Fourth check: SYN, as RFC 5961 section 4 has it.
ConnectionCore::Checked ConnectionCore::check_syn(Arrival& arrival) {
  if (!arrival.segment.has(Flags::syn)) return Verdict::go_on;
  if (tcb_.state == State::syn_received && unseen()) {
    return_to_listen();
    return Verdict::stop;
  }
  challenge();
  return drop(Drop::blind_attack);
}

/// Fifth check: ACK.
ConnectionCore::Checked ConnectionCore::check_ack(Arrival& arrival) {
  const Segment& segment = arrival.segment;
  if (!segment.has(Flags::ack)) return drop(Drop::bad_flags);
  if (tcb_.state == State::syn_received) {
    if (segment.ack <= tcb_.snd_una || segment.ack > tcb_.snd_nxt) {
      engine_->reset_stranger(segment, tuple_, settings_->tos);
      return drop(Drop::bad_ack);
    }
    if (deferred_until_ && context_.now() < *deferred_until_ && segment.seg_len() == 0) {
      // As Linux: the ACK counts only as proof that our SYN,ACK need not go again before the time is over. Then it does, and the answer opens the connection.
      deadlines_.retransmit = deferred_until_;
      return drop(Drop::not_handled);
    }
    tcb_.snd_wl1 = segment.seq;
    tcb_.snd_wl2 = segment.ack;
    tcb_.snd_wnd = segment.window;
    tcb_.max_snd_wnd = std::max(tcb_.max_snd_wnd, segment.window);
    process_ack(arrival);
    become_established();
    return Verdict::go_on;
  }
  // RFC 5961 section 5: an acknowledgment that no peer would send now comes from somebody who guesses.
  const std::int32_t behind = tcb_.snd_una - segment.ack;
  if (segment.ack > tcb_.snd_nxt || (behind > 0 && static_cast<std::uint32_t>(behind) > tcb_.max_snd_wnd)) {
    challenge();
    return drop(Drop::bad_ack);
  }
  process_ack(arrival);
  return is_over() ? Verdict::stop : Verdict::go_on;
}

/// Cuts the text to what the window takes and what has not been received yet.
void ConnectionCore::cut_to_window(Arrival& arrival) {
  Segment& segment = arrival.segment;
  if (segment.seq < tcb_.rcv_nxt) {
    const std::uint32_t old = std::min(distance(segment.seq, tcb_.rcv_nxt), segment.payload_size);
    if (engine_->config().dsack) sack_report_.on_duplicate(segment.seq, segment.seq + old);
    arrival.payload.trim_front(old);
    segment.payload_size -= old;
    segment.seq += old;
    segment.urgent = static_cast<std::uint16_t>(segment.urgent > old ? segment.urgent - old : 0);
  }
  const SeqNum edge = tcb_.receive_edge();
  if (segment.end() > edge) {
    segment.flags &= ~Flags::fin;
    const std::uint32_t room = segment.seq < edge ? distance(segment.seq, edge) : 0;
    segment.payload_size = std::min(segment.payload_size, room);
    arrival.payload.truncate(segment.payload_size);
  }
}

/// RFC 5961: an ACK that asks the peer, if it is the peer, to say it again with the right numbers.
void ConnectionCore::challenge() {
  const Config& config = engine_->config();
  const bool allowed = challenges_.allow(context_.now(), config.challenge_acks, config.challenge_period, context_.random);
  if (allowed && engine_->may_challenge()) ack_.on_urgent();
}

std::unexpected<Drop> ConnectionCore::drop(Drop reason) { return engine_->drop(reason); }

}  // namespace tapir::tcp::detail
