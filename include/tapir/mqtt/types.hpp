#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <tapir/mqtt/payload.hpp>
#include <tapir/mqtt/property.hpp>

namespace tapir::mqtt {

/// The protocol level in CONNECT (section 3.1.2.2).
enum class ProtocolVersion : std::uint8_t { v3_1 = 3, v3_1_1 = 4, v5_0 = 5 };

/// Quality of service (section 4.3).
enum class QoS : std::uint8_t {
  at_most_once = 0,   ///< sent once and forgotten
  at_least_once = 1,  ///< acknowledged; may arrive more than once
  exactly_once = 2,   ///< a four-way exchange; arrives once
};

/// Which exchange a packet belongs to (section 2.3.1). 0 is no identifier.
class PacketId {
 public:
  using wire_type = std::uint16_t;

  constexpr PacketId() noexcept = default;
  constexpr explicit PacketId(std::uint16_t value) noexcept : value_{value} {}
  [[nodiscard]] constexpr std::uint16_t value() const noexcept { return value_; }

  friend constexpr bool operator==(const PacketId&, const PacketId&) noexcept = default;
  friend constexpr auto operator<=>(const PacketId&, const PacketId&) noexcept = default;

 private:
  std::uint16_t value_ = 0;
};

/// An application message.
struct Message {
  std::string topic = {};  ///< a topic name: UTF-8 of 1-65535 bytes without wildcards
  Payload payload = {};
  QoS qos = QoS::at_most_once;
  bool retain = false;         ///< sent: keep it for later subscribers; received: it was kept (section 3.3.1.3)
  bool duplicate = false;      ///< received: the sender may have sent it before; ignored when sent
  Properties properties = {};  ///< 5.0
  PacketId id = {};  ///< received with QoS 1 or 2: its packet identifier, to be shown, for others have it later; ignored when sent
  /// Received with QoS 2 by a session with a store: this message's number, never given to another one. A process that dies between the
  /// user's taking the message and the next save gets it again under the same number. Otherwise 0; ignored when sent.
  std::uint64_t delivery = 0;

  friend bool operator==(const Message&, const Message&) = default;
};

/// What the server publishes when this client vanishes without DISCONNECT (section 3.1.2.5).
struct Will {
  std::string topic = {};  ///< a topic name
  Payload payload = {};    ///< at most 65535 bytes
  QoS qos = QoS::at_most_once;
  bool retain = false;
  Properties properties = {};  ///< 5.0

  friend bool operator==(const Will&, const Will&) = default;
};

/// When the server sends the messages that it has retained (MQTT 5.0 section 3.8.3.1).
enum class RetainHandling : std::uint8_t { at_subscribe = 0, at_new_subscription = 1, never = 2 };

/// A topic filter and the highest quality of service that its messages are wanted with.
struct Subscription {
  std::string filter = {};
  QoS qos = QoS::at_most_once;
  bool no_local = false;                                          ///< 5.0: not what this client publishes itself
  bool retain_as_published = false;                               ///< 5.0: messages keep their RETAIN flag
  RetainHandling retain_handling = RetainHandling::at_subscribe;  ///< 5.0

  friend bool operator==(const Subscription&, const Subscription&) = default;
};

}  // namespace tapir::mqtt

template <>
struct std::hash<tapir::mqtt::PacketId> {
  std::size_t operator()(tapir::mqtt::PacketId id) const noexcept { return id.value(); }
};
