#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <tapir/core/random.hpp>
#include <tapir/mqtt/control_packet.hpp>
#include <tapir/mqtt/topic.hpp>

namespace tapir::test {

/// Valid control packets of all types of a version, with fields that a random source chooses.
class RandomPackets {
 public:
  explicit RandomPackets(Random& random, mqtt::ProtocolVersion version = mqtt::ProtocolVersion::v3_1_1)
      : random_{random}, version_{version} {}

  [[nodiscard]] mqtt::ControlPacket any() {
    switch (random_.below(v5() ? 15 : 14)) {
      case 0: return connect();
      case 1: return connack();
      case 2: return publish();
      case 3: return acknowledgment<mqtt::Puback>({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
      case 4: return acknowledgment<mqtt::Pubrec>({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
      case 5: return again(acknowledgment<mqtt::Pubrel>({0x00, 0x92}));
      case 6: return acknowledgment<mqtt::Pubcomp>({0x00, 0x92});
      case 7: return again(subscribe());
      case 8: return suback();
      case 9: return again(unsubscribe());
      case 10: return unsuback();
      case 11: return mqtt::Pingreq{};
      case 12: return mqtt::Pingresp{};
      case 13: return disconnect();
      default: return auth();
    }
  }
  /// What a server may send to a client that is connected.
  [[nodiscard]] mqtt::ControlPacket from_server() {
    switch (random_.below(6)) {
      case 0: return again(mqtt::Pubrel{.id = id()});
      case 1: return mqtt::Pingresp{};
      case 2: return mqtt::Pubrec{.id = id()};
      default: return publish();
    }
  }
  [[nodiscard]] mqtt::Publish publish() {
    mqtt::Publish packet{.qos = qos(), .retain = coin(), .topic = topic(), .payload = mqtt::Payload{text(size())}};
    if (packet.qos != mqtt::QoS::at_most_once) {
      packet.duplicate = coin();
      packet.id = id();
    }
    packet.properties = message_properties();
    return packet;
  }

 private:
  [[nodiscard]] bool v5() const { return version_ == mqtt::ProtocolVersion::v5_0; }
  [[nodiscard]] mqtt::ReasonCode reason(std::initializer_list<int> codes) {
    return static_cast<mqtt::ReasonCode>(*(codes.begin() + random_.below(codes.size())));
  }
  template <class Packet>
  [[nodiscard]] Packet acknowledgment(std::initializer_list<int> codes) {
    Packet packet{.id = id()};
    if (!v5()) return packet;
    packet.reason = reason(codes);
    packet.properties = problem_properties();
    return packet;
  }
  /// With DUP or without, where the version has it.
  template <class Packet>
  [[nodiscard]] Packet again(Packet packet) {
    packet.duplicate = version_ == mqtt::ProtocolVersion::v3_1 && coin();
    return packet;
  }
  /// Some of these, each at most once.
  [[nodiscard]] mqtt::Properties some(std::initializer_list<mqtt::Property> candidates) {
    mqtt::Properties properties;
    if (!v5()) return properties;
    for (const auto& candidate : candidates) {
      if (coin()) properties.add(candidate);
    }
    while (random_.below(3) == 0) properties.add({mqtt::property::user_property, {topic(), text_of_letters()}});
    return properties;
  }
  [[nodiscard]] std::string text_of_letters() { return std::string(random_.below(200), static_cast<char>('a' + random_.below(26))); }
  [[nodiscard]] std::uint32_t any32() { return static_cast<std::uint32_t>(random_.below(std::uint64_t{1} << (1 + random_.below(32)))); }
  [[nodiscard]] std::uint16_t from_one() { return static_cast<std::uint16_t>(1 + random_.below(65535)); }
  [[nodiscard]] mqtt::Properties problem_properties() { return some({{mqtt::property::reason_string, text_of_letters()}}); }
  [[nodiscard]] mqtt::Properties message_properties() {
    namespace p = mqtt::property;
    auto properties = some({{p::payload_format_indicator, coin()},
                            {p::message_expiry_interval, any32()},
                            {p::content_type, topic()},
                            {p::response_topic, topic()},
                            {p::correlation_data, text(random_.below(50))}});
    return properties;
  }
  [[nodiscard]] mqtt::Connack connack() {
    if (!v5()) return {.session_present = coin(), .code = static_cast<mqtt::ConnectCode>(random_.below(6))};
    namespace p = mqtt::property;
    return {.session_present = coin(),
            .reason = reason({0x00, 0x80, 0x84, 0x87, 0x8c, 0x9d, 0x9f}),
            .properties = some({{p::session_expiry_interval, any32()},
                                {p::receive_maximum, from_one()},
                                {p::maximum_qos, static_cast<std::uint8_t>(coin())},
                                {p::retain_available, coin()},
                                {p::maximum_packet_size, 1 + any32() / 2},
                                {p::assigned_client_identifier, topic()},
                                {p::topic_alias_maximum, from_one()},
                                {p::reason_string, text_of_letters()},
                                {p::wildcard_subscription_available, coin()},
                                {p::subscription_identifier_available, coin()},
                                {p::shared_subscription_available, coin()},
                                {p::server_keep_alive, from_one()},
                                {p::response_information, topic()},
                                {p::server_reference, topic()},
                                {p::authentication_method, topic()},
                                {p::authentication_data, text(random_.below(50))}})};
  }
  [[nodiscard]] mqtt::Unsuback unsuback() {
    mqtt::Unsuback packet{.id = id()};
    if (!v5()) return packet;
    do packet.codes.push_back(reason({0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91}));
    while (coin());
    packet.properties = problem_properties();
    return packet;
  }
  [[nodiscard]] mqtt::Disconnect disconnect() {
    if (!v5()) return {};
    return {.reason = reason({0x00, 0x04, 0x81, 0x8e, 0x9d}),
            .properties = some({{mqtt::property::session_expiry_interval, any32()},
                                {mqtt::property::reason_string, topic()},
                                {mqtt::property::server_reference, topic()}})};
  }
  [[nodiscard]] mqtt::Auth auth() {
    auto properties = some({{mqtt::property::authentication_data, text(20)}, {mqtt::property::reason_string, topic()}});
    properties.add({mqtt::property::authentication_method, topic()});
    return {.reason = reason({0x00, 0x18, 0x19}), .properties = std::move(properties)};
  }
  [[nodiscard]] bool coin() { return random_.below(2) == 0; }
  /// Mostly small, sometimes across the borders where a remaining length takes one byte more.
  [[nodiscard]] std::size_t size() { return random_.below(10) == 0 ? random_.below(20'000) : random_.below(150); }
  [[nodiscard]] mqtt::QoS qos() { return static_cast<mqtt::QoS>(random_.below(3)); }
  [[nodiscard]] mqtt::PacketId id() { return mqtt::PacketId{static_cast<std::uint16_t>(1 + random_.below(65535))}; }
  [[nodiscard]] std::string text(std::size_t length) {
    std::string bytes(length, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random_.below(256));
    return bytes;
  }
  [[nodiscard]] std::string topic() {
    static constexpr const char* kPieces[] = {"a", "/", "$", " ", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x84", "\xef\xbb\xbf", "z"};
    std::string topic;
    do topic += kPieces[random_.below(std::size(kPieces))];
    while (random_.below(8) != 0);
    return topic;
  }
  [[nodiscard]] std::string filter() {
    static constexpr const char* kLevels[] = {"+", "", "a", "b c", "$SYS", "\xc3\xa4"};
    std::string filter = coin() ? "+" : topic();
    while (coin()) filter += std::string{"/"} + kLevels[random_.below(std::size(kLevels))];
    if (coin()) filter += "/#";
    return filter;
  }
  [[nodiscard]] mqtt::Connect connect() {
    mqtt::Connect packet{.version = version_,
                         .clean_session = coin(),
                         .keep_alive = std::chrono::seconds{random_.below(65536)},
                         .client_id = coin() ? "" : topic()};
    if (coin()) packet.will = mqtt::Will{.topic = topic(), .payload = mqtt::Payload{text(size())}, .qos = qos(), .retain = coin()};
    if (coin()) packet.user_name = topic();
    if ((packet.user_name || v5()) && coin()) packet.password = text(size());
    namespace p = mqtt::property;
    packet.properties = some({{p::session_expiry_interval, any32()},
                              {p::receive_maximum, from_one()},
                              {p::maximum_packet_size, 1 + any32() / 2},
                              {p::topic_alias_maximum, from_one()},
                              {p::request_response_information, coin()},
                              {p::request_problem_information, coin()},
                              {p::authentication_method, topic()}});
    if (packet.will) packet.will->properties = message_properties();
    return packet;
  }
  [[nodiscard]] mqtt::Subscribe subscribe() {
    mqtt::Subscribe packet{.id = id()};
    do packet.subscriptions.push_back({.filter = filter(), .qos = qos()});
    while (coin());
    if (!v5()) return packet;
    for (auto& subscription : packet.subscriptions) {
      if (coin()) subscription.filter = "$share/group/" + subscription.filter;
      subscription.no_local = !subscription.filter.starts_with(mqtt::kSharedPrefix) && coin();
      subscription.retain_as_published = coin();
      subscription.retain_handling = static_cast<mqtt::RetainHandling>(random_.below(3));
    }
    packet.properties = some({{mqtt::property::subscription_identifier, 1 + any32() % 268'435'455}});
    return packet;
  }
  [[nodiscard]] mqtt::Suback suback() {
    mqtt::Suback packet{.id = id()};
    do packet.codes.push_back(random_.below(4) == 3 ? mqtt::SubscribeCode::failure : static_cast<mqtt::SubscribeCode>(random_.below(3)));
    while (coin());
    packet.properties = problem_properties();
    return packet;
  }
  [[nodiscard]] mqtt::Unsubscribe unsubscribe() {
    mqtt::Unsubscribe packet{.id = id()};
    do packet.filters.push_back(filter());
    while (coin());
    packet.properties = some({});
    return packet;
  }

  Random& random_;
  mqtt::ProtocolVersion version_;
};

}  // namespace tapir::test
