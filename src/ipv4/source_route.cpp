#include <tapir/ipv4/source_route.hpp>

#include <algorithm>

#include <tapir/core/reader.hpp>

namespace tapir::ipv4 {

namespace {
constexpr std::uint8_t kEndOfList = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kLooseSourceRoute = 131;
constexpr std::uint8_t kStrictSourceRoute = 137;
constexpr std::size_t kRouteHead = 3;  // type, length, pointer
constexpr std::size_t kAddressSize = 4;

std::vector<std::byte> encode(std::uint8_t type, std::span<const IpAddress> hops) {
  if (hops.empty()) return {};
  std::vector<std::byte> option(kRouteHead + kAddressSize * hops.size());
  Writer writer{option};
  (void)writer.write(type);
  (void)writer.write(static_cast<std::uint8_t>(option.size()));
  (void)writer.write(static_cast<std::uint8_t>(kRouteHead + 1));
  for (const IpAddress& hop : hops) (void)writer.write(hop.v4());
  return option;
}

/// The hops of a route whose pointer has passed its end; `value` is what follows the length byte.
std::vector<IpAddress> completed_route(std::span<const std::byte> value) {
  Reader reader{value};
  const auto pointer = reader.u8();
  if (!pointer || *pointer <= value.size() + 2) return {};
  std::vector<IpAddress> hops;
  while (const auto hop = reader.read<Ipv4Address>()) hops.emplace_back(*hop);
  return hops;
}
}  // namespace

std::vector<std::byte> source_route_option(std::span<const IpAddress> hops) { return encode(kLooseSourceRoute, hops); }

std::vector<std::byte> return_route_option(std::span<const std::byte> options, IpAddress sender) {
  Reader reader{options};
  while (!reader.empty()) {
    const std::uint8_t type = *reader.u8();
    if (type == kEndOfList) break;
    if (type == kNoOperation) continue;
    const auto length = reader.u8();
    if (!length || *length < 2) break;
    const auto value = reader.take(*length - 2U);
    if (!value) break;
    if (type != kLooseSourceRoute && type != kStrictSourceRoute) continue;
    auto hops = completed_route(*value);
    if (!hops.empty() && hops.front() == sender) hops.erase(hops.begin());
    if (hops.size() > max_source_route_hops) break;
    std::ranges::reverse(hops);
    return encode(type, hops);
  }
  return {};
}

}  // namespace tapir::ipv4
