#pragma once

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/icmp/icmp.hpp>

namespace tapir::icmp {

/// The eight bytes that every message starts with (RFC 792). What the second word means depends on the type.
struct Header {
  BigEndian<Type> type;
  be8 code;
  be16 checksum;  ///< over the whole message
  be32 rest;
};
static_assert(sizeof(Header) == 8 && alignof(Header) == 1);

/// The fixed part of the IPv4 header that an error quotes (RFC 791 section 3.1).
struct QuotedHeader {
  be8 version_and_length;
  be8 tos;
  be16 total_length;
  be16 identification;
  be16 flags_and_offset;
  be8 ttl;
  be8 protocol;
  be16 checksum;
  BigEndian<Ipv4Address> source;
  BigEndian<Ipv4Address> destination;

  [[nodiscard]] std::uint8_t version() const noexcept { return version_and_length >> 4U; }
  [[nodiscard]] std::size_t header_size() const noexcept { return (version_and_length & 0xfU) * std::size_t{4}; }
  [[nodiscard]] bool first_fragment() const noexcept { return (flags_and_offset & 0x1fffU) == 0; }
};
static_assert(sizeof(QuotedHeader) == 20 && alignof(QuotedHeader) == 1);

/// The body of timestamp messages: milliseconds since midnight UT, or anything with the high-order bit set (RFC 792).
struct Timestamps {
  be32 originate;
  be32 receive;
  be32 transmit;
};
static_assert(sizeof(Timestamps) == 12 && alignof(Timestamps) == 1);

/// The identifier and the sequence number in the second word of echo and timestamp messages.
[[nodiscard]] constexpr std::uint16_t identifier_of(std::uint32_t rest) noexcept { return static_cast<std::uint16_t>(rest >> 16U); }
[[nodiscard]] constexpr std::uint16_t sequence_of(std::uint32_t rest) noexcept { return static_cast<std::uint16_t>(rest & 0xffffU); }

/// A clock for timestamps where UT is not known: RFC 791 and RFC 792 have the high-order bit set then.
[[nodiscard]] inline std::uint32_t milliseconds_not_ut(TimePoint now) noexcept {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return static_cast<std::uint32_t>(count) | 0x8000'0000U;
}

}  // namespace tapir::icmp
