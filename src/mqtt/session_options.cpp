#include <tapir/mqtt/session_options.hpp>

#include <tapir/mqtt/error.hpp>

namespace tapir::mqtt {

ReasonCode reason_for(std::error_code error) noexcept {
  if (error.category() != error_category()) return ReasonCode::unspecified_error;
  switch (static_cast<Error>(error.value())) {
    case Error::malformed_packet:
    case Error::unknown_property:
    case Error::property_not_allowed: return ReasonCode::malformed_packet;
    case Error::protocol_violation:
    case Error::repeated_property:
    case Error::invalid_property:
    case Error::invalid_reason_code:
    case Error::unexpected_session: return ReasonCode::protocol_error;
    case Error::packet_too_large: return ReasonCode::packet_too_large;
    case Error::topic_alias_invalid: return ReasonCode::topic_alias_invalid;
    case Error::receive_maximum_exceeded: return ReasonCode::receive_maximum_exceeded;
    case Error::out_of_memory:
    case Error::storage_failed: return ReasonCode::implementation_specific_error;
    default: return ReasonCode::unspecified_error;
  }
}

ServerLimits server_limits(const Properties& connack) {
  ServerLimits limits;
  limits.receive_maximum = connack.get(property::receive_maximum).value_or(limits.receive_maximum);
  if (const auto qos = connack.get(property::maximum_qos)) limits.maximum_qos = static_cast<QoS>(*qos);
  limits.retain_available = connack.get(property::retain_available).value_or(true);
  if (const auto size = connack.get(property::maximum_packet_size)) limits.maximum_packet_size = *size;
  limits.topic_alias_maximum = connack.get(property::topic_alias_maximum).value_or(0);
  limits.wildcard_subscriptions = connack.get(property::wildcard_subscription_available).value_or(true);
  limits.subscription_identifiers = connack.get(property::subscription_identifier_available).value_or(true);
  limits.shared_subscriptions = connack.get(property::shared_subscription_available).value_or(true);
  return limits;
}

}  // namespace tapir::mqtt
