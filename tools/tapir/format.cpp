#include "format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <tapir/mqtt/property_table.hpp>

#include "command_options.hpp"

namespace tool {

namespace mqtt = tapir::mqtt;

namespace {

/// A message, and what else its text depends on.
struct Received {
  const mqtt::Message& message;
  std::timespec at;
  bool pretty;
};

constexpr std::string_view kFields = "%ACDEFIjJlPpqRrStUxX";
constexpr std::string_view kEscapes = "0aenrtv\\";
constexpr std::string_view kEscaped{"\0\a\033\n\r\t\v\\", 8};

std::string time_of(const char* format, std::timespec at) {
  std::tm local{};
  ::localtime_r(&at.tv_sec, &local);
  std::array<char, 256> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &local)};
}

std::string hex(std::string_view bytes, bool upper) {
  std::string digits;
  for (const unsigned char byte : bytes) digits += upper ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  return digits;
}

/// The value of a property as text; empty without it.
template <class T>
std::string property_text(const mqtt::Properties& properties, mqtt::PropertyKey<T> key) {
  const auto value = properties.get(key);
  if (!value) return {};
  if constexpr (std::is_same_v<T, std::string>) {
    return *value;
  } else {
    return std::to_string(static_cast<std::uint32_t>(*value));
  }
}

/// "name:text name:text", as mosquitto has it.
std::string user_properties(const mqtt::Properties& properties) {
  std::string text;
  for (const auto& [name, value] : properties.all(mqtt::property::user_property))
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", name, value);
  return text;
}

/// With mosquitto's names, which have '-' between words; user properties are a list, for a name may come twice.
nlohmann::ordered_json json_of(const mqtt::Properties& properties) {
  auto object = nlohmann::ordered_json::object();
  for (const auto& property : properties) {
    std::string name{mqtt::rule_for(property.id)->name};
    std::ranges::replace(name, '_', '-');
    if (const auto* pair = std::get_if<mqtt::StringPair>(&property.value)) {
      object["user-properties"].push_back({{pair->first, pair->second}});
    } else if (const auto* text = std::get_if<std::string>(&property.value)) {
      object[name] = *text;
    } else {
      object[name] = std::get<std::uint32_t>(property.value);
    }
  }
  return object;
}

/// mosquitto's JSON: the payload as JSON of its own (%J), or as a string (%j).
std::string json(const Received& received, bool as_string) {
  const auto& [message, at, pretty] = received;
  nlohmann::ordered_json object{{"tst", time_of("%Y-%m-%dT%H:%M:%S", at) + fmt::format(".{:06}", at.tv_nsec / 1000) + time_of("%z", at)},
                                {"topic", message.topic},
                                {"qos", static_cast<int>(message.qos)},
                                {"retain", message.retain ? 1 : 0},
                                {"payloadlen", message.payload.size()}};
  if (!message.properties.empty()) object["properties"] = json_of(message.properties);
  auto payload =
      as_string ? nlohmann::ordered_json(message.payload.text()) : nlohmann::ordered_json::parse(message.payload.text(), nullptr, false);
  object["payload"] = payload.is_discarded() ? nlohmann::ordered_json(nullptr) : std::move(payload);
  return object.dump(pretty ? 1 : -1, pretty ? '\t' : ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string field(char kind, const Received& received) {
  const auto& message = received.message;
  const auto& properties = message.properties;
  switch (kind) {
    case 'A': return property_text(properties, mqtt::property::topic_alias);
    case 'C': return property_text(properties, mqtt::property::content_type);
    case 'D': return property_text(properties, mqtt::property::correlation_data);
    case 'E': return property_text(properties, mqtt::property::message_expiry_interval);
    case 'F': return property_text(properties, mqtt::property::payload_format_indicator);
    case 'I': return time_of("%Y-%m-%dT%H:%M:%S%z", received.at);
    case 'j': return json(received, true);
    case 'J': return json(received, false);
    case 'l': return std::to_string(message.payload.size());
    case 'P': return user_properties(properties);
    case 'p': return std::string{message.payload.text()};
    case 'q': return std::to_string(static_cast<int>(message.qos));
    case 'R': return property_text(properties, mqtt::property::response_topic);
    case 'r': return message.retain ? "1" : "0";
    case 'S': return property_text(properties, mqtt::property::subscription_identifier);
    case 't': return message.topic;
    case 'U': return fmt::format("{}.{:09}", received.at.tv_sec, received.at.tv_nsec);
    case 'x':
    case 'X': return hex(message.payload.text(), kind == 'X');
    default: return std::string{kind};
  }
}

}  // namespace

std::string format_problem(std::string_view format) {
  if (format.empty()) return "empty";
  for (std::size_t at = 0; at < format.size(); ++at) {
    const char sign = format[at];
    if (sign != '%' && sign != '@' && sign != '\\') continue;
    if (++at == format.size()) return fmt::format("a lone {} at the end", sign);
    if (sign == '%' && !kFields.contains(format[at])) return fmt::format("no such field: %{}", format[at]);
    if (sign == '\\' && !kEscapes.contains(format[at])) return fmt::format("no such escape: \\{}", format[at]);
  }
  return {};
}

std::string formatted(std::string_view format, const mqtt::Message& message, std::timespec at, bool pretty) {
  const Received received{message, at, pretty};
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      text += field(format[++i], received);
    } else if (format[i] == '@' && i + 1 < format.size()) {
      const char kind = format[++i];
      const std::array<char, 3> one{'%', kind, '\0'};
      text += kind == '@' ? "@" : kind == 'N' ? fmt::format("{:09}", at.tv_nsec) : time_of(one.data(), at);
    } else if (format[i] == '\\' && i + 1 < format.size()) {
      text += kEscaped[kEscapes.find(format[++i])];
    } else {
      text += format[i];
    }
  }
  return text;
}

std::string text_of(const PrintOptions& options, const mqtt::Message& message) {
  const char* const end = options.no_newline ? "" : "\n";
  if (options.format.empty()) return fmt::format("{}{}{}", options.verbose ? message.topic + " " : "", message.payload.text(), end);
  std::timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return formatted(options.format, message, now, options.pretty) + end;
}

}  // namespace tool
