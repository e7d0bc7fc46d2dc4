#pragma once

#include <algorithm>
#include <cstddef>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::ipv4 {

/// Bytes of the transport header at `transport`.
[[nodiscard]] inline std::size_t transport_header_size(const Packet& packet, std::size_t transport) noexcept {
  if (packet.meta().gso == GsoKind::udp4) return 8;  // RFC 768
  constexpr std::size_t kDataOffset = 12;            // RFC 9293 section 3.1: the upper half of that octet counts words
  const auto octet = packet.peek<be8>(transport + kDataOffset);
  return octet ? (octet->get() >> 4U) * std::size_t{4} : std::size_t{60};
}

/// The largest datagram, in bytes, that a packet becomes on a wire: itself, or one piece of a super-packet. `header_size`: bytes of the network header;
/// `transport`: where the transport header starts in the packet, so 0 while the network header is not in front yet.
[[nodiscard]] inline std::size_t size_on_wire(const Packet& packet, std::size_t header_size, std::size_t transport) noexcept {
  const std::size_t whole = header_size + packet.size() - transport;
  if (packet.meta().gso == GsoKind::none) return whole;
  return std::min(whole, header_size + transport_header_size(packet, transport) + packet.meta().gso_size);
}

/// How many datagrams a packet becomes on a wire. `transport` as above.
[[nodiscard]] inline std::size_t datagrams_on_wire(const Packet& packet, std::size_t transport) noexcept {
  const std::size_t each = packet.meta().gso_size;
  if (packet.meta().gso == GsoKind::none || each == 0) return 1;
  const std::size_t headers = transport + transport_header_size(packet, transport);
  return packet.size() <= headers + each ? 1 : (packet.size() - headers + each - 1) / each;
}

}  // namespace tapir::ipv4
