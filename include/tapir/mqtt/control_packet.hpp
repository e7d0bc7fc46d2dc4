#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <tapir/mqtt/types.hpp>

/// The control packets of MQTT (OASIS MQTT 3.1.1 chapter 3) as plain values, whichever side sends them.
namespace tapir::mqtt {

/// The high nibble of a packet's first byte (section 2.2.1).
enum class PacketType : std::uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
};

/// "PUBLISH"
[[nodiscard]] std::string_view name(PacketType type) noexcept;

/// CONNACK's return code (section 3.2.2.3).
enum class ConnectCode : std::uint8_t {
  accepted = 0,
  unacceptable_protocol_version,
  identifier_rejected,
  server_unavailable,
  bad_user_name_or_password,
  not_authorized,
};

/// SUBACK's return code for one filter (section 3.9.3).
enum class SubscribeCode : std::uint8_t { granted_qos_0 = 0, granted_qos_1 = 1, granted_qos_2 = 2, failure = 0x80 };

struct Connect {
  static constexpr PacketType kType = PacketType::connect;
  ProtocolVersion version = ProtocolVersion::v3_1_1;
  bool clean_session = true;
  std::chrono::seconds keep_alive{0};  ///< 0-65535; 0 turns it off
  std::string client_id = {};
  std::optional<Will> will = {};
  std::optional<std::string> user_name = {};
  std::optional<std::string> password = {};  ///< any bytes, at most 65535; only with a user name
  friend bool operator==(const Connect&, const Connect&) = default;
};

struct Connack {
  static constexpr PacketType kType = PacketType::connack;
  bool session_present = false;
  ConnectCode code = ConnectCode::accepted;
  friend bool operator==(const Connack&, const Connack&) = default;
};

struct Publish {
  static constexpr PacketType kType = PacketType::publish;
  bool duplicate = false;
  QoS qos = QoS::at_most_once;
  bool retain = false;
  std::string topic = {};
  PacketId id = {};  ///< 0 with QoS 0, which has none
  Payload payload = {};
  friend bool operator==(const Publish&, const Publish&) = default;
};

struct Puback {
  static constexpr PacketType kType = PacketType::puback;
  PacketId id = {};
  friend bool operator==(const Puback&, const Puback&) = default;
};

struct Pubrec {
  static constexpr PacketType kType = PacketType::pubrec;
  PacketId id = {};
  friend bool operator==(const Pubrec&, const Pubrec&) = default;
};

struct Pubrel {
  static constexpr PacketType kType = PacketType::pubrel;
  PacketId id = {};
  friend bool operator==(const Pubrel&, const Pubrel&) = default;
};

struct Pubcomp {
  static constexpr PacketType kType = PacketType::pubcomp;
  PacketId id = {};
  friend bool operator==(const Pubcomp&, const Pubcomp&) = default;
};

struct Subscribe {
  static constexpr PacketType kType = PacketType::subscribe;
  PacketId id = {};
  std::vector<Subscription> subscriptions = {};  ///< at least one
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct Suback {
  static constexpr PacketType kType = PacketType::suback;
  PacketId id = {};
  std::vector<SubscribeCode> codes = {};  ///< one for each filter, in order
  friend bool operator==(const Suback&, const Suback&) = default;
};

struct Unsubscribe {
  static constexpr PacketType kType = PacketType::unsubscribe;
  PacketId id = {};
  std::vector<std::string> filters = {};  ///< at least one
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

struct Unsuback {
  static constexpr PacketType kType = PacketType::unsuback;
  PacketId id = {};
  friend bool operator==(const Unsuback&, const Unsuback&) = default;
};

struct Pingreq {
  static constexpr PacketType kType = PacketType::pingreq;
  friend bool operator==(const Pingreq&, const Pingreq&) = default;
};

struct Pingresp {
  static constexpr PacketType kType = PacketType::pingresp;
  friend bool operator==(const Pingresp&, const Pingresp&) = default;
};

struct Disconnect {
  static constexpr PacketType kType = PacketType::disconnect;
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

using ControlPacket = std::variant<Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback, Unsubscribe, Unsuback,
                                   Pingreq, Pingresp, Disconnect>;

[[nodiscard]] PacketType type_of(const ControlPacket& packet);

}  // namespace tapir::mqtt
