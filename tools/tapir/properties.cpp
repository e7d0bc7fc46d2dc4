#include "properties.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include <tapir/mqtt/property_table.hpp>

namespace tool {

namespace {

namespace mqtt = tapir::mqtt;

struct Command {
  std::string_view name;
  mqtt::PropertyPlace place;
  mqtt::Properties PropertyOptions::* list;
};

constexpr std::array kCommands{
    Command{"connect", mqtt::place_of(mqtt::PacketType::connect), &PropertyOptions::connect},
    Command{"publish", mqtt::place_of(mqtt::PacketType::publish), &PropertyOptions::publish},
    Command{"subscribe", mqtt::place_of(mqtt::PacketType::subscribe), &PropertyOptions::subscribe},
    Command{"unsubscribe", mqtt::place_of(mqtt::PacketType::unsubscribe), &PropertyOptions::unsubscribe},
    Command{"disconnect", mqtt::place_of(mqtt::PacketType::disconnect), &PropertyOptions::disconnect},
    Command{"will", mqtt::kWillProperties, &PropertyOptions::will},
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

/// The table's names have '_' where mosquitto's have '-'.
std::string with(char separator, std::string_view name) {
  std::string text{name};
  std::ranges::replace(text, separator == '-' ? '_' : '-', separator);
  return text;
}

/// A client may send it in this packet; the table says this of either side.
bool client_may_send(const mqtt::PropertyRule& rule, mqtt::PropertyPlace place) {
  if (place == mqtt::place_of(mqtt::PacketType::publish) && rule.id == mqtt::PropertyId::subscription_identifier)
    return false;  // [MQTT-3.3.4-6]
  if (rule.id == mqtt::PropertyId::server_reference) return false;
  return rule.may_stand_in(place);
}

std::string_view kind_of(mqtt::PropertyType type) {
  switch (type) {
    case mqtt::PropertyType::byte:
    case mqtt::PropertyType::two_byte_integer:
    case mqtt::PropertyType::four_byte_integer:
    case mqtt::PropertyType::variable_byte_integer: return "number";
    case mqtt::PropertyType::binary_data: return "bytes";
    case mqtt::PropertyType::utf8_string: return "text";
    case mqtt::PropertyType::utf8_pair: return "name and text";
  }
  return "";
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The property of a rule, from its words.
std::expected<mqtt::Property, std::string> make(const mqtt::PropertyRule& rule, std::span<const std::string> values) {
  mqtt::Property property;
  property.id = rule.id;
  if (rule.type == mqtt::PropertyType::utf8_pair) {
    property.value = mqtt::StringPair{values[0], values[1]};
  } else if (kind_of(rule.type) != "number") {
    property.value = values[0];
  } else if (const auto value = number(values[0])) {
    property.value = *value;
  } else {
    return std::unexpected{fmt::format("{} is not a whole number that fits", values[0])};
  }
  return property;
}

}  // namespace

void PropertyOptions::add_to(CLI::App& app) {
  app.add_option("-D,--property", words,
                 "a property of MQTT 5.0: command, identifier and value, for user-property command, identifier, name and value; may be "
                 "given several times; see below")
      ->expected(3)
      ->option_text("COMMAND IDENTIFIER [NAME] VALUE");
}

std::string PropertyOptions::take(const std::vector<std::string>& commands) {
  for (std::span<const std::string> left{words}; !left.empty();) {
    const auto name = lower(left[0]);
    const auto* const command = std::ranges::find(kCommands, name, &Command::name);
    if (command == kCommands.end() || std::ranges::find(commands, name) == commands.end())
      return fmt::format("-D: {} is none of the packets that this command gives properties to: {}", left[0], fmt::join(commands, ", "));
    if (left.size() < 2) return fmt::format("-D {}: an identifier and a value are needed", name);
    const auto* const rule = mqtt::rule_named(with('_', left[1]));
    if (rule == nullptr) return fmt::format("-D {}: MQTT 5.0 has no property {}", name, left[1]);
    if (!client_may_send(*rule, command->place)) return fmt::format("-D {}: {} is not for a {} of a client's", name, left[1], name);
    const std::size_t count = rule->type == mqtt::PropertyType::utf8_pair ? 2 : 1;
    if (left.size() < 2 + count)
      return fmt::format("-D {} {}: {} needed", name, left[1], count == 1 ? "a value is" : "a name and a value are");
    const auto property = make(*rule, left.subspan(2, count));
    if (!property) return fmt::format("-D {} {}: {}", name, left[1], property.error());
    auto& list = this->*command->list;
    list.add(*property);
    if (const auto problem = mqtt::problem_of(list, command->place)) return fmt::format("-D {} {}: {}", name, left[1], problem.message());
    left = left.subspan(2 + count);
  }
  return {};
}

std::string properties_of(const std::string& command) {
  const auto* const place = std::ranges::find(kCommands, command, &Command::name);
  std::string text;
  for (const auto& rule : mqtt::property_rules()) {
    if (client_may_send(rule, place->place))
      text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", with('-', rule.name), kind_of(rule.type));
  }
  return text;
}

}  // namespace tool
