#pragma once

#include <algorithm>
#include <cstddef>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::ipv4 {

/// The largest datagram, in bytes, that a packet becomes on a wire: itself, or one segment of a super-segment. Its network header takes `network_size` bytes, of
/// which `missing` are not in front yet.
[[nodiscard]] inline std::size_t size_on_wire(const Packet& packet, std::size_t network_size, std::size_t missing) noexcept {
  const std::size_t size = packet.size() + missing;
  if (packet.meta().gso == GsoKind::none) return size;
  constexpr std::size_t kDataOffset = 12;  // RFC 9293 section 3.1: the upper half of that octet counts words
  const auto octet = packet.peek<be8>(network_size - missing + kDataOffset);
  const std::size_t tcp_header = octet ? (octet->get() >> 4U) * std::size_t{4} : std::size_t{60};
  return std::min(size, network_size + tcp_header + packet.meta().gso_size);
}

}  // namespace tapir::ipv4
