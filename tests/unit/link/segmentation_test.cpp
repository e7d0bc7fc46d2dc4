#include <catch2/catch.hpp>

#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include <algorithm>

#include <support/lab.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>
#include <tapir/link/segmentation.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

/// One TCP segment to be, as libtins describes it.
struct Spec {
  std::uint16_t identification = 0;
  std::uint32_t sequence = 0;
  std::uint16_t flags = 0;
  int ip_options = 0;   ///< no-operation options, of one byte
  int tcp_options = 0;  ///< likewise
  bool timestamp = false;
};

Bytes ip_packet(const Spec& spec, std::span<const std::byte> payload) {
  Tins::IP ip{"192.0.2.1", "192.0.2.2"};
  ip.id(spec.identification);
  ip.ttl(61);
  ip.tos(0x12);
  ip.flags(Tins::IP::DONT_FRAGMENT);
  for (int i = 0; i < spec.ip_options; ++i) ip.noop();
  Tins::TCP tcp{1883, 40000};
  tcp.seq(spec.sequence);
  tcp.ack_seq(0xfedcba98);
  tcp.window(501);
  tcp.flags(spec.flags);
  if (spec.timestamp) tcp.timestamp(0x01020304, 0x05060708);
  for (int i = 0; i < spec.tcp_options; ++i) tcp.add_option(Tins::TCP::option{Tins::TCP::NOP});
  auto packet = ip / tcp;
  if (!payload.empty())
    packet /= Tins::RawPDU{reinterpret_cast<const std::uint8_t*>(payload.data()), static_cast<std::uint32_t>(payload.size())};
  return bytes_of(packet.serialize());
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random.below(256));
  return bytes;
}

Bytes concat(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// The packet `bytes`: headers in its head, the payload in slices of at most `chunk` bytes.
Packet sliced(Lab& lab, const Bytes& bytes, std::size_t headers, std::size_t chunk) {
  Packet packet{lab.pool};
  for (std::size_t at = headers; at < bytes.size(); at += chunk) {
    packet.append(lab.pool.copy(std::span{bytes}.subspan(at, std::min(chunk, bytes.size() - at))));
  }
  packet.prepend_bytes(std::span{bytes}.first(headers));
  return packet;
}

std::vector<Bytes> split_up(Packet packet, std::vector<PacketMeta>* metas = nullptr) {
  std::vector<Bytes> segments;
  link::split(std::move(packet), [&](Packet segment) {
    segments.push_back(segment.bytes());
    if (metas != nullptr) metas->push_back(segment.meta());
  });
  return segments;
}

constexpr std::uint16_t kFin = 0x01;
constexpr std::uint16_t kPsh = 0x08;
constexpr std::uint16_t kCwr = 0x80;

}  // namespace

TEST_CASE("splitting a super-segment gives what unsegmented TCP would send", "[link]") {
  Lab lab;
  for (int round = 0; round < 300; ++round) {
    const std::size_t mss = 1 + lab.random.below(round % 4 == 0 ? 40 : 9000);
    const std::size_t size = std::min<std::size_t>(lab.random.below(40 * mss), 64000);
    const std::size_t segments = std::max<std::size_t>((size + mss - 1) / mss, 1);
    const Spec super{.identification = static_cast<std::uint16_t>(round % 3 == 0 ? 0xfffe : lab.random.below(0x10000)),
                     .sequence = static_cast<std::uint32_t>(round % 5 == 0 ? 0xfffffff0U : lab.random.next()),
                     .flags = static_cast<std::uint16_t>(lab.random.below(0x100)),
                     .ip_options = static_cast<int>(lab.random.below(41)),
                     .tcp_options = static_cast<int>(lab.random.below(29)),
                     .timestamp = lab.random.below(2) == 0};
    const Bytes payload = random_bytes(lab.random, size);
    const Bytes front = round % 2 == 0 ? random_bytes(lab.random, 14) : Bytes{};
    Bytes whole = concat(front, ip_packet(super, payload));
    const std::size_t headers = whole.size() - size;
    const std::size_t ip_header = std::to_integer<std::size_t>(whole[front.size()] & std::byte{0x0f}) * 4;
    CAPTURE(round, mss, size, headers);

    Packet packet = sliced(lab, whole, headers, 1 + lab.random.below(5000));
    packet.meta().network = static_cast<std::int32_t>(front.size());
    packet.meta().transport = static_cast<std::int32_t>(front.size() + ip_header);
    packet.meta().gso = GsoKind::tcp4;
    packet.meta().gso_size = static_cast<std::uint16_t>(mss);
    packet.meta().checksum = ChecksumState::partial;
    packet.meta().checksum_offset = 16;

    std::vector<PacketMeta> metas;
    const auto found = split_up(std::move(packet), &metas);
    REQUIRE(found.size() == segments);
    for (std::size_t i = 0; i < segments; ++i) {
      Spec spec = super;
      spec.identification = static_cast<std::uint16_t>(super.identification + i);
      spec.sequence = static_cast<std::uint32_t>(super.sequence + i * mss);
      if (i > 0) spec.flags = static_cast<std::uint16_t>(spec.flags & ~kCwr);
      if (i + 1 < segments) spec.flags = static_cast<std::uint16_t>(spec.flags & ~(kFin | kPsh));
      const auto part = std::span{payload}.subspan(i * mss, std::min(mss, size - i * mss));
      CAPTURE(i);
      REQUIRE(found[i] == concat(front, ip_packet(spec, part)));
      CHECK(metas[i].gso == GsoKind::none);
      CHECK(metas[i].checksum == ChecksumState::unverified);
      CHECK(metas[i].network == static_cast<std::int32_t>(front.size()));
      CHECK(metas[i].transport == static_cast<std::int32_t>(front.size() + ip_header));
    }
  }
}

