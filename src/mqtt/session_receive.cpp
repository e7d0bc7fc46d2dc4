#include <tapir/mqtt/session.hpp>

#include <utility>

/// What a Session does with each packet that it receives.
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

}  // namespace

void Session::receive(const ControlPacket& packet, TimePoint now) {
  const bool connack = std::holds_alternative<Connack>(packet);
  if (connack != (state_ == State::connecting)) {  // CONNACK comes first [MQTT-3.2.0-1], and once
    break_off(Error::protocol_violation, now);
    return;
  }
  std::visit([&](const auto& fields) { on(fields, now); }, packet);
}

/// CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ and DISCONNECT go to the server only.
template <class FromClient>
void Session::on(const FromClient& /*packet*/, TimePoint now) {
  break_off(Error::protocol_violation, now);
}

void Session::on(const Connack& packet, TimePoint now) {
  if (packet.code != ConnectCode::accepted) {
    output_.clear();
    leave(State::offline, error_of(packet.code));
    emit(event::Refused{packet.code, error_of(packet.code)});
    return;
  }
  // We asked for a clean session: a server that claims to have kept one would send messages nobody wants [MQTT-3.2.2-1].
  if (packet.session_present && options_.clean_session) {
    break_off(Error::protocol_violation, now);
    return;
  }
  state_ = State::connected;
  if (!packet.session_present) unreleased_.clear();  // the server numbers its messages afresh
  emit(event::Connected{packet.session_present});
  for (const auto& sent : std::exchange(early_, {})) emit(sent);
  if (!limits_.send_before_connack) send_again(now);
}

void Session::on(const Publish& packet, TimePoint /*now*/) {
  const bool repeated = packet.qos == QoS::exactly_once && unreleased_.contains(packet.id);
  if (!repeated) {
    emit(event::MessageReceived{
        {.topic = packet.topic, .payload = packet.payload, .qos = packet.qos, .retain = packet.retain, .duplicate = packet.duplicate}});
  }
  if (packet.qos == QoS::at_least_once) {
    answer(Puback{packet.id});
  } else if (packet.qos == QoS::exactly_once) {
    unreleased_.insert(packet.id);  // until PUBREL a PUBLISH with this identifier is the same message [MQTT-4.3.3-2]
    answer(Pubrec{packet.id});
  }
}

void Session::on(const Pubrel& packet, TimePoint /*now*/) {
  unreleased_.erase(packet.id);
  answer(Pubcomp{packet.id});  // also for an unknown identifier: our first PUBCOMP was lost
}

/// Takes the exchange off if it waits for this acknowledgment.
template <class Stage>
std::optional<Session::Exchange> Session::finish(PacketId id) {
  const auto exchange = exchanges_.find(id);
  if (exchange == exchanges_.end() || !std::holds_alternative<Stage>(exchange->second.stage)) return std::nullopt;
  auto finished = std::move(exchange->second);
  exchanges_.erase(exchange);
  return finished;
}

void Session::message_done(const Exchange& exchange) {
  --messages_in_flight_;
  emit(event::Delivered{exchange.token});
}

void Session::on(const Puback& packet, TimePoint now) {
  const auto exchange = exchanges_.find(packet.id);
  if (exchange == exchanges_.end()) return;  // a second one: nothing waits for it
  const auto* publishing = std::get_if<Publishing>(&exchange->second.stage);
  if (publishing == nullptr || publishing->message.qos != QoS::at_least_once) {
    break_off(Error::protocol_violation, now);
    return;
  }
  if (const auto finished = finish<Publishing>(packet.id)) message_done(*finished);
}

void Session::on(const Pubrec& packet, TimePoint now) {
  const auto exchange = exchanges_.find(packet.id);
  if (exchange != exchanges_.end()) {
    auto& stage = exchange->second.stage;
    const auto* publishing = std::get_if<Publishing>(&stage);
    const bool awaited = publishing != nullptr && publishing->message.qos == QoS::exactly_once;
    if (!awaited && !std::holds_alternative<Releasing>(stage)) {
      break_off(Error::protocol_violation, now);
      return;
    }
    if (awaited) {
      stage = Releasing{};
      exchange->second.order = ++last_order_;
    }
  }
  answer(Pubrel{packet.id});  // also for an unknown identifier, so that the server can end its exchange
}

void Session::on(const Pubcomp& packet, TimePoint now) {
  if (!exchanges_.contains(packet.id)) return;  // the answer to a PUBREL that was sent twice
  if (const auto finished = finish<Releasing>(packet.id)) {
    message_done(*finished);
  } else {
    break_off(Error::protocol_violation, now);
  }
}

void Session::on(const Suback& packet, TimePoint now) {
  const auto finished = finish<Subscribing>(packet.id);
  if (!finished || std::get<Subscribing>(finished->stage).filters != packet.codes.size()) {
    if (finished) emit(event::Failed{finished->token, Error::protocol_violation});
    break_off(Error::protocol_violation, now);
    return;
  }
  emit(event::Subscribed{finished->token, packet.codes});
}

void Session::on(const Unsuback& packet, TimePoint now) {
  if (const auto finished = finish<Unsubscribing>(packet.id)) {
    emit(event::Unsubscribed{finished->token});
  } else {
    break_off(Error::protocol_violation, now);
  }
}

void Session::on(const Pingresp& /*packet*/, TimePoint /*now*/) { ping_sent_.reset(); }

}  // namespace tapir::mqtt
