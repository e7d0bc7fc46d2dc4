// One timer over all deadlines of a connection (RFC 9293 section 3.10.8, RFC 6298).

#include <algorithm>

#include <tapir/core/branch.hpp>
#include <tapir/network/error_kind.hpp>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
constexpr Duration kRefusedRetry =
    std::chrono::milliseconds{500};  // as Linux' TCP_RESOURCE_PROBE_INTERVAL: those who share a full device take turns
}  // namespace

/// Not before Deadline::for_ever: there is none to wait for.
TimePoint ConnectionCore::earliest_deadline() const noexcept {
  const bool sent_now = ack_.due(context_.now());  // by pull()
  TimePoint earliest = sent_now ? Deadline::for_ever : *ack_.deadline();
  const auto consider = [&earliest](const auto&... deadlines) { ((earliest = std::min(earliest, *deadlines)), ...); };
  consider(deadlines_.retransmit, deadlines_.persist, deadlines_.send_override, deadlines_.pacing, deadlines_.keepalive,
           deadlines_.user_timeout, deadlines_.auto_cork, deadlines_.linger, deadlines_.idle, recovery_.reordering_deadline(),
           recovery_.probe_deadline());
  return earliest;
}

/// Brings the deadlines in line with what is outstanding, and the timer in line with the deadlines.
[[gnu::flatten, gnu::hot]] void ConnectionCore::update_timers() {
  if (unlikely(persisting())) {
    deadlines_.retransmit.reset();
    recovery_.cancel_probe();
    if (!deadlines_.persist && !probe_due_) {
      const Duration longest = rtt_.config().max_rto;
      Duration wait = refused_ && probes_ > 0 ? kRefusedRetry : rtt_.rto();
      for (std::uint32_t i = 0; i < persist_backoff_ && wait < longest; ++i) wait *= 2;
      deadlines_.persist = context_.now() + std::min(wait, longest);
    }
  } else {
    deadlines_.persist.reset();
    persist_backoff_ = probes_ = 0;
    probe_due_ = false;
    if (recovery_.queue().empty()) {
      deadlines_.retransmit.reset();
    } else if (likely(!deadlines_.retransmit)) {
      deadlines_.retransmit = context_.now() + rtt_.rto();
    }
    if (likely(tcb_.syn_acked)) recovery_.schedule_probe(context_.now(), deadlines_.retransmit);
  }
  watch_quiet();
  if (const TimePoint earliest = earliest_deadline(); unlikely(earliest >= Deadline::for_ever)) {
    timer_.cancel();
  } else if (unlikely(!timer_.armed()) || likely(timer_.deadline() != earliest)) {
    timer_.arm_at(earliest);
  }
}

/// Whether only the peer's closed window, or the device, keeps something from being sent.
bool ConnectionCore::persisting() const noexcept {
  if (likely(tcb_.snd_wnd != 0 && !refused_)) return false;
  if (!is_synchronized(tcb_.state) || !tcb_.syn_acked) return false;
  const bool waits = unsent() > 0 || fin_unsent();
  return (tcb_.snd_wnd == 0 && (waits || !recovery_.queue().empty())) || (refused_ && waits);
}

/// Takes a deadline that has passed.
bool ConnectionCore::expired(Deadline& deadline, std::string_view timer) const {
  if (!deadline.passed(context_.now())) return false;
  deadline.reset();
  observe_timer(timer);
  return true;
}

void ConnectionCore::on_timer() {
  const Held self{*this};
  if (deadlines_.idle.passed(context_.now())) {
    if (falls_asleep()) return;
    const TimePoint earliest = earliest_deadline();
    const bool more = ack_.due(context_.now()) || earliest <= context_.now();
    if (!more) return update_timers();  // to look is not to act
  }
  if (expired(deadlines_.user_timeout, "user timeout")) {
    if (!kept_back_by_pace()) return on_user_timeout();
    restart_user_timeout();
  }
  if (expired(deadlines_.linger, "FIN-WAIT-2")) return end({}, true);
  if (expired(deadlines_.keepalive, "keep-alive")) on_keepalive_timer();
  if (is_over()) return;
  if (auto deadline = recovery_.reordering_deadline(); expired(deadline, "reordering")) {
    respond(recovery_.on_reordering_timer(context_.now()), 0);
  }
  // What came in this turn may have moved the probe, or made it needless: the timers are brought in line only behind it.
  if (tcb_.syn_acked && !persisting()) recovery_.schedule_probe(context_.now(), deadlines_.retransmit);
  if (auto deadline = recovery_.probe_deadline(); expired(deadline, "tail loss probe")) on_tail_probe_timer();
  if (expired(deadlines_.retransmit, "retransmission")) on_retransmit_timer();
  if (is_over()) return;
  if (expired(deadlines_.persist, "persist")) on_persist_timer();
  (void)expired(deadlines_.pacing, "pacing");
  (void)expired(deadlines_.auto_cork, "auto-corking");
  if (expired(deadlines_.send_override, "send override")) override_expired_ = true;
  update_timers();
  wants_to_send();
}

