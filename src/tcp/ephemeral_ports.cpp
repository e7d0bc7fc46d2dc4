#include "ephemeral_ports.hpp"

#include <algorithm>
#include <utility>

#include <tapir/core/byte_order.hpp>

namespace tapir::tcp {

namespace {
struct Hashed {
  IpAddress::Octets local;
  IpAddress::Octets remote;
  BigEndian<Port> remote_port;
};
static_assert(sizeof(Hashed) == 2 * sizeof(IpAddress::Octets) + 2 && alignof(Hashed) == 1);
}  // namespace

EphemeralPorts::EphemeralPorts(const SipKey& key, Config config) : key_{key}, config_{std::move(config)} {
  if (config_.first == Port{}) config_.first = Port{1};
  std::ranges::sort(config_.reserved);
}

std::optional<Port> EphemeralPorts::choose(IpAddress local, const Endpoint& remote, const std::function<bool(Port)>& usable) {
  if (config_.last < config_.first) return std::nullopt;
  const Hashed hashed{.local = local.octets(), .remote = remote.address.octets(), .remote_port = remote.port};
  const auto offset = static_cast<std::uint32_t>(siphash(key_, std::as_bytes(std::span{&hashed, 1})));
  const std::uint32_t count = config_.last.value() - config_.first.value() + 1U;
  for (std::uint32_t tried = 0; tried < count; ++tried) {
    const std::uint32_t step = (offset % count + next_ % count) % count;
    const Port port{static_cast<std::uint16_t>(config_.first.value() + step)};
    ++next_;
    if (!std::ranges::binary_search(config_.reserved, port) && usable(port)) return port;
  }
  return std::nullopt;
}

}  // namespace tapir::tcp
