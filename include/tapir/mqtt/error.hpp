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
};

/// The category "mqtt" of std::error_code. Each error compares equal to the std::errc nearest in meaning.
[[nodiscard]] const std::error_category& error_category() noexcept;
[[nodiscard]] std::error_code make_error_code(Error error) noexcept;

}  // namespace tapir::mqtt

template <>
struct std::is_error_code_enum<tapir::mqtt::Error> : std::true_type {};