/// RFC 6298 section 5.4-5.7, RFC 5681 section 3.1; R1 of RFC 9293 section 3.8.3.
void ConnectionCore::on_retransmit_timer() {
  const RetransmitQueue& sent = recovery_.queue();
  if (sent.empty()) return;
  if (out_of_retries()) return on_user_timeout();
  ++counters_.timeouts;
  if (!tcb_.syn_acked) {
    ++syn_retransmissions_;
  } else {
    congestion_->on_rto(
        {.now = context_.now(), .flight_size = sent.outstanding(), .first = front_retransmissions_ == 0, .snd_nxt = tcb_.snd_nxt});
    ecn_.on_reduced(tcb_.snd_nxt);
    observe_congestion("timeout");
    mtu_probe_settled(MtuProbeFate::undecided);
    if (front_retransmissions_ + 1 >= engine_->config().r1) path_is_black_hole();
    update_mss();  // the path may be wider again, or another connection may have learned that it is not
  }
  ++front_retransmissions_;
  fast_open_unanswered(false);
  rtt_.back_off();
  recovery_.on_timeout(context_.now());
  reconsider_mtu_report();
  if (tcb_.syn_acked) {
    for (const LostEvent& lost : recovery_.newly_lost()) congestion_->on_lost(lost);
  }
  deadlines_.retransmit = context_.now() + rtt_.rto();
  const std::uint32_t r1 = engine_->config().r1;
  if (front_retransmissions_ < r1) return;
  engine_->network().advise(tuple_.remote.address, false);
  if (front_retransmissions_ == r1 && settings_->report_soft_errors) tell(kStalled);
}

/// Whether the segment at SND.UNA was sent again as often as is allowed: R2 by count, beside the one by time.
bool ConnectionCore::out_of_retries() const {
  const Config& config = engine_->config();
  if (!tcb_.syn_acked) {
    const auto most = settings_->syn_retries ? settings_->syn_retries : config.syn_retries;
    return most && syn_retransmissions_ >= *most;
  }
  return config.data_retries && front_retransmissions_ >= *config.data_retries;
}

/// RFC 8985 section 7.3: the retransmission timer runs from the probe on.
void ConnectionCore::on_tail_probe_timer() {
  tail_probe_due_ = recovery_.on_probe_timer();
  if (tail_probe_due_) deadlines_.retransmit = context_.now() + rtt_.rto();
}

void ConnectionCore::on_persist_timer() {
  probe_due_ = true;
  if (refused_) {
    if (probes_ == 0) restart_user_timeout();  // only now the device is known to take nothing
  } else {
    ++persist_backoff_;
  }
  ++probes_;
}

void ConnectionCore::on_keepalive_timer() {
  if (!settings_->keepalive.on) return;
  if (!recovery_.queue().empty() || unsent() > 0) {  // MUST-26: retransmission and probes find a dead peer, too
    deadlines_.keepalive = deadline_after(context_.now(), keepalive_idle());
    return;
  }
  if (keepalive_unanswered_ == 0) restart_keepalive();  // what is set for the stack may have changed
  if (deadlines_.keepalive && *deadlines_.keepalive > context_.now()) return;
  if (keepalive_in_vain()) {
    reset_peer();
    end(Error::timed_out, true);
    return;
  }
  ++keepalive_unanswered_;
  keepalive_due_ = true;
  const Duration interval =
      std::max<Duration>(settings_->keepalive.interval.value_or(engine_->config().keepalive_interval), std::chrono::seconds{1});
  deadlines_.keepalive = deadline_after(context_.now(), interval);
}

/// A user timeout of the connection's own bounds the silence instead of the number of probes, as Linux has it.
bool ConnectionCore::keepalive_in_vain() const noexcept {
  const bool bounded = settings_->user_timeout && *settings_->user_timeout != Duration::max();
  if (keepalive_unanswered_ > 0 && bounded) return context_.now() - last_received_ >= *settings_->user_timeout;
  return keepalive_unanswered_ >= std::max(settings_->keepalive.probes.value_or(engine_->config().keepalive_probes), 2U);
}

Duration ConnectionCore::keepalive_idle() const noexcept {
  return std::max<Duration>(settings_->keepalive.idle.value_or(engine_->config().keepalive_idle), std::chrono::seconds{1});
}

/// RFC 9293 section 3.10.8: USER TIMEOUT, which is also R2.
void ConnectionCore::on_user_timeout() {
  if (tcb_.state == State::syn_received && unseen()) return return_to_listen();
  fast_open_unanswered(true);
  std::error_code why = Error::timed_out;
  // An open that never got an answer failed for what the network said, if it said something.
  if (tcb_.state == State::syn_sent && counters_.soft_error) why = network::error_of(counters_.soft_error->kind);
  end(why, true);
}

void ConnectionCore::restart_keepalive() {
  if (settings_->keepalive.on && is_synchronized(tcb_.state) && !is_over()) {
    deadlines_.keepalive = std::max(context_.now(), deadline_after(last_received_, keepalive_idle()));
  } else {
    deadlines_.keepalive.reset();
  }
}

void ConnectionCore::show_congestion(std::string_view cause) const {
  context_.observer->congested({context_.now(), to_string(tuple_), cause, congestion_.cwnd(), congestion_.ssthresh()});
}

void ConnectionCore::observe_timer(std::string_view timer) const {
  if (context_.observer != nullptr) context_.observer->expired({LayerId::tcp, timer, context_.now()});
}

}  // namespace tapir::tcp::detail
