#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>

#include <tapir/mqtt/packet_type.hpp>

namespace tapir::mqtt {

/// How an operation went, in one byte (MQTT 5.0 section 2.4); 0x80 and above are failures. Several names have the value 0, as in the
/// standard. SUBACK of 3.1.1 uses 0 to 2 and 0x80. A failure is a std::error_code too: `error == ReasonCode::quota_exceeded`.
enum class ReasonCode : std::uint8_t {
  success = 0x00,
  normal_disconnection = 0x00,
  granted_qos_0 = 0x00,
  granted_qos_1 = 0x01,
  granted_qos_2 = 0x02,
  disconnect_with_will = 0x04,
  no_matching_subscribers = 0x10,
  no_subscription_existed = 0x11,
  continue_authentication = 0x18,
  reauthenticate = 0x19,
  unspecified_error = 0x80,
  failure = 0x80,  ///< SUBACK's only failure in 3.1.1
  malformed_packet = 0x81,
  protocol_error = 0x82,
  implementation_specific_error = 0x83,
  unsupported_protocol_version = 0x84,
  client_identifier_not_valid = 0x85,
  bad_user_name_or_password = 0x86,
  not_authorized = 0x87,
  server_unavailable = 0x88,
  server_busy = 0x89,
  banned = 0x8a,
  server_shutting_down = 0x8b,
  bad_authentication_method = 0x8c,
  keep_alive_timeout = 0x8d,
  session_taken_over = 0x8e,
  topic_filter_invalid = 0x8f,
  topic_name_invalid = 0x90,
  packet_identifier_in_use = 0x91,
  packet_identifier_not_found = 0x92,
  receive_maximum_exceeded = 0x93,
  topic_alias_invalid = 0x94,
  packet_too_large = 0x95,
  message_rate_too_high = 0x96,
  quota_exceeded = 0x97,
  administrative_action = 0x98,
  payload_format_invalid = 0x99,
  retain_not_supported = 0x9a,
  qos_not_supported = 0x9b,
  use_another_server = 0x9c,
  server_moved = 0x9d,
  shared_subscriptions_not_supported = 0x9e,
  connection_rate_exceeded = 0x9f,
  maximum_connect_time = 0xa0,
  subscription_identifiers_not_supported = 0xa1,
  wildcard_subscriptions_not_supported = 0xa2,
};

/// SUBACK's code for one filter.
using SubscribeCode = ReasonCode;

[[nodiscard]] constexpr bool is_failure(ReasonCode code) noexcept { return static_cast<std::uint8_t>(code) >= 0x80; }

/// In words: "server moved". Value 0 is "success".
[[nodiscard]] std::string_view name(ReasonCode code) noexcept;

/// Whether the standard knows this code in packets of this type.
[[nodiscard]] bool is_defined(ReasonCode code, PacketType packet) noexcept;

/// The category "mqtt.reason" of std::error_code. Each failure compares equal to the std::errc nearest in meaning.
[[nodiscard]] const std::error_category& reason_category() noexcept;
[[nodiscard]] std::error_code make_error_code(ReasonCode code) noexcept;

}  // namespace tapir::mqtt

template <>
struct std::is_error_code_enum<tapir::mqtt::ReasonCode> : std::true_type {};
