#include <tapir/mqtt/property_table.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>

#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/topic.hpp>

namespace tapir::mqtt {

namespace {

constexpr std::uint16_t places(std::initializer_list<PacketType> packets, bool will = false) noexcept {
  unsigned value = will ? 1U << kWillProperties : 0U;
  for (const PacketType packet : packets) value |= 1U << place_of(packet);
  return static_cast<std::uint16_t>(value);
}

constexpr auto make_rules() noexcept {
  using enum PacketType;
  using enum PropertyType;
  constexpr std::uint16_t kMessage = places({publish}, true);
  constexpr std::uint16_t kReasons = places({connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth});
  constexpr std::uint16_t kAnywhere = places(
      {connect, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback, unsubscribe, unsuback, disconnect, auth}, true);
  constexpr std::uint32_t kMaxVariable = 268'435'455;

  return std::to_array<PropertyRule>({
      {PropertyId::payload_format_indicator, "payload_format_indicator", byte, kMessage, 0, 0, 1},
      {PropertyId::message_expiry_interval, "message_expiry_interval", four_byte_integer, kMessage, 0},
      {PropertyId::content_type, "content_type", utf8_string, kMessage, 0},
      {PropertyId::response_topic, "response_topic", utf8_string, kMessage, 0},
      {PropertyId::correlation_data, "correlation_data", binary_data, kMessage, 0},
      {PropertyId::subscription_identifier, "subscription_identifier", variable_byte_integer, places({publish, subscribe}),
       places({publish}), 1, kMaxVariable},
      {PropertyId::session_expiry_interval, "session_expiry_interval", four_byte_integer, places({connect, connack, disconnect}), 0},
      {PropertyId::assigned_client_identifier, "assigned_client_identifier", utf8_string, places({connack}), 0},
      {PropertyId::server_keep_alive, "server_keep_alive", two_byte_integer, places({connack}), 0},
      {PropertyId::authentication_method, "authentication_method", utf8_string, places({connect, connack, auth}), 0},
      {PropertyId::authentication_data, "authentication_data", binary_data, places({connect, connack, auth}), 0},
      {PropertyId::request_problem_information, "request_problem_information", byte, places({connect}), 0, 0, 1},
      {PropertyId::will_delay_interval, "will_delay_interval", four_byte_integer, places({}, true), 0},
      {PropertyId::request_response_information, "request_response_information", byte, places({connect}), 0, 0, 1},
      {PropertyId::response_information, "response_information", utf8_string, places({connack}), 0},
      {PropertyId::server_reference, "server_reference", utf8_string, places({connack, disconnect}), 0},
      {PropertyId::reason_string, "reason_string", utf8_string, kReasons, 0},
      {PropertyId::receive_maximum, "receive_maximum", two_byte_integer, places({connect, connack}), 0, 1},
      {PropertyId::topic_alias_maximum, "topic_alias_maximum", two_byte_integer, places({connect, connack}), 0},
      {PropertyId::topic_alias, "topic_alias", two_byte_integer, places({publish}), 0, 1},
      {PropertyId::maximum_qos, "maximum_qos", byte, places({connack}), 0, 0, 1},
      {PropertyId::retain_available, "retain_available", byte, places({connack}), 0, 0, 1},
      {PropertyId::user_property, "user_property", utf8_pair, kAnywhere, kAnywhere},
      {PropertyId::maximum_packet_size, "maximum_packet_size", four_byte_integer, places({connect, connack}), 0, 1},
      {PropertyId::wildcard_subscription_available, "wildcard_subscription_available", byte, places({connack}), 0, 0, 1},
      {PropertyId::subscription_identifier_available, "subscription_identifier_available", byte, places({connack}), 0, 0, 1},
      {PropertyId::shared_subscription_available, "shared_subscription_available", byte, places({connack}), 0, 0, 1},
  });
}

constexpr auto kRules = make_rules();

/// Whether the value is of the rule's type and well-formed.
bool well_formed(const PropertyRule& rule, const Property::Value& value) noexcept {
  switch (rule.type) {
    case PropertyType::utf8_string: {
      const auto* text = std::get_if<std::string>(&value);
      return text != nullptr && is_valid_string(*text);
    }
    case PropertyType::binary_data: {
      const auto* bytes = std::get_if<std::string>(&value);
      return bytes != nullptr && bytes->size() <= 0xffff;
    }
    case PropertyType::utf8_pair: {
      const auto* pair = std::get_if<StringPair>(&value);
      return pair != nullptr && is_valid_string(pair->first) && is_valid_string(pair->second);
    }
    default: return std::holds_alternative<std::uint32_t>(value);
  }
}

std::error_code problem_of(const Property& property, const PropertyRule& rule) noexcept {
  if (!well_formed(rule, property.value)) return Error::malformed_packet;
  if (property.id == PropertyId::response_topic && !is_valid_topic_name(std::get<std::string>(property.value))) {
    return Error::invalid_property;  // [MQTT-3.3.2-14]
  }
  if (const auto* number = std::get_if<std::uint32_t>(&property.value)) {
    const std::uint32_t width = rule.type == PropertyType::byte               ? 0xffU
                                : rule.type == PropertyType::two_byte_integer ? 0xffffU
                                                                              : 0xffff'ffffU;
    if (*number < rule.least || *number > std::min(rule.most, width)) {
      return property.id == PropertyId::topic_alias ? Error::topic_alias_invalid : Error::invalid_property;
    }
  }
  return {};
}

}  // namespace

const PropertyRule* rule_for(PropertyId id) noexcept {
  const auto rule = std::ranges::find(kRules, id, &PropertyRule::id);
  return rule == kRules.end() ? nullptr : &*rule;
}

const PropertyRule* rule_named(std::string_view name) noexcept {
  const auto rule = std::ranges::find(kRules, name, &PropertyRule::name);
  return rule == kRules.end() ? nullptr : &*rule;
}

std::span<const PropertyRule> property_rules() noexcept { return kRules; }

std::error_code problem_of(const Properties& properties, PropertyPlace place) noexcept {
  std::uint64_t seen = 0;
  for (const Property& property : properties) {
    const PropertyRule* rule = rule_for(property.id);
    if (rule == nullptr) return Error::unknown_property;
    if (!rule->may_stand_in(place)) return Error::property_not_allowed;
    const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(property.id);
    if ((seen & bit) != 0 && (rule->many >> place & 1U) == 0) return Error::repeated_property;
    seen |= bit;
    if (const auto problem = problem_of(property, *rule)) return problem;
  }
  return {};
}

}  // namespace tapir::mqtt
