#pragma once

#include <cstdint>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/network/network.hpp>

namespace tapir::ipv4 {

/// Wire image of the IPv4 header without options (RFC 791 section 3.1).
struct Header {
  std::uint8_t version_ihl = 0x45;  ///< version 4, header length in 32-bit words
  std::uint8_t tos = 0;
  be16 total_length;  ///< header + data, bytes
  be16 identification;
  be16 fragment;  ///< flags (0, DF, MF) and offset in units of 8 bytes
  std::uint8_t ttl = 0;
  std::uint8_t protocol = 0;
  be16 checksum;
  BigEndian<Ipv4Address> source;
  BigEndian<Ipv4Address> destination;

  [[nodiscard]] constexpr unsigned version() const noexcept { return version_ihl >> 4U; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return static_cast<std::size_t>(version_ihl & 0x0fU) * 4; }
  [[nodiscard]] constexpr bool dont_fragment() const noexcept { return (fragment & 0x4000U) != 0; }
  [[nodiscard]] constexpr bool more_fragments() const noexcept { return (fragment & 0x2000U) != 0; }
  /// Bytes before this fragment's data in the original datagram's data.
  [[nodiscard]] constexpr std::size_t offset() const noexcept { return static_cast<std::size_t>(fragment & 0x1fffU) * 8; }
  [[nodiscard]] constexpr bool is_fragment() const noexcept { return (fragment & 0x3fffU) != 0; }
};
static_assert(sizeof(Header) == 20 && alignof(Header) == 1);

inline constexpr std::uint16_t kDontFragment = 0x4000;
inline constexpr std::uint16_t kMoreFragments = 0x2000;
inline constexpr std::size_t kMaxDatagram = 65535;
inline constexpr std::size_t kMaxOptions = 40;

}  // namespace tapir::ipv4
