#include "flags.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace tapir::packetdrill {

namespace {
std::optional<std::uint16_t> number(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}
}  // namespace

Flags Flags::parse(std::string_view text) {
  Flags flags;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const std::string_view name = one.substr(0, one.find('='));
    const std::string value{one.substr(std::min(name.size() + 1, one.size()))};
    if (name == "address") {
      flags.address = Ipv4Prefix::parse(value);
    } else if (name == "settings") {
      flags.settings = value;
    } else if (name == "cubic") {
      flags.cubic = value;
    } else if (name == "queue") {
      flags.queue = value;
    } else if (name == "metrics") {
      flags.metrics = value;
    } else if (name == "routes") {
      flags.routes = value;
    } else if (name == "counters") {
      flags.counters = value;
    } else if (name == "segment" && number(value)) {
      flags.segment = *number(value);
    } else if (flags.unknown.empty()) {
      flags.unknown = one;
    }
  }
  return flags;
}

}  // namespace tapir::packetdrill
