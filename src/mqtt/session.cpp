#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include <tapir/mqtt/topic.hpp>

/// The life of a Session: its connections, what outlives them, and its deadlines.
namespace tapir::mqtt {

namespace {

constexpr std::uint32_t kNeverExpires = 0xffff'ffff;
constexpr std::size_t kLongestIdOf31 = 23;  // MQTT 3.1 section 3.1: 1 to 23 characters

/// The largest packet that the server may send.
std::size_t accepted_size(const ConnectOptions& options, const SessionLimits& limits) {
  const std::size_t announced = options.properties.get(property::maximum_packet_size).value_or(kMaxPacketSize);
  return std::min(announced, limits.max_packet_size);
}

Connect connect_packet(const ConnectOptions& options, const SessionLimits& limits) {
  Connect packet{.version = options.version,
                 .clean_session = options.clean_session,
                 .keep_alive = options.keep_alive,
                 .client_id = options.client_id,
                 .will = options.will,
                 .user_name = options.user_name,
                 .password = options.password,
                 .properties = options.properties};
  const bool announce = options.version == ProtocolVersion::v5_0 && limits.max_packet_size < kMaxPacketSize;
  if (announce && !packet.properties.contains(PropertyId::maximum_packet_size)) {
    packet.properties.set(property::maximum_packet_size, static_cast<std::uint32_t>(limits.max_packet_size));
  }
  return packet;
}

/// Errors after which the server can still be told why (5.0 section 4.13): not those of a peer that does not answer, or of what it takes
/// to answer.
bool can_be_told(std::error_code error) noexcept {
  return error != Error::keep_alive_timeout && error != Error::connack_timeout && error != Error::payload_source_failed &&
         error != Error::out_of_memory;
}

}  // namespace

Session::Session(SessionLimits limits) : limits_{limits}, decoder_{limits.max_packet_size} {
  decoder_.stream_above(limits.stream_above);
  decoder_.set_lenient(limits.lenient);
}

Result<> Session::configure(ConnectOptions options) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  if (options.will && !is_valid_topic_name(options.will->topic)) return fail(Error::invalid_topic);
  // Without a ClientId the server could not find the session again [MQTT-3.1.3-7]; one of 5.0 can tell the identifier that it chose.
  const bool needs_id = options.version != ProtocolVersion::v5_0 && !options.clean_session;
  if (options.client_id.empty() && (needs_id || options.version == ProtocolVersion::v3_1)) return fail(Error::missing_client_id);
  if (options.version == ProtocolVersion::v3_1 && options.client_id.size() > kLongestIdOf31) return fail(tapir::Error::invalid_argument);
  std::vector<std::byte> scratch;
  const auto encoded = encode(connect_packet(options, limits_), scratch);
  const bool old_error = options.version != ProtocolVersion::v5_0 && !encoded && encoded.error() != Error::not_in_this_version;
  if (!encoded) return fail(old_error ? make_error_code(tapir::Error::invalid_argument) : encoded.error());
  if (options.client_id != options_.client_id) discard_session(Error::session_lost);  // the state belongs to the ClientId [MQTT-3.1.3-2]
  options_ = std::move(options);
  decoder_.set_max_packet_size(accepted_size(options_, limits_));
  return {};
}

Result<> Session::connected(TimePoint now) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  decoder_.reset();
  decoder_.set_version(options_.version);
  output_.clear();
  early_.clear();
  ping_sent_.reset();
  in_hand_.clear();
  again_.clear();
  reauthenticating_ = false;
  server_ = {};
  expiry_.reset();
  keep_alive_ = options_.keep_alive;
  outgoing_aliases_.reset(0);
  incoming_aliases_.reset(options_.properties.get(property::topic_alias_maximum).value_or(0));  // [MQTT-3.3.2-7]
  quota_ = limits_.max_in_flight;
  if (options_.clean_session || (session_expires_ && now >= *session_expires_)) discard_session(Error::session_lost);
  // From here on the server may keep a session of ours, even if its CONNACK never comes.
  had_session_ = has_session_;
  if (!has_session_ && kept_for() > Duration::zero()) has_session_ = changed_ = true;
  state_ = State::connecting;
  ++connection_;
  connect_sent_ = last_received_ = last_progress_ = now;
  if (const auto sent = send(connect_packet(options_, limits_), now); !sent) {
    state_ = State::offline;
    return sent;
  }
  if (sends_early()) {
    resume_exchanges();
    send_again(now);
    send_queued(now);
  }
  return {};
}

void Session::transport_lost(TimePoint now) {
  output_.clear();
  if (state_ == State::connecting || state_ == State::connected) leave(State::offline, Error::session_lost, now);
}

/// How long the session outlives the connection.
Duration Session::kept_for() const {
  if (!v5()) return options_.clean_session ? Duration::zero() : Duration::max();
  const auto seconds = expiry_ ? *expiry_ : options_.properties.get(property::session_expiry_interval).value_or(0);
  return seconds == kNeverExpires ? Duration::max() : Duration{std::chrono::seconds{seconds}};
}

/// The connection must not go on (section 4.8): no byte is read any more, and none sent but the reason in 5.0.
void Session::break_off(std::error_code error, TimePoint now) {
  const bool told = v5() && can_be_told(error) && !output_.reads_source();
  if (!told) output_.clear();
  if (told) (void)send(Disconnect{.reason = limits_.disconnect_reason(error)}, now);
  leave(State::offline, Error::session_lost, now);
  emit(event::Disconnected{.error = error});
}

