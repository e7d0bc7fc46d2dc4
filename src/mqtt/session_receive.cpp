#include <tapir/mqtt/session.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <tapir/mqtt/topic.hpp>

/// What a Session does with each packet that it receives once it is connected; session_connect.cpp has those of the handshake.
namespace tapir::mqtt {

namespace {

Properties without_alias(Properties properties) {
  properties.erase(PropertyId::topic_alias);
  return properties;
}

}  // namespace

void Session::receive(const ControlPacket& packet, TimePoint now) {
  const bool handshake = std::holds_alternative<Connack>(packet) ||
                         (v5() && (std::holds_alternative<Auth>(packet) || std::holds_alternative<Disconnect>(packet)));
  const bool connack_again = std::holds_alternative<Connack>(packet) && state_ == State::connected;
  // CONNACK comes first [MQTT-3.2.0-1], and once [MQTT-3.2.0-2].
  if ((state_ == State::connecting && !handshake) || connack_again || tells_too_much(packet)) {
    break_off(Error::protocol_violation, now);
    return;
  }
  std::visit([&](const auto& fields) { on(fields, now); }, packet);
}

/// CONNECT, SUBSCRIBE, UNSUBSCRIBE and PINGREQ go to the server only.
template <class FromClient>
void Session::on(const FromClient& /*packet*/, TimePoint now) {
  break_off(Error::protocol_violation, now);
}

/// Whether a server that was asked for no problem information gives some (5.0 section 3.1.2.11.7).
bool Session::tells_too_much(const ControlPacket& packet) const {
  if (!v5() || connect_properties().get(property::request_problem_information).value_or(true)) return false;
  return std::visit(
      []<class P>(const P& fields) {
        constexpr bool allowed = P::kType == PacketType::publish || P::kType == PacketType::connack || P::kType == PacketType::disconnect;
        if constexpr (!allowed && requires { fields.properties; }) {
          return fields.properties.contains(PropertyId::reason_string) || fields.properties.contains(PropertyId::user_property);
        } else {
          return false;
        }
      },
      packet);
}

void Session::on(const Publish& packet, TimePoint now) {
  std::string topic = packet.topic;
  if (const auto alias = packet.properties.get(property::topic_alias)) {
    if (aliases_ == nullptr) return break_off(Error::topic_alias_invalid, now);
    auto resolved = aliases_->incoming.resolve(*alias, std::move(topic));
    if (!resolved) return break_off(resolved.error(), now);
    topic = std::move(*resolved);
  }
  if (!takes_messages_) {
    if (work().decoder.payload_left() > 0)
      work().streaming = Streaming{.qos = packet.qos, .id = packet.id, .repeated = true, .refused = true};
    return;
  }
  if (packet.qos != QoS::at_most_once) {
    work().in_hand.insert(packet.id);
    const std::size_t maximum = connect_properties().get(property::receive_maximum).value_or(65535);
    if (v5() && work().in_hand.size() > maximum) return break_off(Error::receive_maximum_exceeded, now);
  }
  const std::size_t size = work().decoder.payload_left();
  if (size == 0 && refuse_payload(packet)) return;
  Message message{.topic = std::move(topic),
                  .payload = packet.payload,
                  .qos = packet.qos,
                  .retain = packet.retain,
                  .duplicate = packet.duplicate,
                  .properties = limits().keep_topic_alias ? packet.properties : without_alias(packet.properties),
                  .id = packet.id};
  const bool repeated = packet.qos == QoS::exactly_once && !announce(packet, message);
  if (size > 0) {
    work().streaming = Streaming{.qos = packet.qos, .id = packet.id, .repeated = repeated};
    if (!repeated) emit(event::MessageBegan{std::move(message), size});
    return;
  }
  if (!repeated) emit(event::MessageReceived{std::move(message)});
  finish_receiving(packet.qos, packet.id, !repeated);
}

/// Notes a message of QoS 2: until PUBREL a PUBLISH with this identifier is the same one [MQTT-4.3.3-2]. False: the user has it already,
/// or it is in line.
bool Session::announce(const Publish& packet, Message& message) {
  const auto [place, is_new] = work().unreleased.try_emplace(packet.id);
  Receipt& receipt = place->second;
  if (receipt.stage != Receipt::Stage::announced) return false;
  const bool again = !is_new && packet.duplicate;  // without DUP it is another message: the server has forgotten the announced one
  if (!again) receipt.delivery = 0;
  if (receipt.delivery == 0 && store_ != nullptr && kept_for() != Duration::zero()) {
    receipt.delivery = ++last_delivery_;
    changed_ = true;
  }
  message.delivery = receipt.delivery;
  return true;
}

/// `told`: the event of the message was put in line just now.
void Session::finish_receiving(QoS qos, PacketId id, bool told) {
  if (qos == QoS::at_least_once) {
    answer(Puback{.id = id}, told);
  } else if (qos == QoS::exactly_once) {
    if (const auto receipt = work().unreleased.find(id);
        receipt != work().unreleased.end() && receipt->second.stage == Receipt::Stage::announced)
      receipt->second.stage = Receipt::Stage::waiting;
    answer(Pubrec{.id = id}, told);
  }
}

/// The next part of a message that comes in parts.
void Session::receive_part(std::span<const std::byte>& bytes) {
  const auto part = work().decoder.take_payload(bytes);
  if (!work().streaming->repeated && !part.empty()) emit(event::MessagePart{Payload{part}});
  if (work().decoder.payload_left() > 0) return;
  const auto complete = std::exchange(work().streaming, std::nullopt);
  if (complete->refused) return;
  if (!complete->repeated) emit(event::MessageEnded{});
  finish_receiving(complete->qos, complete->id, !complete->repeated);
}

void Session::take_no_more() {
  takes_messages_ = false;
  if (work_ == nullptr) return;
  auto& streaming = work().streaming;
  bool half_told = streaming && !streaming->repeated;
  bool first_of_stream = true;
  bool dropped = false;  // the element before
  for (auto place = work().happened.begin(); place != work().happened.end();) {
    const auto* const event = std::get_if<Event>(&*place);
    if (event == nullptr) {
      const auto& answer = std::get<Answer>(*place);
      const bool belongs = std::exchange(dropped, false) && answer.behind_message;
      if (belongs) take_back(answer);
      place = belongs ? work().happened.erase(place) : std::next(place);
      continue;
    }
    const bool of_stream = std::holds_alternative<event::MessageBegan>(*event) || std::holds_alternative<event::MessagePart>(*event) ||
                           std::holds_alternative<event::MessageEnded>(*event) || std::holds_alternative<event::MessageAborted>(*event);
    if (of_stream && std::exchange(first_of_stream, false)) half_told = !std::holds_alternative<event::MessageBegan>(*event);
    dropped = of_stream || std::holds_alternative<event::MessageReceived>(*event);
    place = dropped ? work().happened.erase(place) : std::next(place);
  }
  if (half_told) emit(event::MessageAborted{});
  if (!streaming) return;
  work().in_hand.erase(streaming->id);
  streaming->repeated = streaming->refused = true;
}

/// The message is not acknowledged, and comes again.
void Session::take_back(const Answer& answer) {
  if (const auto* puback = std::get_if<Puback>(&answer.packet)) work().in_hand.erase(puback->id);
  const auto* pubrec = std::get_if<Pubrec>(&answer.packet);
  if (pubrec == nullptr) return;
  work().in_hand.erase(pubrec->id);
  if (const auto receipt = work().unreleased.find(pubrec->id); receipt != work().unreleased.end())
    receipt->second.stage = Receipt::Stage::announced;
}

/// Answers text that is not text (5.0 section 3.3.2.3.2), if the user wants that to be looked at.
bool Session::refuse_payload(const Publish& packet) {
  const bool text = packet.properties.get(property::payload_format_indicator).value_or(false);
  if (!limits().validate_payload_format || !text || is_valid_utf8(packet.payload.text())) return false;
  const auto receipt = work().unreleased.find(packet.id);
  if (packet.qos == QoS::exactly_once && receipt != work().unreleased.end()) {
    if (receipt->second.stage != Receipt::Stage::announced) return false;  // it was taken as it is
    work().unreleased.erase(receipt);
    changed_ = true;
  }
  if (packet.qos == QoS::at_least_once) answer(Puback{.id = packet.id, .reason = ReasonCode::payload_format_invalid});
  if (packet.qos == QoS::exactly_once) answer(Pubrec{.id = packet.id, .reason = ReasonCode::payload_format_invalid});
  return true;
}

/// What PUBREL and PUBCOMP say of an identifier that is unknown here, if the server takes five bytes and the version has reasons.
ReasonCode Session::unknown_identifier() const noexcept {
  constexpr std::size_t kWithReason = 5;
  return v5() && server().maximum_packet_size >= kWithReason ? ReasonCode::packet_identifier_not_found : ReasonCode::success;
}

void Session::on(const Pubrel& packet, TimePoint /*now*/) {
  const bool known = work().unreleased.erase(packet.id) > 0;
  changed_ = changed_ || known;
  // An unknown identifier is answered too: our first PUBCOMP was lost.
  answer(Pubcomp{.id = packet.id, .reason = known ? ReasonCode::success : unknown_identifier()});
}

/// Takes the exchange off if it waits for this acknowledgment.
template <class Stage>
std::optional<Session::Exchange> Session::finish(PacketId id) {
  const auto exchange = work().exchanges.find(id);
  if (exchange == work().exchanges.end() || !std::holds_alternative<Stage>(exchange->second.stage)) return std::nullopt;
  auto finished = std::move(exchange->second);
  work().exchanges.erase(exchange);
  acknowledged();
  return finished;
}

/// An exchange is over (5.0 section 4.9). One whose PUBLISH an earlier connection had sent has taken nothing of this one's quota, for of it
/// only PUBREL was sent again.
void Session::free_quota(const Exchange& exchange) {
  if (exchange.published_on == connection_) work().quota = std::min(work().quota + 1, whole_quota());
}

void Session::message_done(const Exchange& exchange, ReasonCode reason, const Properties& properties) {
  --work().messages_in_flight;
  free_quota(exchange);
  changed_ = true;
  if (is_failure(reason) && reason != ReasonCode::packet_identifier_not_found) {
    emit(event::Failed{exchange.token, reason, properties});
  } else {
    emit(event::Delivered{exchange.token, reason, properties});
  }
}

void Session::on(const Puback& packet, TimePoint now) {
  const auto exchange = work().exchanges.find(packet.id);
  if (exchange == work().exchanges.end()) return;  // a second one: nothing waits for it
  const auto* publishing = std::get_if<Publishing>(&exchange->second.stage);
  if (publishing == nullptr || publishing->message.qos != QoS::at_least_once) {
    break_off(Error::protocol_violation, now);
    return;
  }
  if (const auto finished = finish<Publishing>(packet.id)) message_done(*finished, packet.reason, packet.properties);
}

Pubrel Session::pubrel(PacketId id, bool again) const {
  return {.id = id, .duplicate = again && options_.version == ProtocolVersion::v3_1};
}

void Session::on(const Pubrec& packet, TimePoint now) {
  const auto exchange = work().exchanges.find(packet.id);
  if (exchange != work().exchanges.end()) {
    auto& stage = exchange->second.stage;
    const auto* publishing = std::get_if<Publishing>(&stage);
    const bool awaited = publishing != nullptr && publishing->message.qos == QoS::exactly_once;
    if (!awaited && !std::holds_alternative<Releasing>(stage)) {
      break_off(Error::protocol_violation, now);
      return;
    }
    if (awaited && is_failure(packet.reason)) {  // the exchange is over, without PUBREL (5.0 section 4.3.3)
      if (const auto finished = finish<Publishing>(packet.id)) message_done(*finished, packet.reason, packet.properties);
      return;
    }
    if (awaited) {
      stage = Releasing{};
      exchange->second.order = ++work().last_order;
      changed_ = true;
      acknowledged();
    }
    answer(pubrel(packet.id, !awaited));
  } else if (!is_failure(packet.reason)) {
    // An unknown identifier is answered too, so that the server can end its exchange.
    answer(Pubrel{.id = packet.id, .reason = limits().lenient ? ReasonCode::success : unknown_identifier()});
  }
}

void Session::on(const Pubcomp& packet, TimePoint now) {
  if (!work().exchanges.contains(packet.id)) return;  // the answer to a PUBREL that was sent twice
  if (const auto finished = finish<Releasing>(packet.id)) {
    message_done(*finished, packet.reason, packet.properties);
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
  emit(event::Subscribed{finished->token, packet.codes, packet.properties});
}

void Session::on(const Unsuback& packet, TimePoint now) {
  const auto finished = finish<Unsubscribing>(packet.id);
  if (!finished && limits().lenient) return;
  if (!finished || (v5() && !limits().lenient && std::get<Unsubscribing>(finished->stage).filters != packet.codes.size())) {
    if (finished) emit(event::Failed{finished->token, Error::protocol_violation});
    break_off(Error::protocol_violation, now);
    return;
  }
  emit(event::Unsubscribed{finished->token, packet.codes, packet.properties});
}

void Session::on(const Pingresp& /*packet*/, TimePoint /*now*/) { ping_sent_.reset(); }

}  // namespace tapir::mqtt
