#pragma once

#include <system_error>

#include <tapir/core/error.hpp>

namespace tapir::mqtt {

/// What MQTT itself can fail with. Errors of the layers below keep their own code (tapir::Error).
enum class Error {
  malformed_packet = 1,          ///< a received packet breaks the encoding rules; the connection is closed
  protocol_violation,            ///< a packet that its receiver must not get, or a forbidden value; the connection is closed
  packet_too_large,              ///< longer than the configured maximum, or than 268,435,455 bytes behind the fixed header
  unsupported_protocol_version,  ///< CONNACK return code 1
  identifier_rejected,           ///< CONNACK return code 2
  server_unavailable,            ///< CONNACK return code 3
  bad_credentials,               ///< CONNACK return code 4
  not_authorized,                ///< CONNACK return code 5
  keep_alive_timeout,            ///< no answer to PINGREQ
  connack_timeout,               ///< no answer to CONNECT
  session_full,                  ///< all 65,535 packet identifiers are in use
  session_lost,                  ///< the session ended before the packet was acknowledged: whether it arrived is unknown
  subscription_refused,          ///< SUBACK return code 0x80
  invalid_topic,                 ///< not a topic name (section 4.7): empty, too long, a wildcard in it, or not UTF-8
  invalid_filter,                ///< not a topic filter (section 4.7)
  missing_client_id,             ///< an empty client identifier without a clean session (section 3.1.3.1)
  out_of_memory,                 ///< a packet could not be stored; the connection is closed (section 4.8)
  unknown_property,              ///< 5.0: a property identifier that the standard does not have
  property_not_allowed,          ///< 5.0: a property that its packet must not have
  repeated_property,             ///< 5.0: a property that may stand once stands twice
  invalid_property,              ///< 5.0: a property with a value out of its range
  invalid_reason_code,           ///< 5.0: a reason code that its packet does not have
  topic_alias_invalid,           ///< 5.0: a topic alias that is 0, above what was announced, or without topic
  receive_maximum_exceeded,      ///< 5.0: more unacknowledged messages than were announced
  unexpected_session,            ///< 5.0: the server resumes a session of which nothing is known here
  message_expired,               ///< 5.0: the message's expiry interval passed before it could be sent
  not_in_this_version,           ///< something that only MQTT 5.0 has, asked for in an older version
  storage_failed,                ///< the session's state could not be stored; the connection is closed before more depends on it
  invalid_state,                 ///< a stored session that cannot be read
  payload_source_failed,         ///< the source of a message's payload failed or ended early; the connection is closed
  ack_timeout,                   ///< a packet of ours was not acknowledged in time; the connection is closed
  authentication_unanswered,     ///< 5.0: AUTH of the server's that nothing here answers; the connection is closed
};

/// The category "mqtt" of std::error_code. Each error compares equal to the std::errc nearest in meaning.
[[nodiscard]] const std::error_category& error_category() noexcept;
[[nodiscard]] std::error_code make_error_code(Error error) noexcept;

}  // namespace tapir::mqtt

template <>
struct std::is_error_code_enum<tapir::mqtt::Error> : std::true_type {};
