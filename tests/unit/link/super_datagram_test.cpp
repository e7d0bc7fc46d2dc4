#include <catch2/catch.hpp>

#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>

#include <optional>

#include <support/lab.hpp>
#include <tapir/link/segmentation.hpp>
#include <virtio_header.hpp>

using namespace tapir;
using namespace tapir::test;
using link::VirtioHeader;

namespace {

constexpr std::size_t kHeaders = 20 + 8;

Bytes payload_of(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return bytes;
}

/// A datagram as libtins writes it, marked as a super-datagram.
Packet super_datagram(Lab& lab, const Bytes& payload, std::uint16_t each, std::uint16_t identification = 100) {
  Tins::IP ip{"192.0.2.1", "192.0.2.2"};
  ip.id(identification);
  ip.ttl(61);
  auto whole = ip / Tins::UDP{1883, 40000} /
               Tins::RawPDU{reinterpret_cast<const std::uint8_t*>(payload.data()), static_cast<std::uint32_t>(payload.size())};
  Packet packet = lab.packet(bytes_of(whole.serialize()));
  packet.meta() = {
      .network = 0, .transport = 20, .checksum = ChecksumState::partial, .gso = GsoKind::udp4, .gso_size = each, .checksum_offset = 6};
  return packet;
}

/// Ethernet, IPv4 and UDP headers with `payload` zero bytes behind.
Bytes udp_frame(std::size_t payload) {
  Bytes frame = hex("020000000002 020000000001 0800  45000000 00004000 40110000 c0000201 c0000202  0007c350 00000000");
  frame.resize(frame.size() + payload);
  return frame;
}

constexpr VirtioHeader kSuper{.flags = link::kVirtioNeedsChecksum,
                              .gso_type = link::kVirtioGsoUdp,
                              .header_length = 42,
                              .gso_size = 1000,
                              .checksum_start = 34,
                              .checksum_offset = 6};

}  // namespace

TEST_CASE("a super-datagram is cut into the datagrams that UDP would have sent", "[link]") {
  Lab lab;
  const std::size_t size = GENERATE(1U, 999U, 1000U, 1001U, 3000U, 3001U, 60'000U);
  const Bytes payload = payload_of(size);
  std::vector<Bytes> datagrams;
  link::split(super_datagram(lab, payload, 1000), [&](const Packet& datagram) {
    CHECK(datagram.meta().gso == GsoKind::none);
    CHECK(datagram.meta().checksum == ChecksumState::unverified);
    datagrams.push_back(datagram.bytes());
  });
  REQUIRE(datagrams.size() == (size + 999) / 1000);
  std::size_t at = 0;
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    Tins::IP ip{reinterpret_cast<const std::uint8_t*>(datagrams[i].data()), static_cast<std::uint32_t>(datagrams[i].size())};
    const auto& udp = ip.rfind_pdu<Tins::UDP>();
    CHECK(ip.tot_len() == datagrams[i].size());
    CHECK(ip.id() == 100 + i);
    CHECK(ip.ttl() == 61);
    CHECK(udp.sport() == 40000);
    CHECK(udp.dport() == 1883);
    CHECK(udp.length() == datagrams[i].size() - 20);
    const std::size_t piece = datagrams[i].size() - kHeaders;
    CHECK(piece == std::min<std::size_t>(1000, size - at));
    CHECK(std::ranges::equal(std::span{datagrams[i]}.subspan(kHeaders), std::span{payload}.subspan(at, piece)));
    at += piece;
    const auto checksums = std::pair{ip.checksum(), udp.checksum()};
    (void)ip.serialize();  // libtins computes its own
    CHECK(checksums == std::pair{ip.checksum(), ip.rfind_pdu<Tins::UDP>().checksum()});
  }
}

TEST_CASE("identifications wrap from one datagram of a super-datagram to the next", "[link]") {
  Lab lab;
  std::vector<std::uint16_t> numbers;
  link::split(super_datagram(lab, payload_of(20), 10, 0xffff),
              [&](const Packet& datagram) { numbers.push_back(datagram.peek<be16>(4)->get()); });
  CHECK(numbers == std::vector<std::uint16_t>{0xffff, 0});
}

TEST_CASE("a super-datagram without room for its header goes as it is", "[link]") {
  Lab lab;
  Packet packet = super_datagram(lab, payload_of(100), 10);
  packet.meta().transport = 124;  // four bytes before its end
  std::size_t count = 0;
  link::split(std::move(packet), [&](const Packet&) { ++count; });
  CHECK(count == 1);
}

TEST_CASE("the device is told of a super-datagram", "[link]") {
  Lab lab;
  Packet frame = lab.packet(udp_frame(3000));
  frame.meta().transport = 34;
  frame.meta().checksum = ChecksumState::partial;
  frame.meta().checksum_offset = 6;
  frame.meta().gso = GsoKind::udp4;
  frame.meta().gso_size = 1000;
  const VirtioHeader header = link::describe(frame);
  CHECK(header.flags == 1);
  CHECK(header.gso_type == 5);  // VIRTIO_NET_HDR_GSO_UDP_L4
  CHECK(+header.gso_size == 1000);
  CHECK(+header.header_length == 42);
  CHECK(+header.checksum_start == 34);
  CHECK(+header.checksum_offset == 6);
}

TEST_CASE("what the device says of a super-datagram is taken over, or refused by name", "[link]") {
  Lab lab;
  const auto verdict = [&](const VirtioHeader& header, const Bytes& bytes) -> std::optional<Drop> {
    Packet frame = lab.packet(bytes);
    const auto accepted = link::apply(header, frame);
    if (!accepted) return accepted.error();
    CHECK(frame.meta().gso == GsoKind::udp4);
    CHECK(frame.meta().gso_size == 1000);
    CHECK(frame.meta().network == 14);
    CHECK(frame.meta().transport == 34);
    return std::nullopt;
  };
  const Bytes good = udp_frame(3000);
  CHECK(verdict(kSuper, good) == std::nullopt);
  SECTION("no size of a datagram") {
    auto header = kSuper;
    header.gso_size = 0;
    CHECK(verdict(header, good) == Drop::bad_header);
  }
  SECTION("a checksum that nobody will complete") {
    auto header = kSuper;
    header.flags = link::kVirtioDataValid;
    CHECK(verdict(header, good) == Drop::bad_header);
  }
  SECTION("a segment of TCP") {
    auto bytes = good;
    bytes[14 + 9] = std::byte{6};
    CHECK(verdict(kSuper, bytes) == Drop::bad_header);
  }
  SECTION("no whole header of UDP behind the options of IPv4") {
    auto bytes = udp_frame(3);
    CHECK(verdict(kSuper, bytes) == std::nullopt);
    bytes[14] = std::byte{0x46};
    CHECK(verdict(kSuper, bytes) == Drop::bad_header);
  }
  SECTION("a frame that ends within it") { CHECK(verdict(kSuper, Bytes(good.begin(), good.begin() + 41)) == Drop::bad_length); }
}

TEST_CASE("a link says how large a super-packet of each kind may be", "[link]") {
  constexpr link::Capabilities kSegments{.max_super_segment = 65535};
  CHECK(kSegments.largest(GsoKind::tcp4) == 65535);
  CHECK(kSegments.largest(GsoKind::udp4) == 0);
  CHECK(kSegments.largest(GsoKind::none) == 0);
  constexpr link::Capabilities kBoth{.max_super_segment = 65535, .cuts_datagrams = true};
  CHECK(kBoth.largest(GsoKind::udp4) == 65535);
}
