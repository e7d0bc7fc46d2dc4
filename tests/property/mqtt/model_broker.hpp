#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <tapir/mqtt/codec.hpp>

namespace tapir::test {

/// A broker for one client, of the client's version, reduced to its session (MQTT 3.1.1 and 5.0 sections 4.1 to 4.4): it keeps state over connections, delivers what it
/// receives to its own list, and sends what it is given. It speaks through our codec, which other tests pin to the standard's bytes.
class ModelBroker {
 public:
  using Bytes = std::vector<std::byte>;

  /// Messages that reached the broker's subscribers.
  std::vector<std::string> delivered;
  /// DISCONNECT came.
  bool said_goodbye = false;
  /// Bytes for the client.
  Bytes output;

  void send_message(std::string payload, mqtt::QoS qos) {
    outgoing_[++last_id_] = {.payload = std::move(payload), .qos = qos};
    if (connected_) transmit(last_id_, outgoing_.at(last_id_), false);
  }
  void connection_lost() {
    connected_ = false;
    decoder_.reset();
    output.clear();
  }
  void input(std::span<const std::byte> bytes) {
    for (;;) {
      const auto packet = decoder_.next(bytes);
      REQUIRE(packet);
      if (!*packet) return;
      std::visit([this](const auto& fields) { on(fields); }, **packet);
    }
  }
  /// Nothing is unacknowledged in either direction.
  [[nodiscard]] bool settled() const { return outgoing_.empty() && unreleased_.empty(); }

 private:
  struct Outgoing {
    std::string payload;
    mqtt::QoS qos{};
    bool received = false;  ///< PUBREC came
  };

  void put(const mqtt::ControlPacket& packet) { REQUIRE(mqtt::encode(packet, output, version_)); }
  void transmit(std::uint16_t id, const Outgoing& message, bool again) {
    if (message.received) return put(mqtt::Pubrel{.id = mqtt::PacketId{id}});
    put(mqtt::Publish{
        .duplicate = again, .qos = message.qos, .topic = "down", .id = mqtt::PacketId{id}, .payload = mqtt::Payload{message.payload}});
  }
  void on(const mqtt::Connect& packet) {
    REQUIRE_FALSE(packet.clean_session);
    REQUIRE_FALSE(connected_);
    connected_ = true;
    version_ = packet.version;
    put(mqtt::Connack{.session_present = known_});
    known_ = true;
    for (const auto& [id, message] : outgoing_) transmit(id, message, true);
  }
  void on(const mqtt::Publish& packet) {
    const std::string payload{packet.payload.text()};
    if (packet.qos == mqtt::QoS::exactly_once) {
      if (unreleased_.insert(packet.id).second) delivered.push_back(payload);
      put(mqtt::Pubrec{.id = packet.id});
    } else {
      delivered.push_back(payload);
      if (packet.qos == mqtt::QoS::at_least_once) put(mqtt::Puback{.id = packet.id});
    }
  }
  void on(const mqtt::Pubrel& packet) {
    unreleased_.erase(packet.id);
    put(mqtt::Pubcomp{.id = packet.id});
  }
  void on(const mqtt::Puback& packet) { outgoing_.erase(packet.id.value()); }
  void on(const mqtt::Pubrec& packet) {
    if (const auto message = outgoing_.find(packet.id.value()); message != outgoing_.end()) message->second.received = true;
    put(mqtt::Pubrel{.id = packet.id});
  }
  void on(const mqtt::Pubcomp& packet) { outgoing_.erase(packet.id.value()); }
  void on(const mqtt::Pingreq& /*packet*/) { put(mqtt::Pingresp{}); }
  void on(const mqtt::Disconnect& /*packet*/) { said_goodbye = true; }
  template <class Unexpected>
  void on(const Unexpected& /*packet*/) {
    FAIL("the client sent a packet that this exchange does not have");
  }

  mqtt::Decoder decoder_;
  std::map<std::uint16_t, Outgoing> outgoing_;
  std::set<mqtt::PacketId> unreleased_;
  mqtt::ProtocolVersion version_ = mqtt::ProtocolVersion::v3_1_1;
  std::uint16_t last_id_ = 0;
  bool connected_ = false;
  bool known_ = false;
};

}  // namespace tapir::test