/// Ends the connection; what does not outlive it fails with `error`. Of the exchanges only those of a stored session outlive it, and of
/// these only messages: the session state of section 4.1 has no SUBSCRIBE in it.
void Session::leave(State state, std::error_code error, TimePoint now) {
  const bool was_connected = state_ == State::connected;
  state_ = state;
  decoder_.reset();
  ping_sent_.reset();
  if (const auto streaming = std::exchange(streaming_, std::nullopt); streaming && !streaming->repeated) emit(event::MessageAborted{});
  for (const auto& sent : std::exchange(early_, {})) emit(event::Failed{sent.token, error});
  const Duration kept = kept_for();
  if (kept == Duration::zero() && (was_connected || !v5())) {
    discard_session(error);
    return;
  }
  if (was_connected) session_expires_ = kept == Duration::max() ? std::nullopt : std::optional{deadline_after(now, kept)};
  for (const PacketId id : in_order()) {
    const auto exchange = exchanges_.find(id);
    const auto& stage = exchange->second.stage;
    if (!std::holds_alternative<Subscribing>(stage) && !std::holds_alternative<Unsubscribing>(stage)) continue;
    emit(event::Failed{exchange->second.token, error});
    exchanges_.erase(exchange);
  }
}

void Session::discard_session(std::error_code error) {
  changed_ = changed_ || !exchanges_.empty();
  for (const PacketId id : in_order()) emit(event::Failed{exchanges_.at(id).token, error});
  exchanges_.clear();
  again_.clear();
  changed_ = changed_ || has_session_ || !unreleased_.empty();
  messages_in_flight_ = 0;
  unreleased_.clear();
  has_session_ = false;
  session_expires_.reset();
}

void Session::drop_queued(const std::deque<Queued>::iterator& place, std::error_code error) {
  queued_bytes_ -= place->message.payload.size();
  emit(event::Failed{place->token, error});
  queue_.erase(place);
  changed_ = true;
}

void Session::fail_queued(std::error_code error) {
  while (!queue_.empty()) drop_queued(queue_.begin(), error);
}

Result<> Session::cancel(Token token) {
  const auto place = std::ranges::find(queue_, token, &Queued::token);
  if (place == queue_.end()) return fail(tapir::Error::invalid_argument);
  drop_queued(place, tapir::Error::operation_canceled);
  return {};
}

/// Sends an answer whose turn has come, unless its connection has gone.
void Session::give(const Answer& answer) {
  if (const auto* pubrec = std::get_if<Pubrec>(&answer.packet)) {
    if (const auto received = unreleased_.find(pubrec->id); received != unreleased_.end()) {
      received->second = true;  // its user has it: from now on a repetition is one
      changed_ = true;
    }
  }
  if (state_ != State::connected || answer.connection != connection_) return;
  if (const auto* puback = std::get_if<Puback>(&answer.packet)) in_hand_.erase(puback->id);
  if (const auto* pubcomp = std::get_if<Pubcomp>(&answer.packet)) in_hand_.erase(pubcomp->id);
  if (const auto* pubrec = std::get_if<Pubrec>(&answer.packet); pubrec != nullptr && is_failure(pubrec->reason)) in_hand_.erase(pubrec->id);
  send_checked(answer.packet, std::max(last_sent_, last_received_));
}

std::optional<Event> Session::next_event() {
  while (!happened_.empty()) {
    auto next = std::move(happened_.front());
    happened_.pop_front();
    if (auto* event = std::get_if<Event>(&next)) return std::move(*event);
    give(std::get<Answer>(next));
  }
  return std::nullopt;
}

std::optional<Payload> Session::take_output(TimePoint now) {
  send_again(now);
  send_queued(now);
  if (!save(now)) return std::nullopt;
  auto slice = output_.take();
  if (slice) return std::move(*slice);
  output_.clear();
  if (state_ == State::connecting || state_ == State::connected) break_off(Error::payload_source_failed, now);
  return std::nullopt;
}

/// A tenth earlier than promised to the server: the limit is for packets as they are sent [MQTT-3.1.2-23], and a real timer is late.
Duration Session::ping_interval() const noexcept { return Duration{keep_alive_} * 9 / 10; }

/// A server that is silent for long is asked too, even if we keep sending: this finds a connection that is dead in one direction.
TimePoint Session::ping_due() const noexcept { return (ping_sent_ ? last_sent_ : std::min(last_sent_, last_received_)) + ping_interval(); }

std::optional<TimePoint> Session::next_deadline() const noexcept {
  if (state_ == State::connecting) return connect_sent_ + limits_.connack_timeout;
  if (state_ != State::connected) return session_expires_;
  if (keep_alive_.count() == 0) return std::nullopt;
  if (!ping_sent_) return ping_due();
  return std::min(ping_due(), std::max(*ping_sent_, last_progress_) + limits_.ping_timeout);
}

void Session::tick(TimePoint now) {
  const auto deadline = next_deadline();
  if (!deadline || now < *deadline) return;
  if (state_ == State::connecting) {
    break_off(Error::connack_timeout, now);
  } else if (state_ != State::connected) {
    discard_session(Error::session_lost);
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
    if (streaming_) {
      receive_part(bytes);
      if (streaming_) return;
      continue;
    }
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
