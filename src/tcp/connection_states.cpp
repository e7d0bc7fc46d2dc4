#include <utility>

#include <tapir/core/branch.hpp>

#include "connection_core.hpp"
#include "engine.hpp"
#include "listener_core.hpp"

namespace tapir::tcp::detail {

namespace {
bool counts_as_established(State state) { return state == State::established || state == State::close_wait; }
bool is_handshake(State state) { return state == State::syn_sent || state == State::syn_received; }
}  // namespace

void ConnectionCore::set_state(State next) {
  const State former = std::exchange(tcb_.state, next);
  if (former == next) return;
  if (engine_ != nullptr) {
    Stats& stats = engine_->stats();
    if (counts_as_established(next) && !counts_as_established(former)) ++stats.curr_estab;
    if (counts_as_established(former) && !counts_as_established(next)) --stats.curr_estab;
    if ((next == State::closed || next == State::listen) && is_handshake(former)) ++stats.attempt_fails;
    if (next == State::closed && counts_as_established(former)) ++stats.estab_resets;
  }
  if (context_.observer != nullptr) context_.observer->changed_state({context_.now(), to_string(tuple_), name(former), name(next)});
}

/// RFC 9293 section 3.10.4, as far as it concerns our own stream: the FIN is queued behind all data.
void ConnectionCore::close_sending() {
  if (fin_queued_) return;
  fin_queued_ = true;
  if (tcb_.state == State::established || (tcb_.state == State::syn_received && send_buffer_.empty())) {
    set_state(State::fin_wait_1);
  } else if (tcb_.state == State::close_wait) {
    set_state(State::last_ack);
  }
  if (!deadlines_.user_timeout) restart_user_timeout();
  wants_to_send();
}

/// RFC 9293 section 3.10.7.4, fifth step: what the states after CLOSE do when their FIN has arrived.
void ConnectionCore::own_fin_acknowledged() {
  switch (tcb_.state) {
    case State::fin_wait_1:
      set_state(State::fin_wait_2);
      tell(kAcknowledged);
      if (reading_over_) deadlines_.linger = deadline_after(context_.now(), fin_wait_2_timeout());
      break;
    case State::closing: enter_time_wait(); break;
    case State::last_ack: end({}, true); break;
    default: break;
  }
}

/// RFC 9293 section 3.10.7.4, eighth step: all data before the peer's FIN has arrived.
void ConnectionCore::peer_fin_arrived() {
  fin_received_ = true;
  ++tcb_.rcv_nxt;
  if (tcb_.rcv_wnd > 0) --tcb_.rcv_wnd;
  ack_.on_urgent();
  reassembly_.clear();
  tell(kReadable | kPeerClosed);
  switch (tcb_.state) {
    case State::syn_received:
    case State::established: set_state(State::close_wait); break;
    case State::fin_wait_1: set_state(State::closing); break;  // an acknowledged FIN has led to FIN-WAIT-2 before
    case State::fin_wait_2: enter_time_wait(); break;
    default: break;
  }
}

/// What is left of the connection moves to the table of records. The handle keeps what can still be read.
void ConnectionCore::enter_time_wait() {
  const Held self{*this};
  if (ack_.pending()) (void)send_ack();  // once more if it is lost: the peer repeats its FIN
  set_state(State::time_wait);
  fast_open_over();
  forget_queues();
  tell(kClosed);
  engine_->time_wait().insert(TimeWaitRecord{.tuple = tuple_,
                                             .snd_nxt = tcb_.snd_nxt,
                                             .rcv_nxt = tcb_.rcv_nxt,
                                             .rcv_wnd = window_field(Flags::ack),
                                             .ttl = settings_->ttl,
                                             .tos = settings_->tos,
                                             .timestamps = tcb_.negotiated.timestamps,
                                             .ts_recent = recent_timestamp_.value(),
                                             .ts_offset = timestamp_clock_.offset()},
                              released_ ? nullptr : this);
  engine_->forget(tuple_);
}

void ConnectionCore::time_wait_over() {
  tcb_.state = State::closed;
  memory_.leave();
  engine_ = nullptr;
}

/// Deletes the TCB: the connection is in CLOSED, and out of the Engine's table. An observer hears of `next`: LISTEN when a listener remains.
void ConnectionCore::end(std::error_code error, bool tell_user, State next) {
  if (engine_ == nullptr || tcb_.state == State::time_wait) return;
  const Held self{*this};
  set_state(next);
  tcb_.state = State::closed;
  error_ = error;
  fast_open_over();
  forget_queues();
  if (error && !settings_->keep_unread) receive_buffer_.clear();
  if (const auto listener = listener_.lock()) listener->handshake_over(*this);
  if (const auto listener = fast_open_.listener.lock()) listener->ended_early(*this, context_.now());
  if (tell_user) {
    tell(kClosed);
  } else {
    over_ = true;
    news_ = 0;
  }
  memory_.leave();
  std::exchange(engine_, nullptr)->forget(tuple_);
}

void ConnectionCore::stack_gone() {
  stack_gone_at_ = context_.now();
  engine_ = nullptr;
  memory_.leave();
  forget_queues();
  tcb_.state = State::closed;
  if (!error_ && !over_) error_ = Error::connection_aborted;
  over_ = true;
  handlers_ = {};
}

void ConnectionCore::forget_queues() noexcept {
  sending_times_.enter(SendingTimes::Phase::idle, context_.now());
  deadlines_ = {};
  timer_.cancel();
  context_.scheduler.withdraw(*this);
  send_buffer_.clear();
  recovery_.clear();
  reassembly_.clear();
}

/// RFC 9293 section 3.10.5: the RST of an ABORT.
void ConnectionCore::reset_peer() {
  const Send reset{.local = tuple_.local,
                   .remote = tuple_.remote,
                   .seq = tcb_.snd_nxt,
                   .ack = tcb_.rcv_nxt,
                   .flags = Flags::rst | Flags::ack,  // a firewall on the way may check the acknowledgment, too
                   .ttl = settings_->ttl,
                   .tos = settings_->tos,
                   .dont_fragment = engine_->config().path_mtu_discovery};
  engine_->resets().add(reset, segment_options(Flags::rst, 0).timestamps);
}

/// A handshake that began in LISTEN goes back there without a word (RFC 9293 section 3.10.7.4, MUST-11). An old duplicate SYN must not end the TIME-WAIT
/// that it disturbed (RFC 9293 section 3.6.1).
void ConnectionCore::return_to_listen() {
  if (former_) engine_->time_wait().insert(*std::exchange(former_, std::nullopt), nullptr);
  end({}, false, State::listen);
}

/// Nobody reads any more. What was received and not read cannot be delivered, which the peer has to learn (SHLD-3).
void ConnectionCore::stop_reading() {
  if (reading_over_) return;
  reading_over_ = true;
  if (!receive_buffer_.empty() && transfers()) {
    if (tcb_.state != State::closing && tcb_.state != State::last_ack) reset_peer();
    end(Error::connection_aborted, true);
    return;
  }
  receive_buffer_.clear();
  close_sending();
  if (tcb_.state == State::fin_wait_2) {
    deadlines_.linger = deadline_after(context_.now(), fin_wait_2_timeout());
    update_timers();
  }
}

void ConnectionCore::tell(std::uint32_t news) {
  if (unlikely(over_) || unlikely(released_)) return;
  news_ |= news;
  if (likely(!is_queued()) && likely(static_cast<bool>(handlers_))) queue_->add(*this);
}

void ConnectionCore::handle(Events events) {
  if (over_) return;
  handlers_ = Handlers{std::move(events)};
  if (!receive_buffer_.empty() || fin_received_) news_ |= kReadable;
  if (fin_received_) news_ |= kPeerClosed;
  if (news_ != 0) tell(news_);
}

[[gnu::flatten, gnu::hot]] void ConnectionCore::dispatch() {
  const Held self{*this};
  try {
    call_handlers();
  } catch (...) {
    if (news_ != 0) tell(news_);  // the others have their turn later
    throw;
  }
}

/// Whether there is such news, and somebody to be told: it is then news no more.
inline bool ConnectionCore::due(News bit) noexcept {
  if ((news_ & bit) == 0 || unlikely(!handlers_)) return false;
  news_ &= ~static_cast<std::uint32_t>(bit);
  return true;
}

/// Each may replace the handlers, or destroy the handle and with it all of them but the one that runs.
void ConnectionCore::call_handlers() {
  if (unlikely((news_ & kSeldom) != 0)) call_seldom_handlers();
  if (likely(due(kReadable))) handlers_.call<&Events::readable>();
  if (unlikely((news_ & (kPeerClosed | kSent)) != 0)) {
    if (due(kPeerClosed)) handlers_.call<&Events::peer_closed>();
    if (due(kSent)) handlers_.call<&Events::sent>();
  }
  if (due(kAcknowledged)) handlers_.call<&Events::acknowledged>();
  if (unlikely((news_ & (kWritable | kClosed)) != 0)) {
    if (due(kWritable)) handlers_.call<&Events::writable>();
    if (due(kClosed)) {
      over_ = true;
      handlers_.call<&Events::closed>(error_);
    }
  }
}

void ConnectionCore::call_seldom_handlers() {
  if (due(kConnected)) handlers_.call<&Events::connected>();
  if (due(kSoftError) && counters_.soft_error) handlers_.call<&Events::soft_error>(*counters_.soft_error);
  if (due(kStalled)) handlers_.call<&Events::stalled>(front_retransmissions_);
  if (due(kPeerUserTimeout) && peer_user_timeout_) handlers_.call<&Events::peer_user_timeout>(*peer_user_timeout_);
  if (due(kUrgent)) handlers_.call<&Events::urgent>();
}

}  // namespace tapir::tcp::detail
