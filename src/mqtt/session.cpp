#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include <tapir/mqtt/topic.hpp>

/// The life of a Session: its connections, what outlives them, and its deadlines.
namespace tapir::mqtt {

namespace {

constexpr std::uint32_t kNeverExpires = 0xffff'ffff;
constexpr std::size_t kLongestIdOf31 = 23;  // MQTT 3.1 section 3.1: 1 to 23 characters

Connect connect_packet(const ConnectOptions& options, bool starts_clean, const SessionLimits& limits) {
  Connect packet{.version = options.version,
                 .clean_session = starts_clean,
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
  return error != Error::keep_alive_timeout && error != Error::connack_timeout && error != Error::ack_timeout &&
         error != Error::payload_source_failed && error != Error::out_of_memory;
}

/// Whether it acknowledges a message, or the first step of one of QoS 2.
bool is_receipt(const ControlPacket& packet) noexcept {
  return std::holds_alternative<Puback>(packet) || std::holds_alternative<Pubrec>(packet);
}

}  // namespace

constinit const SessionLimits Session::kDefaultLimits{};
constinit const ServerLimits Session::kUnlimited{};

Session::Session(SessionLimits limits) : limits_{limits == kDefaultLimits ? nullptr : std::make_unique<const SessionLimits>(limits)} {}

Session::KeptOptions::KeptOptions(ConnectOptions options)
    : client_id{std::move(options.client_id)},
      version{options.version},
      clean_session{options.clean_session},
      accept_unknown_session{options.accept_unknown_session},
      keep_alive{static_cast<std::uint16_t>(options.keep_alive.count())} {
  if (!options.will && !options.user_name && !options.password && options.properties.empty()) return;
  rest_ = std::make_unique<const Rest>(
      Rest{std::move(options.will), std::move(options.user_name), std::move(options.password), std::move(options.properties)});
}

ConnectOptions Session::KeptOptions::all() const {
  ConnectOptions options{.client_id = client_id,
                         .clean_session = clean_session,
                         .keep_alive = std::chrono::seconds{keep_alive},
                         .version = version,
                         .accept_unknown_session = accept_unknown_session};
  if (rest_ == nullptr) return options;
  options.will = rest_->will;
  options.user_name = rest_->user_name;
  options.password = rest_->password;
  options.properties = rest_->properties;
  return options;
}

const Properties& Session::KeptOptions::properties() const noexcept {
  static const Properties none;
  return rest_ != nullptr ? rest_->properties : none;
}

bool Session::Work::is_done() const noexcept {
  return exchanges.empty() && unreleased.empty() && queue.empty() && happened.empty() && held.empty() && early.empty() && again.empty() &&
         in_hand.empty() && auth_order == 0 && !streaming && output.size() == 0 && decoder.buffered() == 0 && decoder.payload_left() == 0;
}

Session::Work& Session::work() {
  if (work_ == nullptr) {
    work_ = std::make_unique<Work>();
    work_->quota = whole_quota();
    work_->output.continue_at(output_total_);
    set_up_decoder();
  }
  return *work_;
}

void Session::set_up_decoder() {
  const std::size_t announced = connect_properties().get(property::maximum_packet_size).value_or(kMaxPacketSize);
  auto& decoder = work_->decoder;
  decoder.reset();
  decoder.set_version(options_.version);
  decoder.set_max_packet_size(std::min(announced, limits().max_packet_size));
  decoder.stream_above(limits().stream_above);
  decoder.set_lenient(limits().lenient);
}

const Session::Work& Session::work() const noexcept {
  static const Work none;
  return work_ != nullptr ? *work_ : none;
}

/// Lets go of the memory that nothing needs until something happens.
void Session::rest() {
  if (work_ == nullptr || !work_->is_done()) return;
  output_total_ = work_->output.total();
  work_.reset();
}

/// What may be sent when nothing is unacknowledged.
std::size_t Session::whole_quota() const noexcept { return std::min<std::size_t>(limits().max_in_flight, server().receive_maximum); }

Session::Aliases& Session::aliases() {
  if (aliases_ == nullptr) aliases_ = std::make_unique<Aliases>();
  return *aliases_;
}

Result<> Session::configure(ConnectOptions options) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  if (options.will && !is_valid_topic_name(options.will->topic)) return fail(Error::invalid_topic);
  // Without a ClientId the server could not find the session again [MQTT-3.1.3-7]; one of 5.0 can tell the identifier that it chose.
  const bool needs_id = options.version != ProtocolVersion::v5_0 && !options.clean_session;
  if (options.client_id.empty() && (needs_id || options.version == ProtocolVersion::v3_1)) return fail(Error::missing_client_id);
  if (options.version == ProtocolVersion::v3_1 && options.client_id.size() > kLongestIdOf31) return fail(tapir::Error::invalid_argument);
  std::vector<std::byte> scratch;
  const auto encoded = encode(connect_packet(options, options.clean_session, limits()), scratch);
  const bool old_error = options.version != ProtocolVersion::v5_0 && !encoded && encoded.error() != Error::not_in_this_version;
  if (!encoded) return fail(old_error ? make_error_code(tapir::Error::invalid_argument) : encoded.error());
  if (options.client_id != options_.client_id) {
    discard_session(Error::session_lost);  // the state belongs to the ClientId [MQTT-3.1.3-2]
    start_clean_ = false;
    servers_ = Servers::one;
  }
  options_ = KeptOptions{std::move(options)};
  rest();
  return {};
}

Result<> Session::connected(TimePoint now) {
  if (state_ == State::connecting || state_ == State::connected) return fail(tapir::Error::already_connected);
  work().output.clear();
  work().early.clear();
  set_up_decoder();
  ping_sent_.reset();
  work().in_hand.clear();
  work().again.clear();
  work().waits.clear();
  work().auth_order = 0;
  turn_ = Turn::server;
  takes_messages_ = true;
  server_.reset();
  expiry_.reset();
  keep_alive_ = std::chrono::duration<std::uint16_t>{options_.keep_alive};
  aliases_.reset();
  const std::uint16_t aliases_maximum = connect_properties().get(property::topic_alias_maximum).value_or(0);
  if (aliases_maximum > 0) aliases().incoming.reset(aliases_maximum);  // [MQTT-3.3.2-7]
  work().quota = whole_quota();
  if (session_expires_ && now >= *session_expires_) expire_session();
  if (starts_clean() || begins_anew()) discard_session(Error::session_lost);  // a session that is taken up unknown is not the one here
  // From here on the server may keep a session of ours, even if its CONNACK never comes. When CONNECT is to end another one first, only
  // CONNACK says that it has.
  had_session_ = has_session_;
  if (!has_session_ && !begins_anew() && kept_for() > Duration::zero()) has_session_ = changed_ = true;
  state_ = State::connecting;
  ++connection_;
  connect_sent_ = last_received_ = last_progress_ = now;
  if (const auto sent = send(connect_packet(options(), starts_clean(), limits()), now); !sent) {
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
  work().output.clear();
  if (state_ == State::connecting || state_ == State::connected) leave(State::offline, Error::session_lost, now);
  rest();
}

/// How long the session outlives the connection.
Duration Session::kept_for() const {
  if (!v5()) return options_.clean_session ? Duration::zero() : Duration::max();
  const auto seconds = expiry_ ? *expiry_ : connect_properties().get(property::session_expiry_interval).value_or(0);
  return seconds == kNeverExpires ? Duration::max() : Duration{std::chrono::seconds{seconds}};
}

/// What CONNECT says. With Clean Start 0 a server of 5.0 could resume a session whose state is gone here, which would have to be refused
/// each time anew [MQTT-3.2.2-4].
bool Session::starts_clean() const noexcept { return options_.clean_session || (begins_anew() && !options_.accept_unknown_session); }

/// The session has expired. The server's clock began later, so that it may have the session still.
void Session::expire_session() {
  discard_session(Error::session_lost);
  start_clean_ = true;
}

void Session::next_server(bool another) noexcept {
  const bool apart = servers_ == Servers::apart || servers_ == Servers::another_apart;
  if (apart) {
    servers_ = another ? Servers::another_apart : Servers::apart;
  } else {
    servers_ = another ? Servers::another : Servers::one;
  }
}

/// The connection must not go on (section 4.8): no byte is read any more, and none sent but the reason in 5.0.
void Session::break_off(std::error_code error, TimePoint now) {
  const bool told = v5() && can_be_told(error) && !work().output.reads_source();
  if (!told) work().output.clear();
  if (told) (void)send(Disconnect{.reason = limits().disconnect_reason(error)}, now);
  leave(State::offline, Error::session_lost, now);
  emit(event::Disconnected{.error = error});
}

void Session::give_up(std::error_code error, TimePoint now) {
  if (state_ == State::connecting || state_ == State::connected) break_off(error, now);
}

/// Ends the connection; what does not outlive it fails with `error`. Of the exchanges only those of a stored session outlive it, and of
/// these only messages: the session state of section 4.1 has no SUBSCRIBE in it.
void Session::leave(State state, std::error_code error, TimePoint now) {
  const bool was_connected = state_ == State::connected;
  state_ = state;
  work().decoder.reset();
  ping_sent_.reset();
  if (const auto streaming = std::exchange(work().streaming, std::nullopt); streaming && !streaming->repeated)
    emit(event::MessageAborted{});
  work().auth_order = 0;
  for (const auto& sent : std::exchange(work().early, {})) emit(event::Failed{sent.token, error});
  const Duration kept = kept_for();
  if (kept == Duration::zero() && (was_connected || !v5())) {
    discard_session(error);
    return;
  }
  if (was_connected) session_expires_ = kept == Duration::max() ? std::nullopt : std::optional{deadline_after(now, kept)};
  changed_ = changed_ || session_expires_.has_value();
  for (const PacketId id : in_order()) {
    const auto exchange = work().exchanges.find(id);
    const auto& stage = exchange->second.stage;
    if (!std::holds_alternative<Subscribing>(stage) && !std::holds_alternative<Unsubscribing>(stage)) continue;
    emit(event::Failed{exchange->second.token, error});
    work().exchanges.erase(exchange);
  }
}

void Session::discard_session(std::error_code error) {
  changed_ = changed_ || !work().exchanges.empty();
  for (const PacketId id : in_order()) emit(event::Failed{work().exchanges.at(id).token, error});
  work().exchanges.clear();
  work().again.clear();
  changed_ = changed_ || has_session_ || !work().unreleased.empty();
  work().messages_in_flight = 0;
  work().unreleased.clear();
  forget_held();
  has_session_ = false;
  session_expires_.reset();
}

void Session::drop_queued(std::list<Queued>::iterator place, std::error_code error) {
  work().queued_bytes -= place->message.payload.size();
  emit(event::Failed{place->token, error});
  work().queue.erase(place);
  changed_ = true;
}

void Session::fail_queued(std::error_code error) {
  while (!work().queue.empty()) drop_queued(work().queue.begin(), error);
}

Result<> Session::cancel(Token token) {
  const auto place = std::ranges::find(work().queue, token, &Queued::token);
  if (place == work().queue.end()) return fail(tapir::Error::invalid_argument);
  drop_queued(place, tapir::Error::operation_canceled);
  return {};
}

/// Sends an answer whose turn has come, unless its connection has gone.
void Session::give(const Answer& answer) {
  if (answer.connection == 0) return;  // the session that it was for has ended
  if (const auto* pubrec = std::get_if<Pubrec>(&answer.packet)) {
    if (const auto received = work().unreleased.find(pubrec->id); received != work().unreleased.end()) {
      if (received->second.stage == Receipt::Stage::waiting) received->second.stage = Receipt::Stage::taken;
      changed_ = true;
    }
  }
  if (state_ != State::connected || answer.connection != connection_) return;
  if (const auto* puback = std::get_if<Puback>(&answer.packet)) work().in_hand.erase(puback->id);
  if (const auto* pubcomp = std::get_if<Pubcomp>(&answer.packet)) work().in_hand.erase(pubcomp->id);
  if (const auto* pubrec = std::get_if<Pubrec>(&answer.packet); pubrec != nullptr && is_failure(pubrec->reason))
    work().in_hand.erase(pubrec->id);
  const auto now = std::max(last_sent_, last_received_);
  send_checked(answer.packet, now);
  if (const auto* pubrel = std::get_if<Pubrel>(&answer.packet)) await(pubrel->id, now);
}

/// Of a message of QoS 2 with a number: whether that is saved. Otherwise the message is not told; it comes again.
bool Session::may_tell(const Event& event) {
  const auto* whole = std::get_if<event::MessageReceived>(&event);
  const auto* began = std::get_if<event::MessageBegan>(&event);
  if (whole == nullptr && began == nullptr) return true;
  const std::uint64_t delivery = whole != nullptr ? whole->message.delivery : began->message.delivery;
  if (delivery <= work().saved_delivery) return true;
  if (save(std::max(last_sent_, last_received_))) {
    work().saved_delivery = last_delivery_;
    return true;
  }
  for (auto& [id, receipt] : work().unreleased) {
    if (receipt.delivery == delivery) receipt.stage = Receipt::Stage::announced;
  }
  if (began != nullptr) forget_parts();
  return false;
}

/// Takes what followed a MessageBegan out of the line of events, which has others between the parts.
void Session::forget_parts() {
  auto& happened = work().happened;
  for (auto place = happened.begin(); place != happened.end();) {
    const auto* event = std::get_if<Event>(&*place);
    const bool is_part = event != nullptr && std::holds_alternative<event::MessagePart>(*event);
    const bool is_end =
        event != nullptr && (std::holds_alternative<event::MessageEnded>(*event) || std::holds_alternative<event::MessageAborted>(*event));
    place = is_part || is_end ? happened.erase(place) : std::next(place);
    if (is_end) return;
  }
}

bool Session::hold_acknowledgment() {
  if (work_ == nullptr || work().happened.empty()) return false;
  auto* const answer = std::get_if<Answer>(&work().happened.front());
  if (answer == nullptr || !answer->behind_message) return false;
  work().held.push_back(std::move(*answer));
  work().happened.pop_front();
  return true;
}

void Session::acknowledge() {
  if (work_ == nullptr || work().held.empty()) return;
  auto& held = work().held;
  do {
    const Answer next = std::move(held.front());
    held.pop_front();
    give(next);
  } while (!held.empty() && !held.front().behind_message);
  rest();
}

/// The session has ended: what the user still acknowledges was of that one.
void Session::forget_held() {
  for (auto& answer : work().held) answer.connection = 0;
}

std::optional<Event> Session::next_event() {
  if (work_ == nullptr) return std::nullopt;
  while (!work().happened.empty()) {
    auto next = std::move(work().happened.front());
    work().happened.pop_front();
    if (auto* event = std::get_if<Event>(&next)) {
      if (may_tell(*event)) return std::move(*event);
    } else if (auto& answer = std::get<Answer>(next); !work().held.empty() && is_receipt(answer.packet)) {
      answer.behind_message = false;  // this one nobody holds
      work().held.push_back(std::move(answer));
    } else {
      give(answer);
    }
  }
  rest();
  return std::nullopt;
}

std::optional<Payload> Session::take_output(TimePoint now) {
  if (work_ == nullptr && !changed_) return std::nullopt;
  send_again(now);
  send_queued(now);
  if (!save(now)) return std::nullopt;
  auto slice = work().output.take(limits().source_chunk);
  if (slice) {
    if (!*slice) rest();
    return std::move(*slice);
  }
  work().output.clear();
  if (state_ == State::connecting || state_ == State::connected) break_off(Error::payload_source_failed, now);
  return std::nullopt;
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
    if (work().streaming) {
      receive_part(bytes);
      if (work().streaming) return;
      continue;
    }
    const std::size_t before = work().decoder.buffered() + bytes.size();
    const auto packet = work().decoder.next(bytes);
    if (!packet) {
      break_off(packet.error(), now);
      return;
    }
    if (!*packet) return;
    if (observer_ != nullptr) {
      const auto* publish = std::get_if<Publish>(&**packet);
      const std::size_t held = publish != nullptr ? publish->payload.size() : 0;
      observer_->packet(Direction::up, **packet, {before - bytes.size() - held, held + work().decoder.payload_left()}, now);
    }
    receive(**packet, now);
  }
}

}  // namespace tapir::mqtt
