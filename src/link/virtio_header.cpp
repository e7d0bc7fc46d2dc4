#include "virtio_header.hpp"

#include <tapir/core/branch.hpp>
#include <tapir/core/byte_order.hpp>

#include "frame_view.hpp"
#include "header_fields.hpp"

namespace tapir::link {

namespace {
using namespace header_fields;

/// Where the headers of a frame start.
struct Marks {
  std::int32_t network;
  std::int32_t transport;
};

/// nullopt when the frame is not what the kind says, in an IPv4 datagram, with or without an 802.1Q tag.
std::optional<Marks> marks_of(const Packet& frame, GsoKind kind) noexcept {
  const auto view = FrameView::of(frame);
  if (!view || view->ether_type != kEtherTypeIpv4) return std::nullopt;
  const std::size_t network = view->network;
  const auto version_and_length = frame.peek<be8>(network);
  const auto protocol = frame.peek<be8>(network + kIpProtocol);
  if (!protocol || protocol->get() != protocol_of(kind)) return std::nullopt;
  const std::size_t header_size = std::size_t{version_and_length->get() & 0x0fU} * 4;
  if (version_and_length->get() >> 4U != 4 || header_size < kIpHeader) return std::nullopt;
  const std::size_t transport = network + header_size;
  if (transport_header_size(frame, transport, kind) == 0) return std::nullopt;
  return Marks{static_cast<std::int32_t>(network), static_cast<std::int32_t>(transport)};
}

/// Of a frame that is said to be a super-packet.
[[gnu::noinline]] Accepted apply_gso(const VirtioHeader& header, std::uint8_t type, Packet& frame) noexcept {
  PacketMeta& meta = frame.meta();
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
}  // namespace

VirtioHeader describe(const Packet& frame) noexcept {
  const PacketMeta& meta = frame.meta();
  VirtioHeader header;
  if (likely(meta.checksum == ChecksumState::partial) && likely(meta.transport >= 0)) {
    header.flags = kVirtioNeedsChecksum;
    header.checksum_start = static_cast<std::uint16_t>(meta.transport);
    header.checksum_offset = meta.checksum_offset;
  }
  if (unlikely(meta.gso != GsoKind::none) && meta.transport >= 0) {
    const auto transport = static_cast<std::size_t>(meta.transport);
    header.gso_type = meta.gso == GsoKind::tcp4 ? kVirtioGsoTcp4 : kVirtioGsoUdp;
    header.gso_size = meta.gso_size;
    header.header_length = static_cast<std::uint16_t>(transport + transport_header_size(frame, transport, meta.gso));
  }
  return header;
}

Accepted apply(const VirtioHeader& header, Packet& frame) noexcept {
  PacketMeta& meta = frame.meta();
  if (likely((header.flags & kVirtioNeedsChecksum) != 0)) {
    if (unlikely(std::size_t{header.checksum_start} + header.checksum_offset + 2 > frame.size())) return std::unexpected{Drop::bad_length};
    meta.checksum = ChecksumState::partial;
    meta.transport = header.checksum_start;
    meta.checksum_offset = header.checksum_offset;
  } else if ((header.flags & kVirtioDataValid) != 0) {
    meta.checksum = ChecksumState::verified;
  }
  const auto type = static_cast<std::uint8_t>(header.gso_type & ~kVirtioGsoEcn);
  if (unlikely(type != kVirtioGsoNone)) return apply_gso(header, type, frame);
  return {};
}

}  // namespace tapir::link
