#include <tapir/link/segmentation.hpp>

#include <algorithm>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>

#include "header_fields.hpp"

namespace tapir::link {

using namespace header_fields;

namespace {
/// What completes the checksum that stands `field` bytes behind the transport header's start.
std::uint16_t complete(const Packet& packet, std::size_t transport, std::size_t field) {
  InternetChecksum sum;
  add_packet(sum, packet, transport);
  const std::uint16_t value = sum.value();
  // RFC 768: a UDP checksum of zero would say that there is none. TCP's may be zero.
  return value == 0 && field == kUdpChecksum ? std::uint16_t{0xffff} : value;
}
}  // namespace

void complete_checksum(Packet& packet) {
  PacketMeta& meta = packet.meta();
  if (meta.checksum != ChecksumState::partial || meta.transport < 0) return;
  const auto start = static_cast<std::size_t>(meta.transport);
  const std::uint16_t value = complete(packet, start, meta.checksum_offset);
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
  if (transport_size == 0 || headers_size_ > headers_.size() || !rest_.copy_out(0, std::span{headers_}.first(headers_size_))) return false;
  // What is the same in all of them is summed once.
  const auto ip = std::span{headers_}.subspan(network_, transport_ - network_);
  first_identification_ = get<std::uint16_t>(ip, kIpIdentification);
  for (const std::size_t differs : {kIpTotalLength, kIpIdentification, kIpChecksum}) put(ip, differs, std::uint16_t{0});
  header_sum_.add(ip);
  pseudo_header_sum_.add(std::span<const std::byte>{ip}.subspan(kIpSource, 8));
  pseudo_header_sum_.add_word(protocol_of(meta_.gso));
  return true;
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
  segment.meta().checksum = ChecksumState::unverified;
  segment.meta().checksum_offset = meta_.gso == GsoKind::tcp4 ? kTcpChecksum : kUdpChecksum;
  put(headers.subspan(transport_), segment.meta().checksum_offset, complete(segment, transport_, segment.meta().checksum_offset));
  ++index_;
  offset_ += size;
  return segment;
}

/// What differs in the segment that comes next.
void Segmenter::write_headers(std::span<std::byte> headers, std::size_t payload_size) const {
  const auto ip = headers.subspan(network_, transport_ - network_);
  const auto total_length = static_cast<std::uint16_t>(headers.size() - network_ + payload_size);
  const auto identification = static_cast<std::uint16_t>(first_identification_ + index_);
  InternetChecksum header_sum = header_sum_;
  header_sum.add_word(total_length);
  header_sum.add_word(identification);
  put(ip, kIpTotalLength, total_length);
  put(ip, kIpIdentification, identification);
  put(ip, kIpChecksum, header_sum.value());
  const auto transport = headers.subspan(transport_);
  const std::size_t size = transport.size() + payload_size;
  InternetChecksum pseudo_header = pseudo_header_sum_;
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
