#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

/// How a connection begins and ends between the two sides: CONNACK, AUTH and DISCONNECT.
namespace tapir::mqtt {

namespace {

Error error_of(ConnectCode code) noexcept {
  switch (code) {
    case ConnectCode::unacceptable_protocol_version: return Error::unsupported_protocol_version;
    case ConnectCode::identifier_rejected: return Error::identifier_rejected;
    case ConnectCode::server_unavailable: return Error::server_unavailable;
    case ConnectCode::bad_user_name_or_password: return Error::bad_credentials;
    case ConnectCode::not_authorized: return Error::not_authorized;
    case ConnectCode::accepted: break;
  }
  return Error::protocol_violation;
}

/// The reasons that a client may give (5.0 section 3.14.2.1, column "sent by").
bool client_may_say(ReasonCode reason) noexcept {
  using enum ReasonCode;
  constexpr ReasonCode kAllowed[] = {
      normal_disconnection,          disconnect_with_will, unspecified_error,        malformed_packet,      protocol_error,
      implementation_specific_error, topic_name_invalid,   receive_maximum_exceeded, topic_alias_invalid,   packet_too_large,
      message_rate_too_high,         quota_exceeded,       administrative_action,    payload_format_invalid};
  return std::ranges::find(kAllowed, reason) != std::end(kAllowed);
}

}  // namespace

void Session::refused(const Connack& packet, std::error_code error, TimePoint now) {
  work().output.clear();
  has_session_ = had_session_;
  leave(State::offline, error, now);
  emit(event::Refused{.code = packet.code, .error = error, .reason = packet.reason, .properties = packet.properties});
}

/// What is wrong with an accepting CONNACK, given what CONNECT said.
std::error_code Session::problem_of(const Connack& packet) const {
  // We asked for a clean session: a server that claims to have kept one would send messages nobody wants [MQTT-3.2.2-1].
  if (packet.session_present && starts_clean()) return Error::protocol_violation;
  if (!v5()) return {};
  if (packet.session_present && !had_session_ && !options_.accept_unknown_session) return Error::unexpected_session;  // [MQTT-3.2.2-4]
  if (packet.properties.contains(PropertyId::assigned_client_identifier) && !options_.client_id.empty()) return Error::protocol_violation;
  const auto asked = connect_properties().get(property::authentication_method);
  const auto given = packet.properties.get(property::authentication_method);
  if (asked != given && !(limits().lenient && (!asked || !given))) return Error::protocol_violation;  // [MQTT-4.12.0-5, 4.12.0-6]
  return {};
}

void Session::on(const Connack& packet, TimePoint now) {
  if (v5() && is_failure(packet.reason)) return refused(packet, packet.reason, now);
  if (!v5() && packet.code != ConnectCode::accepted) return refused(packet, error_of(packet.code), now);
  if (const auto problem = problem_of(packet)) {
    has_session_ = had_session_;
    start_clean_ = start_clean_ || problem == Error::unexpected_session;  // the next CONNECT ends it
    return break_off(problem, now);
  }
  state_ = State::connected;
  turn_ = Turn::nobody;
  session_expires_.reset();
  if (v5()) adopt(packet);
  const bool kept = kept_for() > Duration::zero();
  // The server numbers its messages afresh; a server of 3.1 does not say whether it has the session.
  if (!packet.session_present && options_.version != ProtocolVersion::v3_1 && !work().unreleased.empty()) {
    work().unreleased.clear();
    forget_held();
    changed_ = true;
  }
  if (v5() && !packet.session_present && had_session_) discard_session(Error::session_lost);  // [MQTT-3.2.2-5]
  if (servers_ == Servers::another) servers_ = packet.session_present || !had_session_ ? Servers::one : Servers::apart;
  if (servers_ == Servers::another_apart) servers_ = Servers::apart;
  start_clean_ = false;
  changed_ = changed_ || has_session_ != kept;
  has_session_ = kept;
  emit(event::Connected{packet.session_present, packet.properties});
  for (const auto& sent : std::exchange(work().early, {})) emit(sent);
  if (sends_early()) return;
  resume_exchanges();
  send_again(now);
}

/// Takes over what the server has decided.
void Session::adopt(const Connack& packet) {
  if (const ServerLimits announced = server_limits(packet.properties); announced != kUnlimited)
    server_ = std::make_unique<const ServerLimits>(announced);
  work().quota = whole_quota();
  const std::uint16_t aliases_maximum = std::min(server().topic_alias_maximum, limits().topic_aliases);
  if (aliases_maximum > 0) aliases().outgoing.reset(aliases_maximum);
  if (const auto seconds = packet.properties.get(property::server_keep_alive))
    keep_alive_ = std::chrono::duration<std::uint16_t>{*seconds};  // [3.1.2-21]
  expiry_ = packet.properties.get(property::session_expiry_interval);
  if (auto id = packet.properties.get(property::assigned_client_identifier)) options_.client_id = std::move(*id);  // [3.2.2-16]
}

void Session::on(const Auth& packet, TimePoint now) {
  const auto method = connect_properties().get(property::authentication_method);
  const bool expected = state_ == State::connecting ? packet.reason == ReasonCode::continue_authentication
                                                    : turn_ != Turn::nobody && packet.reason != ReasonCode::reauthenticate;
  // The sides take turns (section 4.12): a further question before the answer to the first is a packet out of order (section 1.2).
  const bool in_turn = turn_ != Turn::client || packet.reason == ReasonCode::success;
  if (!method || !expected || !in_turn || packet.properties.get(property::authentication_method) != method) {
    return break_off(Error::protocol_violation, now);  // [MQTT-4.12.0-5, 4.12.0-6]
  }
  turn_ = packet.reason == ReasonCode::success ? Turn::nobody : Turn::client;
  if (state_ == State::connecting) connect_sent_ = now;  // the server is at work: it may take as long again for the next step
  work().auth_order = 0;
  acknowledged();
  emit(event::Authentication{packet.reason, packet.properties});
}

Result<> Session::send_auth(ReasonCode reason, std::string data, TimePoint now) {
  auto method = connect_properties().get(property::authentication_method);
  if (!v5() || !method) return fail(tapir::Error::invalid_argument);  // [MQTT-4.12.0-7]
  Properties properties{{property::authentication_method, std::move(*method)}};
  if (!data.empty()) properties.add({property::authentication_data, std::move(data)});
  if (const auto sent = send(Auth{.reason = reason, .properties = std::move(properties)}, now); !sent) return sent;
  turn_ = Turn::server;
  if (state_ == State::connecting) {
    connect_sent_ = now;
  } else {
    await_auth(now);
  }
  return {};
}

Result<> Session::authenticate(std::string data, TimePoint now) {
  const bool asked = (state_ == State::connecting || state_ == State::connected) && turn_ == Turn::client;
  if (!asked) return fail(tapir::Error::not_connected);
  return send_auth(ReasonCode::continue_authentication, std::move(data), now);
}

Result<> Session::reauthenticate(std::string data, TimePoint now) {
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  return send_auth(ReasonCode::reauthenticate, std::move(data), now);
}

/// The server ends the connection, which before 5.0 it does not say.
void Session::on(const Disconnect& packet, TimePoint now) {
  const bool forbidden = packet.properties.contains(PropertyId::session_expiry_interval);                   // [MQTT-3.14.2-2]
  if (!v5() || state_ == State::connecting || forbidden) return break_off(Error::protocol_violation, now);  // [MQTT-3.14.0-1]
  work().output.clear();
  const std::error_code error =
      is_failure(packet.reason) ? make_error_code(packet.reason) : make_error_code(tapir::Error::connection_closed);
  leave(State::offline, Error::session_lost, now);
  emit(event::Disconnected{.error = error, .by_server = true, .reason = packet.reason, .properties = packet.properties});
}

Result<> Session::may_disconnect(ReasonCode reason, const Properties& properties) const {
  if (state_ != State::connected) return fail(tapir::Error::not_connected);
  if (!v5() && (reason != ReasonCode::normal_disconnection || !properties.empty())) return fail(Error::not_in_this_version);
  if (!client_may_say(reason)) return fail(Error::invalid_reason_code);
  if (properties.contains(PropertyId::server_reference)) return fail(Error::property_not_allowed);
  const auto expiry = properties.get(property::session_expiry_interval);
  const bool had_none = connect_properties().get(property::session_expiry_interval).value_or(0) == 0;
  if (expiry.value_or(0) != 0 && had_none) return fail(Error::invalid_property);  // section 3.14.2.2.2
  std::vector<std::byte> scratch;
  if (const auto encoded = encode(Disconnect{.reason = reason, .properties = properties}, scratch, options_.version); !encoded)
    return fail(encoded.error());
  return {};
}

Result<> Session::disconnect(TimePoint now, ReasonCode reason, Properties properties) {
  if (const auto allowed = may_disconnect(reason, properties); !allowed) return allowed;
  const auto expiry = properties.get(property::session_expiry_interval);
  auto sent = send(Disconnect{.reason = reason, .properties = properties}, now);
  if (!sent && sent.error() == Error::packet_too_large) {  // [MQTT-3.14.2-3, 3.14.2-4]
    properties.erase(PropertyId::reason_string);
    properties.erase(PropertyId::user_property);
    sent = send(Disconnect{.reason = reason, .properties = std::move(properties)}, now);
  }
  if (!sent) return sent;
  if (expiry) expiry_ = expiry;
  leave(State::finished, tapir::Error::operation_canceled, now);
  emit(event::Disconnected{});
  return {};
}

}  // namespace tapir::mqtt
