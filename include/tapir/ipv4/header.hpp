#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/network/network.hpp>

namespace tapir::ipv4 {

/// Bytes of a header without options, and with as many as fit (RFC 791 section 3.1).
inline constexpr std::size_t min_header_size = 20;
inline constexpr std::size_t max_header_size = 60;
inline constexpr std::size_t max_options_size = 40;
/// Every link carries a datagram of this many bytes in one piece (RFC 791 section 3.2).
inline constexpr std::size_t min_mtu = 68;
/// Every host takes a datagram of this many bytes, whole or in fragments (RFC 791 section 3.1).
inline constexpr std::size_t min_reassembly = 576;
/// The largest number that the total length field holds.
inline constexpr std::size_t max_datagram = 65535;

/// Wire image of the fixed part of the header, RFC 791 section 3.1.
struct Header {
  std::uint8_t version_ihl;
  std::uint8_t tos;     ///< Diffserv field and ECN bits (RFC 2474, RFC 3168)
  be16 total_length;    ///< header and data, bytes
  be16 identification;  ///< one number for all fragments of a datagram (RFC 6864)
  be16 fragmentation;   ///< reserved bit, DF, MF, then the offset in units of 8 bytes
  std::uint8_t ttl;
  BigEndian<network::Protocol> protocol;
  be16 checksum;  ///< over the header with its options
  BigEndian<Ipv4Address> source;
  BigEndian<Ipv4Address> destination;

  static constexpr std::uint16_t reserved_bit = 0x8000;
  static constexpr std::uint16_t dont_fragment_bit = 0x4000;
  static constexpr std::uint16_t more_fragments_bit = 0x2000;
  static constexpr std::uint16_t offset_mask = 0x1fff;

  [[nodiscard]] constexpr unsigned version() const noexcept { return static_cast<unsigned>(version_ihl) >> 4U; }
  /// Bytes of header, options included, as the IHL field says.
  [[nodiscard]] constexpr std::size_t header_size() const noexcept { return (version_ihl & 0x0fU) * std::size_t{4}; }
  constexpr void set_header_size(std::size_t bytes) noexcept { version_ihl = static_cast<std::uint8_t>(0x40U | bytes / 4); }
  [[nodiscard]] constexpr bool dont_fragment() const noexcept { return (fragmentation.get() & dont_fragment_bit) != 0; }
  [[nodiscard]] constexpr bool more_fragments() const noexcept { return (fragmentation.get() & more_fragments_bit) != 0; }
  /// Where this fragment's data stands in the whole datagram's, bytes.
  [[nodiscard]] constexpr std::size_t fragment_offset() const noexcept { return (fragmentation.get() & offset_mask) * std::size_t{8}; }
  [[nodiscard]] constexpr bool is_fragment() const noexcept { return (fragmentation.get() & (more_fragments_bit | offset_mask)) != 0; }
};
static_assert(sizeof(Header) == min_header_size && alignof(Header) == 1);

/// The checksum of a header with `options` (a multiple of four bytes, at most max_options_size), whatever its checksum field holds (RFC 791 section 3.1).
[[nodiscard]] std::uint16_t header_checksum(const Header& header, std::span<const std::byte> options) noexcept;

/// Puts a header with `options`, as above, in front of `packet`, its data, and marks the network header there. Version, IHL and total length are filled in, all else is 0, to be
/// filled in where it lies; the checksum last, by header_checksum(). Valid for as long as the packet keeps its front.
[[nodiscard]] Header& prepend_header(Packet& packet, std::span<const std::byte> options);
/// The same with these `fields` and the checksum. The header as it stands in the packet.
Header put_header(Packet& packet, const Header& fields, std::span<const std::byte> options);

}  // namespace tapir::ipv4
