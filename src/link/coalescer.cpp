#include <tapir/link/coalescer.hpp>

#include <cstring>
#include <tuple>
#include <utility>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>

#include "header_fields.hpp"

namespace tapir::link {

namespace {

using namespace header_fields;
constexpr std::size_t kEtherType = 12;
constexpr std::size_t kNetwork = 14;  // where the IPv4 header starts
constexpr std::size_t kTransport = kNetwork + kIpHeader;
constexpr std::uint16_t kIpv4 = 0x0800;
constexpr std::uint16_t kDontFragment = 0x4000;

bool same(std::span<const std::byte> a, std::span<const std::byte> b, std::size_t from, std::size_t to) {
  return std::memcmp(a.data() + from, b.data() + from, to - from) == 0;
}

}  // namespace

void Coalescer::take(Packet frame, Demultiplexer<Received>& up) {
  const auto segment = candidate(frame);
  const bool sound = segment && checksum_ok(frame, *segment);
  if (held_ && !(sound && continues(*segment))) flush(up);
  if (!sound) {
    std::ignore = up.demultiplex(std::move(frame), {});
    return;
  }
  const bool last = last_of_all(*segment);
  if (held_) {
    join(frame, *segment);
  } else {
    hold(std::move(frame), *segment);
  }
  if (last) flush(up);
}

bool Coalescer::join_next(const Packet& frame, Demultiplexer<Received>& up) {
  if (!held_) return false;
  const auto segment = candidate(frame);
  if (!segment || !continues(*segment) || !checksum_ok(frame, *segment)) return false;
  const bool last = last_of_all(*segment);
  join(frame, *segment);
  if (last) flush(up);
  return true;
}

void Coalescer::flush(Demultiplexer<Received>& up) {
  if (!held_) return;
  if (segments_ > 1) {
    write_headers();
  } else {
    held_->meta().checksum = ChecksumState::verified;
  }
  Packet packet = std::move(*held_);
  held_.reset();
  std::ignore = up.demultiplex(std::move(packet), {});
}

std::optional<Coalescer::Segment> Coalescer::candidate(const Packet& frame) {
  const auto bytes = frame.front();
  if (bytes.size() < kTransport + kTcpHeader || frame.meta().gso != GsoKind::none) return std::nullopt;
  if (get<std::uint16_t>(bytes, kEtherType) != kIpv4 || bytes[kNetwork] != std::byte{0x45}) return std::nullopt;
  const auto ip = bytes.subspan(kNetwork, kIpHeader);
  if (get<std::uint8_t>(ip, kIpProtocol) != kTcp || (get<std::uint16_t>(ip, kIpFragmentation) & ~kDontFragment) != 0) return std::nullopt;
  if (frame.size() != kNetwork + get<std::uint16_t>(ip, kIpTotalLength)) return std::nullopt;
  const auto tcp = bytes.subspan(kTransport);
  const std::size_t headers_size = kTransport + std::size_t{get<std::uint8_t>(tcp, kTcpDataOffset)} / 16 * 4;
  if (headers_size < kTransport + kTcpHeader || headers_size > bytes.size() || headers_size >= frame.size()) return std::nullopt;
  if ((get<std::uint8_t>(tcp, kTcpFlags) & ~kPsh) != kAck) return std::nullopt;
  return Segment{bytes.first(headers_size), frame.size() - headers_size};
}

bool Coalescer::checksum_ok(const Packet& frame, const Segment& segment) {
  const auto ip = segment.headers.subspan(kNetwork, kIpHeader);
  InternetChecksum header;
  header.add(ip);
  if (header.value() != 0) return false;
  if (frame.meta().checksum != ChecksumState::unverified) return true;
  InternetChecksum sum;
  sum.add(ip.subspan(kIpSource, 8));
  sum.add_word(kTcp);
  sum.add_word(static_cast<std::uint16_t>(frame.size() - kTransport));
  add_packet(sum, frame, kTransport);
  return sum.value() == 0;
}

/// Whether it is what would come next if what is held had been cut.
bool Coalescer::continues(const Segment& segment) const {
  const auto now = segment.headers;
  const auto before = held_->front();
  if (now.size() != headers_size_ || segment.payload_size > mss_) return false;
  if (headers_size_ - kNetwork + payload_size_ + segment.payload_size > kLargest) return false;
  const auto ip = now.subspan(kNetwork, kIpHeader);
  const auto tcp = now.subspan(kTransport);
  if (get<std::uint32_t>(tcp, kTcpSequence) != next_sequence_) return false;
  // RFC 6864: only with DF may the number be anything; then it means nothing.
  const bool atomic = (get<std::uint16_t>(ip, kIpFragmentation) & kDontFragment) != 0;
  const auto expected = static_cast<std::uint16_t>(first_identification_ + segments_);
  if (!atomic && get<std::uint16_t>(ip, kIpIdentification) != expected) return false;
  return same(now, before, 0, kNetwork + kIpTotalLength) && same(now, before, kNetwork + kIpFragmentation, kNetwork + kIpChecksum) &&
         same(now, before, kNetwork + kIpSource, kTransport + kTcpSequence) &&
         same(now, before, kTransport + kTcpAcknowledgment, kTransport + kTcpFlags) &&
         same(now, before, kTransport + kTcpWindow, kTransport + kTcpChecksum) && same(now, before, kTransport + kTcpUrgent, headers_size_);
}

/// A super-segment's last may be short or pushed, and no other: nothing is joined behind it.
bool Coalescer::last_of_all(const Segment& segment) const {
  const bool shorter = held_ && segment.payload_size < mss_;
  return shorter || (get<std::uint8_t>(segment.headers, kTransport + kTcpFlags) & kPsh) != 0;
}

void Coalescer::hold(Packet frame, const Segment& segment) {
  headers_size_ = segment.headers.size();
  mss_ = payload_size_ = segment.payload_size;
  segments_ = 1;
  first_identification_ = get<std::uint16_t>(segment.headers, kNetwork + kIpIdentification);
  next_sequence_ = get<std::uint32_t>(segment.headers, kTransport + kTcpSequence) + static_cast<std::uint32_t>(segment.payload_size);
  pushed_ = false;
  held_.emplace(std::move(frame));
}

/// Copies the payload behind what is held: a slab for all of it, not one for each frame, is what a receive buffer keeps.
void Coalescer::join(const Packet& frame, const Segment& segment) {
  const std::size_t end = Packet::headroom + headers_size_ + payload_size_;
  if (segments_ == 1) {
    joined_ = held_->pool().slab(PacketPool::super_capacity);
    (void)held_->copy_out(0, joined_.bytes().subspan(Packet::headroom, headers_size_ + payload_size_));
    const PacketMeta meta = held_->meta();
    held_.emplace(held_->pool(), joined_, Packet::headroom, headers_size_);
    held_->meta() = meta;
  }
  (void)frame.copy_out(headers_size_, joined_.bytes().subspan(end, segment.payload_size));
  ++segments_;
  payload_size_ += segment.payload_size;
  next_sequence_ += static_cast<std::uint32_t>(segment.payload_size);
  pushed_ = (get<std::uint8_t>(segment.headers, kTransport + kTcpFlags) & kPsh) != 0;
}

/// Those of one datagram that holds all. Its TCP checksum is left to whoever puts it on a wire again: those of all segments were right.
void Coalescer::write_headers() {
  const auto bytes = joined_.bytes().subspan(Packet::headroom, headers_size_);
  const auto ip = bytes.subspan(kNetwork, kIpHeader);
  const auto tcp = bytes.subspan(kTransport);
  put(ip, kIpTotalLength, static_cast<std::uint16_t>(headers_size_ - kNetwork + payload_size_));
  put(ip, kIpChecksum, std::uint16_t{0});
  InternetChecksum header;
  header.add(ip);
  put(ip, kIpChecksum, header.value());
  if (pushed_) put(tcp, kTcpFlags, static_cast<std::uint8_t>(kAck | kPsh));
  InternetChecksum pseudo_header;
  pseudo_header.add(ip.subspan(kIpSource, 8));
  pseudo_header.add_word(kTcp);
  pseudo_header.add_word(static_cast<std::uint16_t>(tcp.size() + payload_size_));
  put(tcp, kTcpChecksum, pseudo_header.folded());
  PacketMeta meta = held_->meta();
  meta.network = static_cast<std::int32_t>(kNetwork);
  meta.transport = static_cast<std::int32_t>(kTransport);
  meta.checksum = ChecksumState::partial;
  meta.checksum_offset = kTcpChecksum;
  meta.gso = GsoKind::tcp4;
  meta.gso_size = static_cast<std::uint16_t>(mss_);
  PacketPool& pool = held_->pool();
  held_.emplace(pool, std::exchange(joined_, SlabRef{}), Packet::headroom, headers_size_ + payload_size_);
  held_->meta() = meta;
}

}  // namespace tapir::link
