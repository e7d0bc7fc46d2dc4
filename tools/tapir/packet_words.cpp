#include "packet_words.hpp"

#include <string_view>

#include <fmt/format.h>

namespace tool {

namespace {

/// What the packet has in this field; the first if there are several.
std::string_view value_of(const tapir::Crossing& packet, std::string_view name, std::string_view otherwise = "0") {
  for (const auto& field : packet.fields) {
    if (field.name == name) return field.value;
  }
  return otherwise;
}

/// What stands in parentheses; empty: nothing does.
std::string details(const tapir::Crossing& packet) {
  const std::string_view kind = packet.summary;
  const bool sent = packet.direction == tapir::Direction::down;
  const auto field = [&packet](std::string_view name) { return value_of(packet, name); };
  if (kind == "PUBLISH") {
    return fmt::format("d{}, q{}, r{}, m{}, '{}', ... ({} bytes)", field("dup"), field("qos"), field("retain"), field("id"),
                       value_of(packet, "topic", ""), packet.payload_size);
  }
  if (kind == "CONNACK") return std::string{field("code")};
  if (kind == "DISCONNECT" || kind == "AUTH") return sent && field("code") == "0" ? std::string{} : std::string{field("code")};
  if (kind == "PUBACK" || kind == "PUBCOMP" || kind == "PUBREC" || kind == "PUBREL") {
    const bool has_code = field("code") != "0" || kind == "PUBACK" || (kind == "PUBREC" && sent) || (kind == "PUBCOMP" && !sent);
    if (sent) return fmt::format("m{}{}{}", field("id"), has_code ? ", rc" : "", has_code ? field("code") : "");
    return fmt::format("Mid: {}{}{}", field("id"), has_code ? ", RC:" : "", has_code ? field("code") : "");
  }
  return {};
}

/// "Mid: 1, Topic: a/b, QoS: 2, Options: 0x08" for each filter.
std::vector<std::string> filters_of(const tapir::Crossing& packet) {
  std::vector<std::string> filters;
  for (const auto& field : packet.fields) {
    if (field.name == "filter") filters.push_back(fmt::format("Mid: {}, Topic: {}", value_of(packet, "id"), field.value));
    if (field.name == "qos") filters.back() += fmt::format(", QoS: {}", field.value);
    if (field.name == "options") filters.back() += fmt::format(", Options: 0x{:02x}", std::stoul(std::string{field.value}));
  }
  return filters;
}

}  // namespace

std::vector<std::string> debug_lines(const tapir::Crossing& packet) {
  const auto words = fmt::format("{} {}", packet.direction == tapir::Direction::down ? "sending" : "received", packet.summary);
  auto lines = packet.summary == "SUBSCRIBE" || packet.summary == "UNSUBSCRIBE" ? filters_of(packet) : std::vector{details(packet)};
  for (auto& line : lines) line = line.empty() ? words : fmt::format("{} ({})", words, line);
  return lines;
}

}  // namespace tool
