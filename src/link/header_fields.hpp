#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::link::header_fields {

// Where the fields lie, in bytes from each header's start (RFC 791 section 3.1, RFC 9293 section 3.1, RFC 768): a link cuts and joins what TCP and UDP send
// over IPv4, and knows no more of the three.
inline constexpr std::size_t kIpTotalLength = 2;
inline constexpr std::size_t kIpIdentification = 4;
inline constexpr std::size_t kIpFragmentation = 6;
inline constexpr std::size_t kIpProtocol = 9;
inline constexpr std::size_t kIpChecksum = 10;
inline constexpr std::size_t kIpSource = 12;
inline constexpr std::size_t kTcpSequence = 4;
inline constexpr std::size_t kTcpAcknowledgment = 8;
inline constexpr std::size_t kTcpDataOffset = 12;
inline constexpr std::size_t kTcpFlags = 13;
inline constexpr std::size_t kTcpWindow = 14;
inline constexpr std::size_t kTcpChecksum = 16;
inline constexpr std::size_t kTcpUrgent = 18;
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kCwr = 0x80;
inline constexpr std::size_t kUdpLength = 4;
inline constexpr std::size_t kUdpChecksum = 6;
inline constexpr std::uint8_t kTcp = 6;  ///< protocol numbers
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::size_t kIpHeader = 20;  ///< without options
inline constexpr std::size_t kTcpHeader = 20;
inline constexpr std::size_t kUdpHeader = 8;

/// The protocol whose packets a super-packet of this kind becomes.
[[nodiscard]] constexpr std::uint8_t protocol_of(GsoKind kind) noexcept { return kind == GsoKind::tcp4 ? kTcp : kUdp; }

/// Bytes of the transport header that starts at `transport` in a super-packet of this kind; 0 when it is not whole or says that it is too short.
[[nodiscard]] inline std::size_t transport_header_size(const Packet& packet, std::size_t transport, GsoKind kind) noexcept {
  std::size_t size = kUdpHeader;
  if (kind == GsoKind::tcp4) {
    const auto data_offset = packet.peek<be8>(transport + kTcpDataOffset);
    size = data_offset ? std::size_t{data_offset->get()} / 16 * 4 : 0;
    if (size < kTcpHeader) return 0;
  }
  return transport + size <= packet.size() ? size : 0;
}

template <class T>
void put(std::span<std::byte> at, std::size_t offset, T value) {
  const BigEndian<T> wire{value};
  std::memcpy(at.data() + offset, &wire, sizeof(wire));
}
template <class T>
T get(std::span<const std::byte> at, std::size_t offset) {
  BigEndian<T> wire;
  std::memcpy(&wire, at.data() + offset, sizeof(wire));
  return wire;
}

}  // namespace tapir::link::header_fields
