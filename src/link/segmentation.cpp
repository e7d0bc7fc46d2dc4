#include <tapir/link/segmentation.hpp>

#include <algorithm>
#include <array>
#include <vector>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>

namespace tapir::link {

namespace {

// Where the fields lie that differ from one segment to the next (RFC 791 section 3.1, RFC 9293 section 3.1).
constexpr std::size_t kIpTotalLength = 2;
constexpr std::size_t kIpIdentification = 4;
constexpr std::size_t kIpChecksum = 10;
constexpr std::size_t kIpSource = 12;
constexpr std::size_t kTcpSequence = 4;
constexpr std::size_t kTcpDataOffset = 12;
constexpr std::size_t kTcpFlags = 13;
constexpr std::size_t kTcpChecksum = 16;
constexpr std::size_t kUdpChecksum = 6;
constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kCwr = 0x80;
constexpr std::uint16_t kTcp = 6;

template <class T>
void put(std::span<std::byte> at, std::size_t offset, T value) {
  const BigEndian<T> wire{value};
  std::memcpy(at.data() + offset, &wire, sizeof(wire));
}
template <class T>
T get(std::span<const std::byte> at, std::size_t offset) {
  BigEndian<T> wire;
  std::memcpy(&wire, at.data() + offset, sizeof(wire));
  return wire;
}

/// The headers of a super-segment: everything before the payload, and where in it each header starts.
struct Headers {
  std::vector<std::byte> bytes;
  std::size_t network;
  std::size_t transport;
};

/// nullopt when the marks or lengths do not describe a TCP segment in an IPv4 datagram.
std::optional<Headers> headers_of(const Packet& packet) {
  const PacketMeta& meta = packet.meta();
  if (meta.network < 0 || meta.transport < meta.network + 20) return std::nullopt;
  const auto transport = static_cast<std::size_t>(meta.transport);
  const auto data_offset = packet.peek<be8>(transport + kTcpDataOffset);
  if (!data_offset) return std::nullopt;
  const std::size_t tcp_size = static_cast<std::size_t>(data_offset->get() >> 4U) * 4;
  if (tcp_size < 20) return std::nullopt;
  Headers headers{std::vector<std::byte>(transport + tcp_size), static_cast<std::size_t>(meta.network), transport};
  if (!packet.copy_out(0, headers.bytes)) return std::nullopt;
  return headers;
}

/// What differs in the segment that starts `offset` payload bytes into the super-segment.
void write_headers(std::span<std::byte> bytes, const Headers& original, std::size_t index, std::size_t offset, std::size_t payload_size,
                   bool first, bool last) {
  const auto ip = bytes.subspan(original.network, original.transport - original.network);
  const auto tcp = bytes.subspan(original.transport);
  put(ip, kIpTotalLength, static_cast<std::uint16_t>(bytes.size() - original.network + payload_size));
  put(ip, kIpIdentification, static_cast<std::uint16_t>(get<std::uint16_t>(ip, kIpIdentification) + index));
  put(ip, kIpChecksum, std::uint16_t{0});
  InternetChecksum header_sum;
  header_sum.add(ip);
  put(ip, kIpChecksum, header_sum.value());
  put(tcp, kTcpSequence, static_cast<std::uint32_t>(get<std::uint32_t>(tcp, kTcpSequence) + offset));
  auto flags = get<std::uint8_t>(tcp, kTcpFlags);
  if (!first) flags = static_cast<std::uint8_t>(flags & ~kCwr);
  if (!last) flags = static_cast<std::uint8_t>(flags & ~(kFin | kPsh));
  put(tcp, kTcpFlags, flags);
  InternetChecksum pseudo_header;
  pseudo_header.add(std::span<const std::byte>{ip}.subspan(kIpSource, 8));
  pseudo_header.add_word(kTcp);
  pseudo_header.add_word(static_cast<std::uint16_t>(tcp.size() + payload_size));
  put(tcp, kTcpChecksum, pseudo_header.folded());
}

}  // namespace

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

void split(Packet packet, const std::function<void(Packet)>& take) {
  const std::size_t mss = packet.meta().gso_size;
  const auto headers = packet.meta().gso == GsoKind::tcp4 && mss > 0 ? headers_of(packet) : std::nullopt;
  if (!headers) {
    complete_checksum(packet);
    take(std::move(packet));
    return;
  }
  const PacketMeta meta = packet.meta();
  packet.trim_front(headers->bytes.size());
  const std::size_t total = packet.size();
  for (std::size_t index = 0, offset = 0; index == 0 || offset < total; ++index, offset += mss) {
    const std::size_t size = std::min(mss, total - offset);
    Packet segment = packet.share();
    segment.trim_front(offset);
    segment.truncate(size);
    const auto bytes = segment.prepend_room(headers->bytes.size());
    std::memcpy(bytes.data(), headers->bytes.data(), bytes.size());
    write_headers(bytes, *headers, index, offset, size, offset == 0, offset + size == total);
    segment.meta() = meta;
    segment.meta().gso = GsoKind::none;
    segment.meta().gso_size = 0;
    segment.meta().checksum = ChecksumState::partial;
    segment.meta().checksum_offset = kTcpChecksum;
    complete_checksum(segment);
    take(std::move(segment));
  }
}

}  // namespace tapir::link
