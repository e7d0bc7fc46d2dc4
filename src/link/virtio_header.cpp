#include "virtio_header.hpp"

#include <tapir/core/byte_order.hpp>

#include "frame_view.hpp"

namespace tapir::link {

namespace {
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

/// nullopt when the frame is no TCP segment in an IPv4 datagram, with or without an 802.1Q tag.
std::optional<Marks> tcp4_marks(const Packet& frame) noexcept {
  constexpr std::uint8_t kTcp = 6;
  const auto view = FrameView::of(frame);
  if (!view || view->ether_type != kEtherTypeIpv4) return std::nullopt;
  const std::size_t network = view->network;
  const auto version_and_length = frame.peek<be8>(network);
  const auto protocol = frame.peek<be8>(network + 9);
  if (!protocol || protocol->get() != kTcp) return std::nullopt;
  const std::size_t header_size = std::size_t{version_and_length->get() & 0x0fU} * 4;
  if (version_and_length->get() >> 4U != 4 || header_size < 20) return std::nullopt;
  const std::size_t transport = network + header_size;
  const std::size_t tcp_size = tcp_header_size(frame, transport);
  if (tcp_size < 20 || transport + tcp_size > frame.size()) return std::nullopt;
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
  if (meta.gso == GsoKind::tcp4 && meta.transport >= 0) {
    const auto transport = static_cast<std::size_t>(meta.transport);
    header.gso_type = kVirtioGsoTcp4;
    header.gso_size = meta.gso_size;
    header.header_length = static_cast<std::uint16_t>(transport + tcp_header_size(frame, transport));
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
  if (type != kVirtioGsoTcp4 || header.gso_size == 0) return std::unexpected{Drop::bad_header};
  const auto marks = tcp4_marks(frame);
  if (!marks) return std::unexpected{Drop::bad_header};
  meta.network = marks->network;
  meta.transport = marks->transport;
  meta.gso = GsoKind::tcp4;
  meta.gso_size = header.gso_size;
  return {};
}

}  // namespace tapir::link
