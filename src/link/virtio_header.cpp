#include "virtio_header.hpp"

#include <tapir/core/byte_order.hpp>

#include "frame_view.hpp"

namespace tapir::link {

namespace {
constexpr std::size_t kUdpHeader = 8;  // RFC 768

/// Bytes of the TCP header that starts at `transport`, as its data offset says; 0 when it is not there.
std::size_t tcp_header_size(const Packet& frame, std::size_t transport) noexcept {
  const auto data_offset = frame.peek<be8>(transport + 12);
  return data_offset ? static_cast<std::size_t>(data_offset->get() >> 4U) * 4 : 0;
}
/// Where the headers of a frame start.
struct Marks {
  std::int32_t network;
  std::int32_t transport;
};

/// nullopt when the frame is not what the kind says, in an IPv4 datagram, with or without an 802.1Q tag.
std::optional<Marks> marks_of(const Packet& frame, GsoKind kind) noexcept {
  constexpr std::uint8_t kTcp = 6, kUdp = 17;
  const auto view = FrameView::of(frame);
  if (!view || view->ether_type != kEtherTypeIpv4) return std::nullopt;
  const std::size_t network = view->network;
  const auto version_and_length = frame.peek<be8>(network);
  const auto protocol = frame.peek<be8>(network + 9);
  if (!protocol || protocol->get() != (kind == GsoKind::tcp4 ? kTcp : kUdp)) return std::nullopt;
  const std::size_t header_size = std::size_t{version_and_length->get() & 0x0fU} * 4;
  if (version_and_length->get() >> 4U != 4 || header_size < 20) return std::nullopt;
  const std::size_t transport = network + header_size;
  const std::size_t size = kind == GsoKind::tcp4 ? tcp_header_size(frame, transport) : kUdpHeader;
  if (size < (kind == GsoKind::tcp4 ? 20 : kUdpHeader) || transport + size > frame.size()) return std::nullopt;
  return Marks{static_cast<std::int32_t>(network), static_cast<std::int32_t>(transport)};
}
}  // namespace

VirtioHeader describe(const Packet& frame) noexcept {
  const PacketMeta& meta = frame.meta();
  VirtioHeader header;
  if (meta.checksum == ChecksumState::partial && meta.transport >= 0) {
    header.flags = kVirtioNeedsChecksum;
    header.checksum_start = static_cast<std::uint16_t>(meta.transport);
    header.checksum_offset = meta.checksum_offset;
  }
  if (meta.gso != GsoKind::none && meta.transport >= 0) {
    const auto transport = static_cast<std::size_t>(meta.transport);
    const bool tcp = meta.gso == GsoKind::tcp4;
    header.gso_type = tcp ? kVirtioGsoTcp4 : kVirtioGsoUdp;
    header.gso_size = meta.gso_size;
    header.header_length = static_cast<std::uint16_t>(transport + (tcp ? tcp_header_size(frame, transport) : kUdpHeader));
  }
  return header;
}

Accepted apply(const VirtioHeader& header, Packet& frame) noexcept {
  PacketMeta& meta = frame.meta();
  if ((header.flags & kVirtioNeedsChecksum) != 0) {
    if (std::size_t{header.checksum_start} + header.checksum_offset + 2 > frame.size()) return std::unexpected{Drop::bad_length};
    meta.checksum = ChecksumState::partial;
    meta.transport = header.checksum_start;
    meta.checksum_offset = header.checksum_offset;
  } else if ((header.flags & kVirtioDataValid) != 0) {
    meta.checksum = ChecksumState::verified;
  }
  const auto type = static_cast<std::uint8_t>(header.gso_type & ~kVirtioGsoEcn);
  if (type == kVirtioGsoNone) return {};
  if ((type != kVirtioGsoTcp4 && type != kVirtioGsoUdp) || header.gso_size == 0) return std::unexpected{Drop::bad_header};
  const GsoKind kind = type == kVirtioGsoTcp4 ? GsoKind::tcp4 : GsoKind::udp4;
  if (kind == GsoKind::udp4 && meta.checksum != ChecksumState::partial)
    return std::unexpected{Drop::bad_header};  // that of the whole is none
  const auto marks = marks_of(frame, kind);
  if (!marks) return std::unexpected{Drop::bad_header};
  meta.network = marks->network;
  meta.transport = marks->transport;
  meta.gso = kind;
  meta.gso_size = header.gso_size;
  return {};
}

}  // namespace tapir::link
