#pragma once

#include <cstddef>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>

namespace tapir::udp {

/// RFC 768.
struct Header {
  BigEndian<Port> source_port;
  BigEndian<Port> destination_port;
  be16 length;    ///< header and data in bytes, at least 8
  be16 checksum;  ///< 0: the sender made none
};
static_assert(sizeof(Header) == 8 && alignof(Header) == 1);

inline constexpr std::size_t kChecksumOffset = 6;

/// Bytes that `size` bytes of IPv4 options take in the header: whole 32-bit words.
[[nodiscard]] constexpr std::size_t padded_options(std::size_t size) noexcept { return (size + 3) / 4 * 4; }

}  // namespace tapir::udp
