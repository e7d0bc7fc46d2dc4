#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tapir::ethernet {

/// Octets of preamble (seven 0x55) and start frame delimiter (0xD5) ahead of a frame (IEEE 802.3 section 3.2.1).
inline constexpr std::size_t preamble_size = 8;
/// The silence after a frame, in octet times: 96 bits (IEEE 802.3 section 4.4.2).
inline constexpr std::size_t interframe_gap = 12;
/// Frames without FCS are padded to this many bytes (64 with FCS).
inline constexpr std::size_t min_frame_size = 60;

/// How long a frame holds the line, in octet times. `frame_size`: bytes from the destination address on, without FCS.
[[nodiscard]] constexpr std::size_t line_octets(std::size_t frame_size) noexcept { return preamble_size + frame_size + 4 + interframe_gap; }

/// Every octet that the physical layer carries for a frame: preamble, delimiter, the frame, its FCS. `frame` has no FCS yet.
[[nodiscard]] std::vector<std::byte> wire_view(std::span<const std::byte> frame);

}  // namespace tapir::ethernet
