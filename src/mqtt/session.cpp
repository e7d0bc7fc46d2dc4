#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include <tapir/mqtt/topic.hpp>

namespace tapir::mqtt {

namespace {

Connect connect_packet(const ConnectOptions& options) {
  return {.version = ProtocolVersion::v3_1_1,
          .clean_session = options.clean_session,
          .keep_alive = options.keep_alive,
          .client_id = options.client_id,
          .will = options.will,
          .user_name = options.user_name,
          .password = options.password};
}

}  // namespace

Result<> Session::configure(ConnectOptions options) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  if (options.will && !is_valid_topic_name(options.will->topic)) return fail(Error::invalid_topic);
  // Without a ClientId the server could not find the session again [MQTT-3.1.3-7].
  if (options.client_id.empty() && !options.clean_session) return fail(Error::missing_client_id);
  std::vector<std::byte> scratch;
  if (!encode(connect_packet(options), scratch)) return fail(tapir::Error::invalid_argument);
  if (options.client_id != options_.client_id) discard_session(Error::session_lost);  // the state belongs to the ClientId [MQTT-3.1.3-2]
  options_ = std::move(options);
  return {};
}

Result<> Session::connected(TimePoint now) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  decoder_.reset();
  output_.clear();
  early_.clear();
  ping_sent_.reset();
  if (options_.clean_session) discard_session(Error::session_lost);
  state_ = State::connecting;
  ++connection_;
  connect_sent_ = last_received_ = last_progress_ = now;
  if (const auto sent = send(connect_packet(options_), now); !sent) {
    state_ = State::offline;
    return sent;
  }
  if (limits_.send_before_connack) {
    send_again(now);
    send_queued(now);
  }
  return {};
}

void Session::transport_lost(TimePoint /*now*/) {
  output_.clear();
  if (state_ == State::connecting || state_ == State::connected) leave(State::offline, Error::session_lost);
}

Result<> Session::disconnect(TimePoint now) {
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  if (const auto sent = send(Disconnect{}, now); !sent) return sent;
  leave(State::finished, tapir::Error::operation_canceled);
  emit(event::Disconnected{});
  return {};
}

/// The connection must not go on (section 4.8): no byte is sent or read any more.
void Session::break_off(std::error_code error, TimePoint /*now*/) {
  output_.clear();
  leave(State::offline, Error::session_lost);
  emit(event::Disconnected{error});
}

/// Ends the connection. Of the exchanges only those of a stored session outlive it, and of these only messages: the session state
/// of section 4.1 has no SUBSCRIBE in it.
void Session::leave(State state, std::error_code error) {
  state_ = state;
  decoder_.reset();
  ping_sent_.reset();
  for (const auto& sent : std::exchange(early_, {})) emit(event::Failed{sent.token, error});
  if (options_.clean_session) {
    discard_session(error);
    return;
  }
  for (const PacketId id : in_order()) {
    const auto exchange = exchanges_.find(id);
    const auto& stage = exchange->second.stage;
    if (!std::holds_alternative<Subscribing>(stage) && !std::holds_alternative<Unsubscribing>(stage)) continue;
    emit(event::Failed{exchange->second.token, error});
    exchanges_.erase(exchange);
  }
}

void Session::discard_session(std::error_code error) {
  for (const PacketId id : in_order()) emit(event::Failed{exchanges_.at(id).token, error});
  exchanges_.clear();
  messages_in_flight_ = 0;
  unreleased_.clear();
}

void Session::fail_queued(std::error_code error) {
  for (const Queued& queued : std::exchange(queue_, {})) emit(event::Failed{queued.token, error});
  queued_bytes_ = 0;
}

std::optional<Event> Session::next_event() {
  while (!happened_.empty()) {
    auto next = std::move(happened_.front());
    happened_.pop_front();
    if (auto* event = std::get_if<Event>(&next)) return std::move(*event);
    const auto& answer = std::get<Answer>(next);
    if (state_ == State::connected && answer.connection == connection_) send_checked(answer.packet, std::max(last_sent_, last_received_));
  }
  return std::nullopt;
}

std::optional<Payload> Session::take_output(TimePoint now) {
  send_queued(now);
  return output_.take();
}

/// A tenth earlier than promised to the server: the limit is for packets as they are sent [MQTT-3.1.2-23], and a real timer is late.
Duration Session::ping_interval() const noexcept { return Duration{options_.keep_alive} * 9 / 10; }

/// A server that is silent for long is asked too, even if we keep sending: this finds a connection that is dead in one direction.
TimePoint Session::ping_due() const noexcept { return (ping_sent_ ? last_sent_ : std::min(last_sent_, last_received_)) + ping_interval(); }

std::optional<TimePoint> Session::next_deadline() const noexcept {
  if (state_ == State::connecting) return connect_sent_ + limits_.connack_timeout;
  if (state_ != State::connected || options_.keep_alive.count() == 0) return std::nullopt;
  if (!ping_sent_) return ping_due();
  return std::min(ping_due(), std::max(*ping_sent_, last_progress_) + limits_.ping_timeout);
}

void Session::tick(TimePoint now) {
  const auto deadline = next_deadline();
  if (!deadline || now < *deadline) return;
  if (state_ == State::connecting) {
    break_off(Error::connack_timeout, now);
  } else if (ping_sent_ && now >= std::max(*ping_sent_, last_progress_) + limits_.ping_timeout) {
    break_off(Error::keep_alive_timeout, now);
  } else {
    if (!ping_sent_) ping_sent_ = now;
    send_checked(Pingreq{}, now);
  }
}

void Session::input(std::span<const std::byte> bytes, TimePoint now) {
  last_received_ = last_progress_ = now;
  try {
    decode(bytes, now);
  } catch (const std::bad_alloc&) {
    break_off(Error::out_of_memory, now);  // a transient error while a packet is processed [MQTT-4.8.0-2]
  }
}

void Session::decode(std::span<const std::byte> bytes, TimePoint now) {
  while (state_ == State::connecting || state_ == State::connected) {
    const std::size_t before = decoder_.buffered() + bytes.size();
    const auto packet = decoder_.next(bytes);
    if (!packet) {
      break_off(packet.error(), now);
      return;
    }
    if (!*packet) return;
    if (observer_ != nullptr) observer_->packet(Direction::up, **packet, before - bytes.size(), now);
    receive(**packet, now);
  }
}

}  // namespace tapir::mqtt
