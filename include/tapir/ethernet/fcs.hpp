#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tapir {
class Packet;
}

namespace tapir::ethernet {

/// Bytes of the frame check sequence at the end of a frame.
inline constexpr std::size_t fcs_size = 4;

/// The frame check sequence of IEEE 802.3 section 3.2.9: CRC-32, reflected polynomial 0xEDB88320, initial value and final xor all ones.
[[nodiscard]] std::uint32_t crc32(std::span<const std::byte> bytes) noexcept;
/// The same over a packet's bytes, without gathering them.
[[nodiscard]] std::uint32_t crc32(const Packet& frame) noexcept;

/// Appends the FCS over all of `frame`, least significant octet first.
void append_fcs(Packet& frame);
/// Whether the last four bytes of `frame` are the FCS of what is before them.
[[nodiscard]] bool fcs_ok(const Packet& frame) noexcept;

}  // namespace tapir::ethernet
