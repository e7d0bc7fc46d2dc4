#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <tapir/mqtt/packet_type.hpp>
#include <tapir/mqtt/reason_code.hpp>
#include <tapir/mqtt/types.hpp>

/// The control packets of MQTT (OASIS MQTT 5.0 and 3.1.1, chapter 3) as plain values, whichever side sends them. What only 5.0 has
/// (properties, reason codes, AUTH) is left out when a packet is encoded for an older version, or refused if it says something; so is DUP of
/// others than PUBLISH, which only 3.1 has (MQTT 3.1 section 2.1).
namespace tapir::mqtt {

/// CONNACK's return code before 5.0 (MQTT 3.1.1 section 3.2.2.3).
enum class ConnectCode : std::uint8_t {
  accepted = 0,
  unacceptable_protocol_version,
  identifier_rejected,
  server_unavailable,
  bad_user_name_or_password,
  not_authorized,
};

struct Connect {
  static constexpr PacketType kType = PacketType::connect;
  ProtocolVersion version = ProtocolVersion::v3_1_1;
  bool clean_session = true;           ///< 5.0: Clean Start
  std::chrono::seconds keep_alive{0};  ///< 0-65535; 0 turns it off
  std::string client_id = {};
  std::optional<Will> will = {};
  std::optional<std::string> user_name = {};
  std::optional<std::string> password = {};  ///< any bytes, at most 65535; before 5.0 only with a user name
  Properties properties = {};
  friend bool operator==(const Connect&, const Connect&) = default;
};

struct Connack {
  static constexpr PacketType kType = PacketType::connack;
  bool session_present = false;
  ConnectCode code = ConnectCode::accepted;  ///< before 5.0
  ReasonCode reason = ReasonCode::success;   ///< 5.0
  Properties properties = {};
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
  Properties properties = {};
  friend bool operator==(const Publish&, const Publish&) = default;
};

struct Puback {
  static constexpr PacketType kType = PacketType::puback;
  PacketId id = {};
  ReasonCode reason = ReasonCode::success;
  Properties properties = {};
  friend bool operator==(const Puback&, const Puback&) = default;
};

struct Pubrec {
  static constexpr PacketType kType = PacketType::pubrec;
  PacketId id = {};
  ReasonCode reason = ReasonCode::success;
  Properties properties = {};
  friend bool operator==(const Pubrec&, const Pubrec&) = default;
};

struct Pubrel {
  static constexpr PacketType kType = PacketType::pubrel;
  PacketId id = {};
  ReasonCode reason = ReasonCode::success;
  Properties properties = {};
  bool duplicate = false;  ///< 3.1: it is sent again
  friend bool operator==(const Pubrel&, const Pubrel&) = default;
};

struct Pubcomp {
  static constexpr PacketType kType = PacketType::pubcomp;
  PacketId id = {};
  ReasonCode reason = ReasonCode::success;
  Properties properties = {};
  friend bool operator==(const Pubcomp&, const Pubcomp&) = default;
};

struct Subscribe {
  static constexpr PacketType kType = PacketType::subscribe;
  PacketId id = {};
  std::vector<Subscription> subscriptions = {};  ///< at least one
  Properties properties = {};
  bool duplicate = false;  ///< 3.1: it is sent again
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct Suback {
  static constexpr PacketType kType = PacketType::suback;
  PacketId id = {};
  std::vector<SubscribeCode> codes = {};  ///< one for each filter, in order
  Properties properties = {};
  friend bool operator==(const Suback&, const Suback&) = default;
};

struct Unsubscribe {
  static constexpr PacketType kType = PacketType::unsubscribe;
  PacketId id = {};
  std::vector<std::string> filters = {};  ///< at least one
  Properties properties = {};
  bool duplicate = false;  ///< 3.1: it is sent again
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

struct Unsuback {
  static constexpr PacketType kType = PacketType::unsuback;
  PacketId id = {};
  std::vector<ReasonCode> codes = {};  ///< 5.0: one for each filter, in order
  Properties properties = {};
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
  ReasonCode reason = ReasonCode::normal_disconnection;
  Properties properties = {};
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

/// A step of an enhanced authentication (MQTT 5.0 section 3.15).
struct Auth {
  static constexpr PacketType kType = PacketType::auth;
  ReasonCode reason = ReasonCode::success;
  Properties properties = {};  ///< the authentication method at least
  friend bool operator==(const Auth&, const Auth&) = default;
};

using ControlPacket = std::variant<Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback, Unsubscribe, Unsuback,
                                   Pingreq, Pingresp, Disconnect, Auth>;

[[nodiscard]] PacketType type_of(const ControlPacket& packet);

}  // namespace tapir::mqtt
