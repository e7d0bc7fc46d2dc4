#include "format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
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
  std::size_t size;  ///< of its payload, in bytes
  std::timespec at;
  bool pretty;
};

constexpr std::string_view kFields = "%ACDdEFfIjJlmPpqRrStUxX";
constexpr std::string_view kWithWidth = "ACdEFfIlmpRStxX";  ///< those that a width is for, and of these …
constexpr std::string_view kWithZeros = "AdEFflmSxX";       ///< … those that are filled with zeros,
constexpr std::string_view kWithMaximum = "CIRt";           ///< and those that a precision shortens
constexpr std::string_view kSeparators = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr std::size_t kWidest = 10'000;
constexpr std::size_t kDeepest = 1000;  ///< arrays and objects in one another, as mosquitto has it: printing takes a call for each
constexpr std::string_view kEscapes = "0aenrtv\\";
constexpr std::string_view kEscaped{"\0\a\033\n\r\t\v\\", 8};

std::string time_of(const char* format, std::timespec at) {
  std::tm local{};
  ::localtime_r(&at.tv_sec, &local);
  std::array<char, 256> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &local)};
}

/// A field of the format: what stands behind a '%', as in printf.
struct Field {
  char kind = '%';
  bool left = false;   ///< '-'
  bool zeros = false;  ///< '0'
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char separator = ' ';  ///< between groups of hexadecimal digits
};

std::size_t take_number(std::string_view& text) {
  std::size_t number = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1))
    number = std::min(number * 10 + static_cast<std::size_t>(text[0] - '0'), kWidest + 1);
  return number;
}

bool take(std::string_view& text, char wanted) {
  const bool there = text.starts_with(wanted);
  if (there) text.remove_prefix(1);
  return there;
}

/// Takes the field off that begins behind a '%'. What is wrong with it otherwise.
std::expected<Field, std::string> take_field(std::string_view& text) {
  Field field;
  field.left = take(text, '-');
  field.zeros = take(text, '0');
  field.width = take_number(text);
  if (take(text, '.')) {
    field.precision = take_number(text);
    if (!text.empty() && kSeparators.contains(text[0])) {
      field.separator = text[0];
      text.remove_prefix(1);
    }
  }
  if (text.empty()) return std::unexpected{"a lone % at the end"};
  field.kind = text[0];
  text.remove_prefix(1);
  if (!kFields.contains(field.kind)) return std::unexpected{fmt::format("no such field: %{}", field.kind)};
  if (field.width > kWidest || field.precision.value_or(0) > kWidest) return std::unexpected{fmt::format("wider than {}", kWidest)};
  return field;
}

/// In groups of `precision` digits, if there is one.
std::string hex(std::string_view bytes, const Field& field) {
  std::string digits;
  for (const unsigned char byte : bytes) digits += field.kind == 'X' ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  if (field.precision.value_or(0) == 0) return digits;
  std::string grouped;
  for (std::size_t at = 0; at < digits.size(); at += *field.precision) {
    if (at > 0) grouped += field.separator;
    grouped += digits.substr(at, *field.precision);
  }
  return grouped;
}

