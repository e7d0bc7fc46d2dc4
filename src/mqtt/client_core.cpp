#include "client_core.hpp"

#include <algorithm>
#include <array>
#include <utility>

/// The connection of a Client: opening, writing, reading, losing, trying again.
namespace tapir::mqtt {

namespace {

constexpr std::size_t kReadSize = 16U << 10U;
/// Bytes read before the loop has its turn: with a broker that never pauses neither timers nor signals would come.
constexpr std::size_t kReadAtOnce = 256U << 10U;

}  // namespace

Client::Core::Core(Context& context, std::unique_ptr<Transport> transport, ClientConfig config)
    : context_{context},
      transport_{std::move(transport)},
      config_{std::move(config)},
      session_{config_.limits},
      phase_timer_{Timer::calling<&Core::on_phase_timer>(context.scheduler, *this)},
      session_timer_{Timer::calling<&Core::on_session_timer>(context.scheduler, *this)},
      turn_timer_{Timer::calling<&Core::on_turn>(context.scheduler, *this)} {
  if (transport_ == nullptr) {
    configured_ = fail(tapir::Error::invalid_argument);
    return;
  }
  transport_->attach(this);
  if (context_.observer != nullptr) session_.observe(this);
  configured_ = session_.configure({.client_id = config_.client_id,
                                    .clean_session = config_.clean_session,
                                    .keep_alive = config_.keep_alive,
                                    .will = config_.will,
                                    .user_name = config_.user_name,
                                    .password = config_.password,
                                    .version = config_.version,
                                    .properties = config_.properties,
                                    .accept_unknown_session = config_.accept_unknown_session});
  if (!configured_ || config_.store == nullptr) return;
  session_.keep_in(config_.store);
  configured_ = session_.restore(context_.now());
  adopt_restored();
}

/// Outcomes of what an earlier process has published go to on_restored().
void Client::Core::adopt_restored() {
  for (const auto& [token, message] : session_.outstanding()) {
    publishing_.emplace(token, [this, restored = message != nullptr ? std::optional{*message} : std::nullopt](const Result<>& outcome) {
      const auto handler = restored_handler;
      call(handler, Restored{restored, outcome});
    });
  }
}

void Client::Core::start() {
  if (configured_) {
    phase_ = Phase::waiting;
    phase_timer_.arm_at(context_.now());  // not at once: the user still has to set the handlers
    return;
  }
  defer([this] {
    const auto handler = disconnected_handler;
    const auto error = configured_.error();
    const auto problem = transport_ != nullptr ? error.message() : "no transport";
    call(handler, Disconnection{.error = error, .layer = LayerId::mqtt, .text = "invalid configuration: " + problem});
  });
}

void Client::Core::shut_down() {
  gone_ = true;
  if (transport_ != nullptr) leave_transport();
  phase_ = Phase::idle;
  phase_timer_.cancel();
  session_timer_.cancel();
  turn_timer_.cancel();
  session_.observe(nullptr);
  connected_handler = {};
  disconnected_handler = {};
  subscription_lost_handler = {};
  unmatched_handler = {};
  stream_handler = {};
  restored_handler = {};
  reauthenticated_.reset();
  draining_.reset();
  publishing_.clear();
  unconfirmed_.clear();
  wanted_.clear();
  unsubscribing_.clear();
  unwanted_.clear();
  deferred_.clear();
  held_.clear();
  closed_.clear();
}

void Client::Core::leave_transport() {
  if (phase_ == Phase::connected && session_.disconnect(context_.now())) {
    write();
    transport_->close();
  } else if (phase_ == Phase::closing) {
    transport_->close();
  } else {
    transport_->abort();
  }
  transport_->attach(nullptr);
}

Result<> Client::Core::connect() {
  if (!configured_) return configured_;
  if (phase_ != Phase::idle && phase_ != Phase::waiting) return fail(tapir::Error::already_connected);
  hops_ = redirections_ = 0;
  phase_ = Phase::waiting;
  phase_timer_.arm_at(context_.now());
  return {};
}

void Client::Core::disconnect(ReasonCode reason, Properties properties, Completion done) {
  bool in_order = false;
  const auto begun = [&]() -> Result<> {
    if (phase_ == Phase::idle || phase_ == Phase::closing) return fail(tapir::Error::not_connected);
    if (phase_ != Phase::connected || !session_.is_connected()) return {};  // it may have given up, and the client not know it yet
    in_order = true;
    return session_.disconnect(context_.now(), reason, std::move(properties));
  }();
  if (!begun) {
    defer([done = std::move(done), error = begun.error()] {
      if (done) done(fail(error));
    });
    return;
  }
  if (auto drained = std::exchange(draining_, std::nullopt)) closed_.push_back(std::move(drained->done));
  closed_.push_back(std::move(done));
  phase_ = Phase::closing;
  if (in_order) {
    phase_timer_.arm_after(config_.close_timeout);
    write();
    read_though_paused();
  } else {
    transport_->abort();
    session_.transport_lost(context_.now());
    phase_timer_.cancel();
    defer([this] { finish_closing({}); });
  }
  settle();
}

void Client::Core::drain(ReasonCode reason, Properties properties, Completion done) {
  if (phase_ != Phase::connected || !session_.is_connected() || draining_)
    return disconnect(reason, std::move(properties), std::move(done));
  if (const auto allowed = session_.may_disconnect(reason, properties); !allowed) return complete_later(std::move(done), allowed.error());
  session_.take_no_more();
  draining_ = Draining{reason, std::move(properties), std::move(done)};
  phase_timer_.arm_after(config_.connect_timeout);
  turn_timer_.arm_at(context_.now());  // not at once: the message that is being handled is acknowledged behind its handler
  read_though_paused();
}

/// Nothing is unfinished in either direction.
bool Client::Core::is_drained() const noexcept {
  return draining_ && session_.unacknowledged() == 0 && publishing_.empty() && unconfirmed_.empty();
}

void Client::Core::finish_draining() {
  auto drained = std::exchange(draining_, std::nullopt);
  phase_timer_.cancel();
  disconnect(drained->reason, std::move(drained->properties), std::move(drained->done));
}

/// To the server that the broker has named, or back from there.
void Client::Core::change_transport() {
  const bool goes_away = next_ != nullptr;
  auto other = std::exchange(goes_away ? next_ : home_, nullptr);
  if (other == nullptr) return;
  transport_->attach(nullptr);
  std::swap(transport_, other);
  transport_->attach(this);
  const auto left = std::exchange(server_, goes_away ? next_server_ : home_server_);
  for (auto& [filter, wanted] : wanted_) wanted.confirmed = false;  // each server has a session of its own
  if (std::exchange(next_is_home_, false)) {
    home_ = nullptr;
  } else if (goes_away && home_ == nullptr) {
    home_ = std::move(other);
    home_server_ = left;
  }
}

void Client::Core::open() {
  transport_->abort();  // one that is still closing in order
  change_transport();
  session_.next_server(accepted_by_ && *accepted_by_ != server_);
  phase_ = Phase::opening;
  slice_ = {};
  slice_at_ = 0;
  written_ = 0;
  write_error_ = {};
  more_to_read_ = transport_left_ = choked_ = false;
  phase_timer_.arm_after(config_.connect_timeout);
  if (const auto opened = transport_->open(); !opened) connection_failed(opened.error());
}

void Client::Core::on_phase_timer() {
  enter([this] {
    switch (phase_) {
      case Phase::waiting: open(); break;
      case Phase::opening: connection_failed(tapir::Error::timed_out); break;
      case Phase::closing:
        transport_->abort();
        finish_closing(fail(tapir::Error::timed_out));
        break;
      case Phase::connected:
        if (draining_) finish_draining();  // a broker that does not end its exchanges
        break;
      case Phase::idle: transport_->abort(); break;  // a broker that refused and does not close
      default: break;
    }
  });
}

void Client::Core::on_open() {
  enter([this] {
    if (phase_ != Phase::opening) return;
    phase_timer_.cancel();
    phase_ = Phase::connecting;
    (void)session_.connected(context_.now());  // configure() encoded this CONNECT before
    process_events();
    write();
    settle();
  });
}

void Client::Core::on_readable() {
  enter([this] { read(); });
}

void Client::Core::read() {
  if (config_.read_buffer.empty()) {
    read_by_stack();
  } else {
    read_through(config_.read_buffer);
  }
  settle();
}

/// A function of its own, so that those who lend a buffer need no room for this one.
[[gnu::noinline]] void Client::Core::read_by_stack() {
  std::array<std::byte, kReadSize> buffer;
  read_through(buffer);
}

void Client::Core::read_through(std::span<std::byte> buffer) {
  std::size_t count = 0;
  while (phase_ == Phase::connecting || phase_ == Phase::connected || phase_ == Phase::closing) {
    if (count >= kReadAtOnce) return read_later();
    // A peer that sends without reading would make our answers pile up. Messages of ours do not count: while they go out slowly the
    // acknowledgments of earlier ones come.
    choked_ = session_.pending_answers() >= config_.limits.output_high_water;
    if (choked_) break;
    if (paused_ && phase_ == Phase::connected && !draining_) break;
    const auto received = transport_->receive(buffer);
    if (!received) {
      if (received.error() == tapir::Error::would_block && transport_->has_more()) return read_later();
      const bool tells_by_itself = transport_left_ && received.error() == tapir::Error::connection_closed;  // when it has closed
      if (received.error() != tapir::Error::would_block && !tells_by_itself) closed(received.error());
      break;
    }
    if (*received == 0) {
      closed({});  // the peer has ended the stream
      break;
    }
    count = transport_->has_more() ? kReadAtOnce : count + *received;
    session_.input(buffer.first(*received), context_.now());
    process_events();
    write();
  }
}

void Client::Core::read_later() {
  more_to_read_ = true;
  turn_timer_.arm_at(context_.now());
}

void Client::Core::acknowledge() {
  session_.acknowledge();
  write();
  settle();
}

void Client::Core::resume_reading() {
  if (std::exchange(paused_, false)) defer([this] { read(); });
}

/// Whoever leaves gets no messages any more, and waits for PUBREL and the end of the stream.
void Client::Core::read_though_paused() {
  if (paused_) defer([this] { read(); });
}

void Client::Core::on_writable() {
  enter([this] {
    write();
    settle();
    if (std::exchange(choked_, false)) read();  // though a call may have written what piled up before this event came
  });
}

void Client::Core::on_acknowledged() {
  enter([this] {
    session_.transport_progress(context_.now(), written_ - std::min<std::uint64_t>(written_, transport_->unacknowledged()));
    confirm_acknowledged();
    settle();
  });
}

void Client::Core::on_closed(std::error_code error) {
  enter([this, error] { closed(error); });
}

void Client::Core::closed(std::error_code error) {
  if (phase_ == Phase::closing) {
    finish_closing(error ? Result<>{fail(error)} : Result<>{});
  } else if (phase_ == Phase::opening || phase_ == Phase::connecting || phase_ == Phase::connected) {
    connection_failed(error ? error : make_error_code(tapir::Error::connection_closed));
  }
}

void Client::Core::on_session_timer() {
  enter([this] {
    session_.tick(context_.now());
    process_events();
    write();
    settle();
  });
}

void Client::Core::on_turn() {
  enter([this] {
    for (auto left = deferred_.size(); left > 0 && !deferred_.empty(); --left) {  // what they defer comes in a turn of its own
      const auto next = std::move(deferred_.front());
      deferred_.pop_front();
      call(next);
    }
    process_events();
    if (std::exchange(interrupted_, false)) catch_up();
    // What the peer has said may tell more than that it takes no more: an alert of TLS, DISCONNECT.
    if (std::exchange(more_to_read_, false) || write_error_) read();
    if (const auto error = more_to_read_ ? std::error_code{} : std::exchange(write_error_, {})) closed(error);
    settle();
    if (is_drained()) finish_draining();
  });
}

/// What an exception may have cut off.
void Client::Core::catch_up() {
  if (phase_ == Phase::connected || phase_ == Phase::closing) confirm_acknowledged();
  write();
  read();
}

void Client::Core::defer(std::function<void()> call) {
  deferred_.push_back(std::move(call));
  turn_timer_.arm_at(context_.now());
}

/// Moves output to the transport as far as it takes it. Calls nobody back.
void Client::Core::write() {
  while (!write_error_ && (phase_ == Phase::connecting || phase_ == Phase::connected || phase_ == Phase::closing)) {
    if (slice_at_ == slice_.size()) {
      auto next = session_.take_output(context_.now());
      slice_ = next ? std::move(*next) : Payload{};
      slice_at_ = 0;
      if (!next) break;
    }
    const auto sent = transport_->send(slice_.bytes().subspan(slice_at_));
    if (!sent && sent.error() != tapir::Error::would_block) {
      write_error_ = sent.error();
      turn_timer_.arm_at(context_.now());
      return;
    }
    if (!sent || *sent == 0) return;
    slice_at_ += *sent;
    written_ += *sent;
  }
  if (phase_ != Phase::closing || slice_at_ < slice_.size()) return;
  transport_left_ = true;
  transport_->close();
}

/// What a turn ends with: the session is saved, also when nothing could be written; its timer; a turn for events that a call has caused.
void Client::Core::settle() {
  (void)session_.save(context_.now());  // what it fails with is an event
  const auto deadline = session_.next_deadline();
  if (phase_ == Phase::idle || !deadline) {
    session_timer_.cancel();
  } else {
    session_timer_.arm_at(*deadline);
  }
  if (!gone_ && (session_.has_events() || is_drained())) turn_timer_.arm_at(context_.now());
}

void Client::Core::confirm_acknowledged() {
  const std::uint64_t acknowledged = written_ - std::min<std::uint64_t>(written_, transport_->unacknowledged());
  while (!unconfirmed_.empty() && unconfirmed_.front().end <= acknowledged) {
    const auto done = std::move(unconfirmed_.front().done);
    unconfirmed_.pop_front();
    call(done, Result<>{});
  }
}

void Client::Core::hold(std::function<void()> call) {
  if (answer_properties_ == nullptr) {
    held_.push_back(std::move(call));
    return;
  }
  held_.emplace_back([this, call = std::move(call), properties = *answer_properties_] {
    const Telling telling{answer_properties_, properties};
    call();
  });
}

void Client::Core::release_calls() {
  holding_ = false;
  while (!held_.empty()) {
    const auto next = std::move(held_.front());
    held_.pop_front();
    call(next);
  }
}

}  // namespace tapir::mqtt
