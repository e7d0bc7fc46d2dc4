#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include <tapir/core/time.hpp>
#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/reason_code.hpp>
#include <tapir/mqtt/types.hpp>

namespace tapir::mqtt {

/// What CONNECT says (section 3.1).
struct ConnectOptions {
  std::string client_id = {};           ///< may be empty with a clean session, in 5.0 always: the server chooses one
  bool clean_session = true;            ///< false: both sides keep the session over disconnections; 5.0: false resumes a stored session
  std::chrono::seconds keep_alive{60};  ///< 0-65535 s between packets of ours at most; 0: no limit, no PINGREQ
  std::optional<Will> will = {};
  std::optional<std::string> user_name = {};
  std::optional<std::string> password = {};  ///< any bytes, at most 65535; before 5.0 only with a user name
  ProtocolVersion version = ProtocolVersion::v3_1_1;
  /// 5.0: session_expiry_interval (how long both sides keep the session after the connection; absent: not at all), receive_maximum,
  /// topic_alias_maximum, maximum_packet_size, request_problem_information, request_response_information, user_property, and
  /// authentication_method and authentication_data, which start an enhanced authentication.
  Properties properties = {};
  /// 5.0: go on when the server resumes a session of which nothing is known here. The standard asks to close [MQTT-3.2.2-4], and the next
  /// CONNECT begins a new one (Clean Start 1, as after the session has expired here); with true a program that was started anew takes up
  /// its subscriptions and the messages that wait for it.
  bool accept_unknown_session = false;
};

/// The reason code that tells a server of 5.0 why the connection is given up (section 4.13): malformed_packet for what cannot be
/// parsed, protocol_error for what must not be, and the particular codes.
[[nodiscard]] ReasonCode reason_for(std::error_code error) noexcept;

/// What happens to a message that comes when the queue is full of such as have not expired. None is dropped for one that is refused.
enum class QueuePolicy : std::uint8_t {
  refuse,             ///< publish() fails
  drop_oldest,        ///< the message that waits longest fails in its place
  drop_newest_qos_0,  ///< the last message of QoS 0 that waits fails in its place; a new one of QoS 0 is refused
};

/// Bounds of a session, all local decisions.
struct SessionLimits {
  Duration connack_timeout = std::chrono::seconds{10};  ///< from CONNECT to CONNACK
  Duration ping_timeout = std::chrono::seconds{10};     ///< from PINGREQ to PINGRESP, counted anew while bytes move
  /// For PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK and, in a re-authentication, AUTH; from when the transport's peer has the packet that
  /// asks for it. What does not come in time ends the connection (Error::ack_timeout): in 5.0 nothing may be sent again on the same one
  /// [MQTT-4.4.0-1]. 0: no limit.
  Duration ack_timeout = std::chrono::seconds{60};
  std::size_t max_packet_size = kMaxPacketSize;  ///< bytes, the largest packet accepted from the server; told to it in 5.0
  std::size_t max_in_flight = 100;               ///< messages of QoS 1 and 2 sent and not acknowledged, 1-65535
  std::size_t max_queued = 1000;                 ///< messages waiting for a connection or for room in flight
  std::size_t max_queued_bytes = 16U << 20U;     ///< their payload; a single message may be larger
  std::size_t output_high_water = 64U << 10U;    ///< bytes of output waiting to be taken, above which new messages queue
  std::size_t source_chunk = 64U << 10U;         ///< bytes read from a PayloadSource at once, at least 1
  bool send_before_connack = false;              ///< messages follow CONNECT at once (section 3.1.4); not in 5.0
  QueuePolicy when_full = QueuePolicy::refuse;
  std::uint16_t topic_aliases = 16;           ///< 5.0: how many topics are replaced by aliases at most, if the server allows it; 0: none,
                                              ///< and a message may have the property topic_alias, which goes out beside its topic
  std::size_t stream_above = kMaxPacketSize;  ///< bytes: a longer PUBLISH is received in parts (event::MessageBegan and its followers)
  bool keep_topic_alias = false;              ///< 5.0: received messages have the property topic_alias still, resolved though it is
  bool validate_payload_format = false;  ///< 5.0: a whole payload that is said to be text (payload_format_indicator) and is not UTF-8 is
                                         ///< not delivered; with QoS 1 and 2 the server is told, by payload_format_invalid. One that is
                                         ///< received in parts is not looked at
  /// Goes on where libmosquitto does: Decoder::set_lenient(), an UNSUBACK of an unknown request, a CONNACK that alone has an authentication method
  /// or alone has none; sends the topic alias it is given, and PUBREL with success for an unknown identifier.
  bool lenient = false;
  ReasonCode (*disconnect_reason)(std::error_code) noexcept = &reason_for;  ///< 5.0: what DISCONNECT says after an error

  friend bool operator==(const SessionLimits&, const SessionLimits&) = default;
};

/// What the server has announced in CONNACK (5.0 section 3.2.2.3), with the standard's values for what it did not say.
struct ServerLimits {
  std::uint16_t receive_maximum = 65535;  ///< unacknowledged messages of QoS 1 and 2 that it takes
  QoS maximum_qos = QoS::exactly_once;
  bool retain_available = true;
  std::size_t maximum_packet_size = kMaxPacketSize;  ///< bytes
  std::uint16_t topic_alias_maximum = 0;
  bool wildcard_subscriptions = true;
  bool subscription_identifiers = true;
  bool shared_subscriptions = true;

  friend bool operator==(const ServerLimits&, const ServerLimits&) = default;
};

/// The limits in the properties of a CONNACK.
[[nodiscard]] ServerLimits server_limits(const Properties& connack);

}  // namespace tapir::mqtt