/// The payload as a number of IEEE 754; nothing when it has another size.
template <class Float>
std::string floating(std::string_view payload, const Field& field) {
  Float value{};
  if (payload.size() != sizeof(value)) return {};
  std::memcpy(&value, payload.data(), sizeof(value));
  return fmt::format("{:.{}f}", value, field.precision.value_or(6));
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

/// How deep arrays and objects stand in one another, if it is JSON.
std::size_t depth_of(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char sign = text[i];
    if (sign == '"') in_string = !in_string;
    if (in_string) {
      if (sign == '\\') ++i;
    } else if (sign == '[' || sign == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((sign == ']' || sign == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

bool is_printable_json(std::string_view text) { return depth_of(text) <= kDeepest && nlohmann::json::accept(text); }

/// mosquitto's JSON: the payload as JSON of its own (%J; nothing at all when it is none), or as a string (%j).
std::string json(const Received& received, bool as_string) {
  const auto& [message, size, at, pretty] = received;
  nlohmann::ordered_json object{{"tst", time_of("%Y-%m-%dT%H:%M:%S", at) + fmt::format(".{:06}", at.tv_nsec / 1000) + time_of("%z", at)},
                                {"topic", message.topic},
                                {"qos", static_cast<int>(message.qos)},
                                {"retain", message.retain ? 1 : 0},
                                {"payloadlen", size}};
  if (message.id != mqtt::PacketId{}) object["mid"] = message.id.value();
  if (!message.properties.empty()) object["properties"] = json_of(message.properties);
  const auto text = message.payload.text();
  auto& payload = object["payload"];
  if (as_string) {
    payload = text;
  } else if (!text.empty()) {
    if (!is_printable_json(text)) return {};
    payload = nlohmann::ordered_json::parse(text, nullptr, false);
  }
  return object.dump(pretty ? 1 : -1, pretty ? '\t' : ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string text_of(const Field& field, const Received& received) {
  const auto& message = received.message;
  const auto& properties = message.properties;
  switch (field.kind) {
    case 'A': return property_text(properties, mqtt::property::topic_alias);
    case 'C': return property_text(properties, mqtt::property::content_type);
    case 'D': return property_text(properties, mqtt::property::correlation_data);
    case 'd': return floating<double>(message.payload.text(), field);
    case 'E': return property_text(properties, mqtt::property::message_expiry_interval);
    case 'F': return property_text(properties, mqtt::property::payload_format_indicator);
    case 'f': return floating<float>(message.payload.text(), field);
    case 'I': return time_of("%Y-%m-%dT%H:%M:%S%z", received.at);
    case 'j': return json(received, true);
    case 'J': return json(received, false);
    case 'l': return std::to_string(received.size);
    case 'm': return std::to_string(message.id.value());
    case 'P': return user_properties(properties);
    case 'p': return std::string{message.payload.text()};
    case 'q': return std::to_string(static_cast<int>(message.qos));
    case 'R': return property_text(properties, mqtt::property::response_topic);
    case 'r': return message.retain ? "1" : "0";
    case 'S': return property_text(properties, mqtt::property::subscription_identifier);
    case 't': return message.topic;
    case 'U': return fmt::format("{}.{:09}", received.at.tv_sec, received.at.tv_nsec);
    case 'x':
    case 'X': return hex(message.payload.text(), field);
    default: return std::string{field.kind};
  }
}

/// The field's text in its width.
std::string fitted(const Field& field, const Received& received) {
  auto text = text_of(field, received);
  if (field.precision && kWithMaximum.contains(field.kind)) text.resize(std::min(text.size(), *field.precision));
  if (!kWithWidth.contains(field.kind) || text.size() >= field.width) return text;
  const std::size_t missing = field.width - text.size();
  if (field.left) return text + std::string(missing, ' ');
  return std::string(missing, field.zeros && kWithZeros.contains(field.kind) ? '0' : ' ') + text;
}

std::string formatted(std::string_view format, const Received& received) {
  std::string text;
  while (!format.empty()) {
    const char sign = format[0];
    format.remove_prefix(1);
    if (sign == '%') {
      if (const auto field = take_field(format)) text += fitted(*field, received);
    } else if (sign == '@' || sign == '\\') {
      const char kind = format[0];
      format.remove_prefix(1);
      const std::array<char, 3> one{'%', kind, '\0'};
      if (sign == '\\') {
        text += kEscaped[kEscapes.find(kind)];
      } else {
        text += kind == '@' ? "@" : kind == 'N' ? fmt::format("{:09}", received.at.tv_nsec) : time_of(one.data(), received.at);
      }
    } else {
      text += sign;
    }
  }
  return text;
}

std::timespec time_now() {
  std::timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

/// Calls `see` with each field, and where it begins and ends.
template <class See>
void each_field(std::string_view format, See see) {
  const std::size_t size = format.size();
  while (!format.empty()) {
    const char sign = format[0];
    const std::size_t begin = size - format.size();
    format.remove_prefix(sign == '%' || format.size() == 1 ? 1 : sign == '@' || sign == '\\' ? 2 : 1);
    if (sign != '%') continue;
    const auto field = take_field(format);
    if (!field) return;
    see(*field, begin, size - format.size());
  }
}

bool has_field(std::string_view format, char kind) {
  bool has = false;
  each_field(format, [&](const Field& field, std::size_t, std::size_t) { has = has || field.kind == kind; });
  return has;
}

/// Where a format has its %p; at its end, and empty, when it does without the payload.
struct Place {
  std::size_t begin = 0;
  std::size_t end = 0;
};
/// Nothing when the format makes something else of the payload, or prints it twice.
std::optional<Place> place_of_payload(std::string_view format) {
  constexpr std::string_view kWholePayload = "dfjJxX";
  std::optional<Place> place;
  bool needs_all = false;
  each_field(format, [&](const Field& field, std::size_t begin, std::size_t end) {
    const bool is_payload = field.kind == 'p';
    needs_all = needs_all || kWholePayload.contains(field.kind) || (is_payload && (place || field.width > 0));
    if (is_payload) place = Place{begin, end};
  });
  if (needs_all) return std::nullopt;
  return place.value_or(Place{format.size(), format.size()});
}

}  // namespace

std::string format_problem(std::string_view format) {
  if (format.empty()) return "empty";
  while (!format.empty()) {
    const char sign = format[0];
    format.remove_prefix(1);
    if (sign == '%') {
      if (const auto field = take_field(format); !field) return field.error();
    } else if (sign == '@' || sign == '\\') {
      if (format.empty()) return fmt::format("a lone {} at the end", sign);
      if (sign == '\\' && !kEscapes.contains(format[0])) return fmt::format("no such escape: \\{}", format[0]);
      format.remove_prefix(1);
    }
  }
  return {};
}

std::string formatted(std::string_view format, const mqtt::Message& message, std::timespec at, bool pretty) {
  return formatted(format, Received{message, message.payload.size(), at, pretty});
}

std::string payload_problem(const PrintOptions& options, const mqtt::Message& message) {
  const auto text = message.payload.text();
  if (!has_field(options.format, 'J') || text.empty() || is_printable_json(text)) return {};
  return fmt::format("a message to {} has a payload that is not JSON{}", message.topic,
                     depth_of(text) > kDeepest ? fmt::format(", or JSON that is nested more than {} deep", kDeepest) : "");
}

bool prints_in_parts(const PrintOptions& options) { return place_of_payload(options.format).has_value(); }

Frame frame_of(const PrintOptions& options, const mqtt::Message& message, std::size_t size) {
  const std::string end = options.no_newline ? "" : "\n";
  if (options.format.empty()) return {.before = options.verbose ? message.topic + " " : "", .behind = end};
  const auto place = place_of_payload(options.format).value_or(Place{});
  const std::string_view format = options.format;
  const Received received{message, size, time_now(), options.pretty};
  return {.before = formatted(format.substr(0, place.begin), received),
          .behind = formatted(format.substr(place.end), received) + end,
          .has_payload = place.begin < place.end};
}

std::string text_of(const PrintOptions& options, const mqtt::Message& message) {
  const char* const end = options.no_newline ? "" : "\n";
  if (options.format.empty() && message.payload.size() == 0)
    return options.verbose && !options.no_newline ? message.topic + " (null)\n" : "";  // as mosquitto does
  if (options.format.empty()) return fmt::format("{}{}{}", options.verbose ? message.topic + " " : "", message.payload.text(), end);
  return formatted(options.format, message, time_now(), options.pretty) + end;
}

}  // namespace tool
