#include <tapir/mqtt/error.hpp>

#include <string>

namespace tapir::mqtt {

namespace {

class ErrorCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "mqtt"; }

  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::malformed_packet: return "malformed packet";
      case Error::protocol_violation: return "protocol violation";
      case Error::packet_too_large: return "packet too large";
      case Error::unsupported_protocol_version: return "unacceptable protocol version";
      case Error::identifier_rejected: return "client identifier rejected";
      case Error::server_unavailable: return "server unavailable";
      case Error::bad_credentials: return "bad user name or password";
      case Error::not_authorized: return "not authorized";
      case Error::keep_alive_timeout: return "no answer to PINGREQ";
      case Error::connack_timeout: return "no answer to CONNECT";
      case Error::session_full: return "all packet identifiers are in use";
      case Error::session_lost: return "the session ended before the acknowledgment";
      case Error::subscription_refused: return "subscription refused";
      case Error::invalid_topic: return "invalid topic name";
      case Error::invalid_filter: return "invalid topic filter";
      case Error::missing_client_id: return "a session that outlives its connection needs a client identifier";
      case Error::out_of_memory: return "out of memory";
      case Error::unknown_property: return "unknown property";
      case Error::property_not_allowed: return "property not allowed in its packet";
      case Error::repeated_property: return "property repeated";
      case Error::invalid_property: return "property with an invalid value";
      case Error::invalid_reason_code: return "reason code not defined for its packet";
      case Error::topic_alias_invalid: return "invalid topic alias";
      case Error::receive_maximum_exceeded: return "receive maximum exceeded";
      case Error::unexpected_session: return "the server resumes a session that is unknown here";
      case Error::message_expired: return "the message expired before it could be sent";
      case Error::not_in_this_version: return "not in this version of MQTT";
      case Error::storage_failed: return "the session could not be stored";
      case Error::invalid_state: return "the stored session cannot be read";
      case Error::payload_source_failed: return "the payload could not be read";
      case Error::ack_timeout: return "no acknowledgment in time";
      case Error::authentication_unanswered: return "the server asks for an authentication that nothing here answers";
    }
    return "unknown error";
  }

  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Error>(value)) {
      case Error::malformed_packet: return std::errc::bad_message;
      case Error::protocol_violation: return std::errc::protocol_error;
      case Error::packet_too_large: return std::errc::message_size;
      case Error::unsupported_protocol_version: return std::errc::protocol_not_supported;
      case Error::server_unavailable: return std::errc::connection_refused;
      case Error::identifier_rejected:
      case Error::bad_credentials:
      case Error::not_authorized:
      case Error::authentication_unanswered:
      case Error::subscription_refused: return std::errc::permission_denied;
      case Error::keep_alive_timeout:
      case Error::ack_timeout:
      case Error::connack_timeout: return std::errc::timed_out;
      case Error::session_full: return std::errc::no_buffer_space;
      case Error::session_lost: return std::errc::connection_aborted;
      case Error::invalid_topic:
      case Error::invalid_filter:
      case Error::missing_client_id: return std::errc::invalid_argument;
      case Error::out_of_memory: return std::errc::not_enough_memory;
      case Error::unknown_property:
      case Error::property_not_allowed: return std::errc::bad_message;
      case Error::repeated_property:
      case Error::invalid_property:
      case Error::invalid_reason_code:
      case Error::topic_alias_invalid:
      case Error::receive_maximum_exceeded:
      case Error::unexpected_session: return std::errc::protocol_error;
      case Error::message_expired: return std::errc::timed_out;
      case Error::not_in_this_version: return std::errc::not_supported;
      case Error::storage_failed:
      case Error::payload_source_failed: return std::errc::io_error;
      case Error::invalid_state: return std::errc::bad_message;
    }
    return {value, *this};
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const ErrorCategory category;
  return category;
}

std::error_code make_error_code(Error error) noexcept { return {static_cast<int>(error), error_category()}; }

}  // namespace tapir::mqtt
