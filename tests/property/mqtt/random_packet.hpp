#pragma once

#include <string>
#include <vector>

#include <tapir/core/random.hpp>
#include <tapir/mqtt/control_packet.hpp>

namespace tapir::test {

/// Valid control packets of all types, with fields that a random source chooses.
class RandomPackets {
 public:
  explicit RandomPackets(Random& random) : random_{random} {}

  [[nodiscard]] mqtt::ControlPacket any() {
    switch (random_.below(14)) {
      case 0: return connect();
      case 1: return mqtt::Connack{.session_present = coin(), .code = static_cast<mqtt::ConnectCode>(random_.below(6))};
      case 2: return publish();
      case 3: return mqtt::Puback{id()};
      case 4: return mqtt::Pubrec{id()};
      case 5: return mqtt::Pubrel{id()};
      case 6: return mqtt::Pubcomp{id()};
      case 7: return subscribe();
      case 8: return suback();
      case 9: return unsubscribe();
      case 10: return mqtt::Unsuback{id()};
      case 11: return mqtt::Pingreq{};
      case 12: return mqtt::Pingresp{};
      default: return mqtt::Disconnect{};
    }
  }
  /// What a server may send to a client that is connected.
  [[nodiscard]] mqtt::ControlPacket from_server() {
    switch (random_.below(6)) {
      case 0: return mqtt::Pubrel{id()};
      case 1: return mqtt::Pingresp{};
      case 2: return mqtt::Pubrec{id()};
      default: return publish();
    }
  }
  [[nodiscard]] mqtt::Publish publish() {
    mqtt::Publish packet{.qos = qos(), .retain = coin(), .topic = topic(), .payload = mqtt::Payload{text(size())}};
    if (packet.qos != mqtt::QoS::at_most_once) {
      packet.duplicate = coin();
      packet.id = id();
    }
    return packet;
  }

 private:
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
    mqtt::Connect packet{
        .clean_session = coin(), .keep_alive = std::chrono::seconds{random_.below(65536)}, .client_id = coin() ? "" : topic()};
    if (coin()) packet.will = mqtt::Will{.topic = topic(), .payload = mqtt::Payload{text(size())}, .qos = qos(), .retain = coin()};
    if (coin()) packet.user_name = topic();
    if (packet.user_name && coin()) packet.password = text(size());
    return packet;
  }
  [[nodiscard]] mqtt::Subscribe subscribe() {
    mqtt::Subscribe packet{.id = id()};
    do packet.subscriptions.push_back({.filter = filter(), .qos = qos()});
    while (coin());
    return packet;
  }
  [[nodiscard]] mqtt::Suback suback() {
    mqtt::Suback packet{.id = id()};
    do packet.codes.push_back(random_.below(4) == 3 ? mqtt::SubscribeCode::failure : static_cast<mqtt::SubscribeCode>(random_.below(3)));
    while (coin());
    return packet;
  }
  [[nodiscard]] mqtt::Unsubscribe unsubscribe() {
    mqtt::Unsubscribe packet{.id = id()};
    do packet.filters.push_back(filter());
    while (coin());
    return packet;
  }

  Random& random_;
};

}  // namespace tapir::test
