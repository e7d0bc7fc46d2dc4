#include "format.hpp"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tool {

namespace {

constexpr std::string_view kFields = "%IjJlpqrtUxX";
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

/// mosquitto's JSON: the payload as JSON of its own (%j), or as a string (%J is that one there too).
std::string json(const tapir::mqtt::Message& message, std::timespec at, bool as_string) {
  nlohmann::ordered_json object{{"tst", time_of("%Y-%m-%dT%H:%M:%S", at) + fmt::format(".{:06}", at.tv_nsec / 1000) + time_of("%z", at)},
                                {"topic", message.topic},
                                {"qos", static_cast<int>(message.qos)},
                                {"retain", message.retain ? 1 : 0},
                                {"payloadlen", message.payload.size()}};
  auto payload =
      as_string ? nlohmann::ordered_json(message.payload.text()) : nlohmann::ordered_json::parse(message.payload.text(), nullptr, false);
  object["payload"] = payload.is_discarded() ? nlohmann::ordered_json(nullptr) : std::move(payload);
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string field(char kind, const tapir::mqtt::Message& message, std::timespec at) {
  switch (kind) {
    case 'I': return time_of("%Y-%m-%dT%H:%M:%S%z", at);
    case 'j': return json(message, at, true);
    case 'J': return json(message, at, false);
    case 'l': return std::to_string(message.payload.size());
    case 'p': return std::string{message.payload.text()};
    case 'q': return std::to_string(static_cast<int>(message.qos));
    case 'r': return message.retain ? "1" : "0";
    case 't': return message.topic;
    case 'U': return fmt::format("{}.{:09}", at.tv_sec, at.tv_nsec);
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

std::string formatted(std::string_view format, const tapir::mqtt::Message& message, std::timespec at) {
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      text += field(format[++i], message, at);
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

}  // namespace tool
