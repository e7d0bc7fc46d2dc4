#pragma once

#include <algorithm>
#include <cstddef>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::ipv4 {

/// The largest datagram, in bytes, that a packet becomes on a wire: itself, or one segment of a super-segment. `header_size`: bytes of the network header;
/// `transport`: where the transport header starts in the packet, so 0 while the network header is not in front yet.
[[nodiscard]] inline std::size_t size_on_wire(const Packet& packet, std::size_t header_size, std::size_t transport) noexcept {
  const std::size_t whole = header_size + packet.size() - transport;
  if (packet.meta().gso == GsoKind::none) return whole;
  constexpr std::size_t kDataOffset = 12;  // RFC 9293 section 3.1: the upper half of that octet counts words
  const auto octet = packet.peek<be8>(transport + kDataOffset);
  const std::size_t tcp_header = octet ? (octet->get() >> 4U) * std::size_t{4} : std::size_t{60};
  return std::min(whole, header_size + tcp_header + packet.meta().gso_size);
}

}  // namespace tapir::ipv4
