#include <tapir/link/segmentation.hpp>

#include <algorithm>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>

#include "header_fields.hpp"

namespace tapir::link {

using namespace header_fields;

void complete_checksum(Packet& packet) {
  PacketMeta& meta = packet.meta();
  if (meta.checksum != ChecksumState::partial || meta.transport < 0) return;
  const auto start = static_cast<std::size_t>(meta.transport);
  InternetChecksum sum;
  add_packet(sum, packet, start);
  // RFC 768: a UDP checksum of zero would say that there is none. TCP's may be zero.
  const bool udp = meta.checksum_offset == kUdpChecksum;
  const std::uint16_t value = udp && sum.value() == 0 ? std::uint16_t{0xffff} : sum.value();
  if (packet.overwrite(start + meta.checksum_offset, be16{value})) meta.checksum = ChecksumState::unverified;
}

Segmenter::Segmenter(Packet packet) : rest_{std::move(packet)}, meta_{rest_.meta()} {
  whole_ = meta_.gso == GsoKind::none || meta_.gso_size == 0 || !read_headers();
  if (!whole_) rest_.trim_front(headers_size_);
}

/// Whether the marks and lengths describe what the kind says in an IPv4 datagram.
bool Segmenter::read_headers() {
  if (meta_.network < 0 || meta_.transport < meta_.network + 20) return false;
  network_ = static_cast<std::size_t>(meta_.network);
  transport_ = static_cast<std::size_t>(meta_.transport);
  const std::size_t transport_size = transport_header_size(rest_, transport_, meta_.gso);
  headers_size_ = transport_ + transport_size;
  return transport_size > 0 && headers_size_ <= headers_.size() && rest_.copy_out(0, std::span{headers_}.first(headers_size_));
}

std::optional<Packet> Segmenter::next() {
  if (over_) return std::nullopt;
  if (whole_) {
    over_ = true;
    complete_checksum(rest_);
    return std::move(rest_);
  }
  const std::size_t size = std::min<std::size_t>(meta_.gso_size, rest_.size());
  Packet segment = rest_.take_front(size);
  over_ = rest_.empty();
  const auto headers = segment.prepend_room(headers_size_);
  std::memcpy(headers.data(), headers_.data(), headers_size_);
  write_headers(headers, size);
  segment.meta() = meta_;
  segment.meta().gso = GsoKind::none;
  segment.meta().gso_size = 0;
  segment.meta().checksum = ChecksumState::partial;
  segment.meta().checksum_offset = meta_.gso == GsoKind::tcp4 ? kTcpChecksum : kUdpChecksum;
  complete_checksum(segment);
  ++index_;
  offset_ += size;
  return segment;
}

/// What differs in the segment that comes next.
void Segmenter::write_headers(std::span<std::byte> headers, std::size_t payload_size) const {
  const auto ip = headers.subspan(network_, transport_ - network_);
  put(ip, kIpTotalLength, static_cast<std::uint16_t>(headers.size() - network_ + payload_size));
  put(ip, kIpIdentification, static_cast<std::uint16_t>(get<std::uint16_t>(ip, kIpIdentification) + index_));
  put(ip, kIpChecksum, std::uint16_t{0});
  InternetChecksum header_sum;
  header_sum.add(ip);
  put(ip, kIpChecksum, header_sum.value());
  const auto transport = headers.subspan(transport_);
  const std::size_t size = transport.size() + payload_size;
  InternetChecksum pseudo_header;
  pseudo_header.add(std::span<const std::byte>{ip}.subspan(kIpSource, 8));
  pseudo_header.add_word(protocol_of(meta_.gso));
  pseudo_header.add_word(static_cast<std::uint16_t>(size));
  if (meta_.gso == GsoKind::tcp4) {
    write_tcp_header(transport, pseudo_header.folded());
  } else {
    put(transport, kUdpLength, static_cast<std::uint16_t>(size));
    put(transport, kUdpChecksum, pseudo_header.folded());
  }
}

void Segmenter::write_tcp_header(std::span<std::byte> tcp, std::uint16_t checksum) const {
  put(tcp, kTcpSequence, static_cast<std::uint32_t>(get<std::uint32_t>(tcp, kTcpSequence) + offset_));
  auto flags = get<std::uint8_t>(tcp, kTcpFlags);
  if (index_ > 0) flags = static_cast<std::uint8_t>(flags & ~kCwr);
  if (!over_) flags = static_cast<std::uint8_t>(flags & ~(kFin | kPsh));
  put(tcp, kTcpFlags, flags);
  put(tcp, kTcpChecksum, checksum);
}

}  // namespace tapir::link
