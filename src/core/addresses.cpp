#include <tapir/core/addresses.hpp>

#include <ostream>

#include <fmt/format.h>

namespace tapir {

std::string to_string(const MacAddress& address) { return fmt::format("{:02x}", fmt::join(address.octets(), ":")); }
std::string to_string(Ipv4Address address) {
  const std::uint32_t v = address.value();
  return fmt::format("{}.{}.{}.{}", v >> 24U, v >> 16U & 0xffU, v >> 8U & 0xffU, v & 0xffU);
}
std::string to_string(Ipv4Prefix prefix) { return fmt::format("{}/{}", to_string(prefix.address()), prefix.length()); }
std::string to_string(IpAddress address) { return to_string(address.v4()); }
std::string to_string(const Endpoint& endpoint) { return fmt::format("{}:{}", to_string(endpoint.address), endpoint.port.value()); }

std::ostream& operator<<(std::ostream& out, const MacAddress& address) { return out << to_string(address); }
std::ostream& operator<<(std::ostream& out, Ipv4Address address) { return out << to_string(address); }
std::ostream& operator<<(std::ostream& out, Ipv4Prefix prefix) { return out << to_string(prefix); }
std::ostream& operator<<(std::ostream& out, IpAddress address) { return out << to_string(address); }
std::ostream& operator<<(std::ostream& out, Port port) { return out << port.value(); }
std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint) { return out << to_string(endpoint); }

}  // namespace tapir
