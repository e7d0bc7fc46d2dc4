#pragma once

#include <cstddef>
#include <cstdint>

#include <tapir/core/drop.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::link {

/// struct virtio_net_hdr as TAP uses it with IFF_VNET_HDR (VIRTIO 1.2 section 5.1.6): ten bytes in the host's byte order. It lies anywhere: no reference to a member.
struct [[gnu::packed]] VirtioHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_length = 0;  ///< bytes of all headers
  std::uint16_t gso_size = 0;       ///< payload bytes in each segment
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10 && alignof(VirtioHeader) == 1);

inline constexpr std::uint8_t kVirtioNeedsChecksum = 1;
inline constexpr std::uint8_t kVirtioDataValid = 2;
inline constexpr std::uint8_t kVirtioGsoNone = 0;
inline constexpr std::uint8_t kVirtioGsoTcp4 = 1;
inline constexpr std::uint8_t kVirtioGsoUdp = 5;     ///< VIRTIO_NET_HDR_GSO_UDP_L4: datagrams, not the fragments of one
inline constexpr std::uint8_t kVirtioGsoEcn = 0x80;  ///< a flag beside the type: the segment carries CWR

/// What the device is told about a frame that goes out: its front is the Ethernet header.
[[nodiscard]] VirtioHeader describe(const Packet& frame) noexcept;

/// Takes over what the device says about a frame that came in. Drop::bad_header for a kind of super-segment that was never asked for
/// or that the frame is not, Drop::bad_length for offsets outside the frame: `frame` is then of no use.
[[nodiscard]] Accepted apply(const VirtioHeader& header, Packet& frame) noexcept;

}  // namespace tapir::link