TEST_CASE("splitting shares the payload", "[link]") {
  Lab lab;
  const Slice payload = lab.pool.copy(Bytes(4000, std::byte{7}));
  Packet packet{lab.pool};
  packet.append(payload);
  packet.prepend_bytes(ip_packet({}, {}));
  packet.meta().network = 0;
  packet.meta().transport = 20;
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1000;
  std::size_t shared = 0;
  link::split(std::move(packet), [&](Packet segment) {
    const std::byte* last = nullptr;
    segment.for_each_chunk([&](std::span<const std::byte> chunk) { last = chunk.data(); });
    if (last == payload.bytes().data() + shared * 1000) ++shared;
  });
  CHECK(shared == 4);
}

TEST_CASE("a packet that is no super-segment passes as it is, its checksum completed", "[link]") {
  Lab lab;
  const Bytes expected = ip_packet({.flags = 0x10}, Bytes(31, std::byte{0x5a}));
  Packet packet = lab.packet(expected);
  packet.meta().transport = 20;
  packet.meta().checksum_offset = 16;
  packet.meta().checksum = ChecksumState::partial;
  InternetChecksum pseudo_header;
  pseudo_header.add(std::span{expected}.subspan(12, 8));
  pseudo_header.add_word(6);
  pseudo_header.add_word(static_cast<std::uint16_t>(expected.size() - 20));
  REQUIRE(packet.overwrite(36, be16{pseudo_header.folded()}));
  REQUIRE(packet.bytes() != expected);
  CHECK(split_up(std::move(packet)) == std::vector<Bytes>{expected});

  SECTION("without a partial checksum nothing is touched") {
    Bytes odd = expected;
    odd[36] ^= std::byte{0xff};
    CHECK(split_up(lab.packet(odd)) == std::vector<Bytes>{odd});
  }
}

TEST_CASE("marks that lead nowhere do not break the splitter", "[link]") {
  Lab lab;
  const Bytes bytes = ip_packet({}, Bytes(3000, std::byte{1}));
  for (const auto& [network, transport] : {std::pair{-1, 20}, {0, 10}, {0, 3030}, {0, 5000}, {2900, 3035}}) {
    Packet packet = lab.packet(bytes);
    packet.meta().network = network;
    packet.meta().transport = transport;
    packet.meta().gso = GsoKind::tcp4;
    packet.meta().gso_size = 1000;
    CHECK(split_up(std::move(packet)) == std::vector<Bytes>{bytes});
  }
}

TEST_CASE("a UDP checksum that comes to zero is sent as all ones, TCP's as zero", "[link]") {
  Lab lab;
  // The data word is chosen so that the sum over pseudo-header, header and data is 0xffff.
  Tins::IP ip{"192.0.2.1", "192.0.2.2"};
  Tins::UDP udp{7, 40000};
  const Bytes zero(2);
  auto with = [&](const Bytes& data) {
    return bytes_of((ip / udp / Tins::RawPDU{reinterpret_cast<const std::uint8_t*>(data.data()), 2}).serialize());
  };
  const Bytes plain = with(zero);
  const Bytes data{plain[26], plain[27]};  // the checksum as data brings the sum to 0xffff
  Bytes expected = with(data);
  expected[26] = expected[27] = std::byte{0xff};

  Packet packet = lab.packet(expected);
  InternetChecksum pseudo_header;
  pseudo_header.add(std::span{expected}.subspan(12, 8));
  pseudo_header.add_word(17);
  pseudo_header.add_word(10);
  REQUIRE(packet.overwrite(26, be16{pseudo_header.folded()}));
  packet.meta().transport = 20;
  packet.meta().checksum = ChecksumState::partial;
  packet.meta().checksum_offset = 6;
  link::complete_checksum(packet);
  CHECK(packet.bytes() == expected);

  // The same bytes, but the field that is completed lies where TCP has its own.
  Bytes tcp(24);
  tcp[16] = tcp[17] = std::byte{0xff};
  Packet segment = lab.packet(tcp);
  segment.meta().transport = 0;
  segment.meta().checksum = ChecksumState::partial;
  segment.meta().checksum_offset = 16;
  link::complete_checksum(segment);
  CHECK(segment.peek<be16>(16) == be16{std::uint16_t{0}});
}
