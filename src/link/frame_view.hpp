#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/link/steering.hpp>

namespace tapir::link {

inline constexpr std::uint32_t kSteeringMultiplier1 = 0x85eb'ca6bU, kSteeringMultiplier2 = 0xc2b2'ae35U;

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800, kEtherTypeArp = 0x0806;

/// What a frame carries and where that starts: behind the Ethernet header and, when there is one, the 802.1Q tag.
struct FrameView {
  std::uint16_t ether_type;
  std::size_t network;  ///< bytes from the frame's front

  /// nullopt when the frame ends before its EtherType.
  [[nodiscard]] static std::optional<FrameView> of(const Packet& frame) noexcept {
    constexpr std::uint16_t kTagged = 0x8100;
    constexpr std::size_t kHeader = 14, kTag = 4;
    auto type = frame.peek<be16>(kHeader - 2);
    if (!type) return std::nullopt;
    if (type->get() != kTagged) return FrameView{type->get(), kHeader};
    type = frame.peek<be16>(kHeader + kTag - 2);
    if (!type) return std::nullopt;
    return FrameView{type->get(), kHeader + kTag};
  }
};

/// What steering needs to know of an IPv4 header (RFC 791 section 3.1). It is not checked further: that is IP's.
struct Ipv4View {
  std::size_t payload;  ///< where it starts, bytes from the frame's front
  std::uint16_t identification;
  std::uint16_t fragment;  ///< the flags and the offset
  std::uint8_t protocol;
  std::uint32_t source;
  std::uint32_t destination;

  /// nullopt when there is no whole header of version 4.
  [[nodiscard]] static std::optional<Ipv4View> at(const Packet& frame, std::size_t offset) noexcept {
    const auto first = frame.peek<be8>(offset);
    const auto identification = frame.peek<be16>(offset + 4), fragment = frame.peek<be16>(offset + 6);
    const auto protocol = frame.peek<be8>(offset + 9);
    const auto source = frame.peek<be32>(offset + 12), destination = frame.peek<be32>(offset + 16);
    if (!destination || first->get() >> 4U != 4) return std::nullopt;
    const std::size_t size = std::size_t{first->get() & 0x0fU} * 4;
    return Ipv4View{offset + size, identification->get(), fragment->get(), protocol->get(), source->get(), destination->get()};
  }

  [[nodiscard]] bool is_fragment() const noexcept { return (fragment & 0x3fffU) != 0; }
  [[nodiscard]] bool is_later_fragment() const noexcept { return (fragment & 0x1fffU) != 0; }
  /// TCP's and UDP's headers begin with the source's port and the destination's.
  [[nodiscard]] bool has_ports() const noexcept { return protocol == 6 || protocol == 17; }
};

/// Whose a datagram for us is, by the ports that it shows; shard 0's without any.
[[nodiscard]] inline std::size_t owner_of(const Steering& steering, const Packet& frame, const Ipv4View& datagram) noexcept {
  if (!datagram.has_ports()) return 0;
  const auto peers = frame.peek<be16>(datagram.payload), ours = frame.peek<be16>(datagram.payload + 2);
  if (!peers || !ours) return 0;
  return steering.owner(Port{ours->get()}, Ipv4Address{datagram.source}, Port{peers->get()});
}

}  // namespace tapir::link
