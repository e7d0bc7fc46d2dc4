#include <tapir/mqtt/reason_code.hpp>

#include <algorithm>
#include <initializer_list>
#include <string>

namespace tapir::mqtt {

namespace {

constexpr unsigned in(std::initializer_list<PacketType> packets) noexcept {
  unsigned bits = 0;
  for (const PacketType packet : packets) bits |= 1U << static_cast<unsigned>(packet);
  return bits;
}

constexpr unsigned kConnack = in({PacketType::connack});
constexpr unsigned kReceipt = in({PacketType::puback, PacketType::pubrec});
constexpr unsigned kRelease = in({PacketType::pubrel, PacketType::pubcomp});
constexpr unsigned kSuback = in({PacketType::suback});
constexpr unsigned kUnsuback = in({PacketType::unsuback});
constexpr unsigned kDisconnect = in({PacketType::disconnect});
constexpr unsigned kAuth = in({PacketType::auth});

struct ReasonRow {
  ReasonCode code;
  unsigned packets;
  std::string_view text;
  std::errc condition = std::errc::protocol_error;
};

/// MQTT 5.0 section 2.4, table 2-6, with the tables of each packet's own section.
constexpr ReasonRow kReasonTable[] = {
    {ReasonCode::success, kConnack | kReceipt | kRelease | kSuback | kUnsuback | kDisconnect | kAuth, "success"},
    {ReasonCode::granted_qos_1, kSuback, "granted QoS 1"},
    {ReasonCode::granted_qos_2, kSuback, "granted QoS 2"},
    {ReasonCode::disconnect_with_will, kDisconnect, "disconnect with will message"},
    {ReasonCode::no_matching_subscribers, kReceipt, "no matching subscribers"},
    {ReasonCode::no_subscription_existed, kUnsuback, "no subscription existed"},
    {ReasonCode::continue_authentication, kAuth, "continue authentication"},
    {ReasonCode::reauthenticate, kAuth, "re-authenticate"},
    {ReasonCode::unspecified_error, kConnack | kReceipt | kSuback | kUnsuback | kDisconnect, "unspecified error"},
    {ReasonCode::malformed_packet, kConnack | kDisconnect, "malformed packet", std::errc::bad_message},
    {ReasonCode::protocol_error, kConnack | kDisconnect, "protocol error"},
    {ReasonCode::implementation_specific_error, kConnack | kReceipt | kSuback | kUnsuback | kDisconnect, "implementation specific error"},
    {ReasonCode::unsupported_protocol_version, kConnack, "unsupported protocol version", std::errc::protocol_not_supported},
    {ReasonCode::client_identifier_not_valid, kConnack, "client identifier not valid", std::errc::permission_denied},
    {ReasonCode::bad_user_name_or_password, kConnack, "bad user name or password", std::errc::permission_denied},
    {ReasonCode::not_authorized, kConnack | kReceipt | kSuback | kUnsuback | kDisconnect, "not authorized", std::errc::permission_denied},
    {ReasonCode::server_unavailable, kConnack, "server unavailable", std::errc::connection_refused},
    {ReasonCode::server_busy, kConnack | kDisconnect, "server busy", std::errc::resource_unavailable_try_again},
    {ReasonCode::banned, kConnack, "banned", std::errc::permission_denied},
    {ReasonCode::server_shutting_down, kDisconnect, "server shutting down", std::errc::connection_reset},
    {ReasonCode::bad_authentication_method, kConnack | kDisconnect, "bad authentication method", std::errc::permission_denied},
    {ReasonCode::keep_alive_timeout, kDisconnect, "keep alive timeout", std::errc::timed_out},
    {ReasonCode::session_taken_over, kDisconnect, "session taken over", std::errc::connection_aborted},
    {ReasonCode::topic_filter_invalid, kSuback | kUnsuback | kDisconnect, "topic filter invalid", std::errc::invalid_argument},
    {ReasonCode::topic_name_invalid, kConnack | kReceipt | kDisconnect, "topic name invalid", std::errc::invalid_argument},
    {ReasonCode::packet_identifier_in_use, kReceipt | kSuback | kUnsuback, "packet identifier in use"},
    {ReasonCode::packet_identifier_not_found, kRelease, "packet identifier not found"},
    {ReasonCode::receive_maximum_exceeded, kDisconnect, "receive maximum exceeded"},
    {ReasonCode::topic_alias_invalid, kDisconnect, "topic alias invalid"},
    {ReasonCode::packet_too_large, kConnack | kDisconnect, "packet too large", std::errc::message_size},
    {ReasonCode::message_rate_too_high, kDisconnect, "message rate too high", std::errc::resource_unavailable_try_again},
    {ReasonCode::quota_exceeded, kConnack | kReceipt | kSuback | kDisconnect, "quota exceeded", std::errc::no_buffer_space},
    {ReasonCode::administrative_action, kDisconnect, "administrative action", std::errc::connection_aborted},
    {ReasonCode::payload_format_invalid, kConnack | kReceipt | kDisconnect, "payload format invalid", std::errc::bad_message},
    {ReasonCode::retain_not_supported, kConnack | kDisconnect, "retain not supported", std::errc::not_supported},
    {ReasonCode::qos_not_supported, kConnack | kDisconnect, "QoS not supported", std::errc::not_supported},
    {ReasonCode::use_another_server, kConnack | kDisconnect, "use another server", std::errc::connection_refused},
    {ReasonCode::server_moved, kConnack | kDisconnect, "server moved", std::errc::connection_refused},
    {ReasonCode::shared_subscriptions_not_supported, kSuback | kDisconnect, "shared subscriptions not supported", std::errc::not_supported},
    {ReasonCode::connection_rate_exceeded, kConnack | kDisconnect, "connection rate exceeded", std::errc::resource_unavailable_try_again},
    {ReasonCode::maximum_connect_time, kDisconnect, "maximum connect time", std::errc::connection_aborted},
    {ReasonCode::subscription_identifiers_not_supported, kSuback | kDisconnect, "subscription identifiers not supported",
     std::errc::not_supported},
    {ReasonCode::wildcard_subscriptions_not_supported, kSuback | kDisconnect, "wildcard subscriptions not supported",
     std::errc::not_supported},
};

const ReasonRow* row_of(ReasonCode code) noexcept {
  const auto* row = std::ranges::find(kReasonTable, code, &ReasonRow::code);
  return row == std::end(kReasonTable) ? nullptr : row;
}

class ReasonCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "mqtt.reason"; }
  [[nodiscard]] std::string message(int value) const override { return std::string{mqtt::name(static_cast<ReasonCode>(value))}; }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    const ReasonRow* row = row_of(static_cast<ReasonCode>(value));
    if (row == nullptr || !is_failure(row->code)) return {value, *this};
    return row->condition;
  }
};

}  // namespace

std::string_view name(ReasonCode code) noexcept {
  const ReasonRow* row = row_of(code);
  return row != nullptr ? row->text : "unknown reason code";
}

bool is_defined(ReasonCode code, PacketType packet) noexcept {
  const ReasonRow* row = row_of(code);
  return row != nullptr && (row->packets >> static_cast<unsigned>(packet) & 1U) != 0;
}

const std::error_category& reason_category() noexcept {
  static const ReasonCategory category;
  return category;
}

std::error_code make_error_code(ReasonCode code) noexcept { return {static_cast<int>(code), reason_category()}; }

}  // namespace tapir::mqtt
