#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <catch2/catch.hpp>

#include <tapir/core/checksum.hpp>
#include <tapir/ethernet/fcs.hpp>

#include "station.hpp"

using namespace tapir;
using namespace tapir::test;
using ethernet::EtherType;

namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kTcpChecksum = 16;

struct Segment {
  Bytes complete;  ///< as it stands on a wire
  Packet partial;  ///< the same with the pseudo-header's sum in the checksum field
};

/// A TCP segment with `payload` bytes, its checksum left to the link.
Segment segment(Station& station, std::size_t payload) {
  Tins::IP ip{"192.0.2.1", "192.0.2.2"};
  Tins::TCP tcp{80, 40000};
  tcp.seq(1000);
  tcp.ack_seq(5);
  tcp.flags(Tins::TCP::ACK | Tins::TCP::PSH);
  std::string text;
  for (std::size_t i = 0; i < payload; ++i) text.push_back(static_cast<char>(i % 251));
  ip /= tcp;
  ip /= Tins::RawPDU{text};
  const Bytes complete = bytes_of(ip.serialize());

  InternetChecksum pseudo;
  pseudo.add(std::span{complete}.subspan(12, 8));
  pseudo.add_word(6);
  pseudo.add_word(static_cast<std::uint16_t>(complete.size() - kIpHeader));
  Packet packet = station.lab.packet(complete);
  packet.mark_network();
  packet.meta().transport = kIpHeader;
  packet.meta().checksum = ChecksumState::partial;
  packet.meta().checksum_offset = kTcpChecksum;
  packet.overwrite(kIpHeader + kTcpChecksum, be16{pseudo.folded()});
  return {complete, std::move(packet)};
}

const ethernet::Send kToPeer{.destination = kPeer, .type = EtherType::ipv4};

}  // namespace

TEST_CASE("a partial checksum is completed for a link that does not", "[ethernet]") {
  Station station;
  auto [complete, packet] = segment(station, 101);
  REQUIRE(station.ethernet.encapsulate(std::move(packet), kToPeer));
  CHECK(part(station.sent_frame(), 14, complete.size()) == complete);
}

TEST_CASE("a partial checksum is left to a link that completes it", "[ethernet]") {
  Station station{{.address = kOwn}, {.completes_checksums = true}};
  auto [complete, packet] = segment(station, 101);
  REQUIRE(station.ethernet.encapsulate(std::move(packet), kToPeer));
  CHECK(part(station.sent_frame(), 14, complete.size()) != complete);
  const PacketMeta& meta = station.link.metas.at(0);
  CHECK(meta.checksum == ChecksumState::partial);
  CHECK(meta.network == 14);
  CHECK(meta.transport == 34);
}

TEST_CASE("a super-segment is split for a link that takes none", "[ethernet][RFC894-Frame-4]") {
  const bool fcs = GENERATE(false, true);
  Station station{{.address = kOwn}, {.carries_fcs = fcs}};
  auto [complete, packet] = segment(station, 3000);
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1460;
  REQUIRE(station.ethernet.encapsulate(std::move(packet), kToPeer));
  const auto frames = station.link.take();
  REQUIRE(frames.size() == 3);
  std::size_t offset = 0;
  for (const Bytes& frame : frames) {
    CHECK(frame.size() <= 1514 + (fcs ? 4 : 0));
    if (fcs) CHECK(ethernet::crc32(std::span{frame}) == 0x2144df1c);
    CHECK(part(frame, 0, 14) == hex("02005e100002 02005e100001 0800"));
    Tins::EthernetII parsed{raw(frame), static_cast<std::uint32_t>(frame.size() - (fcs ? 4 : 0))};
    auto& tcp = parsed.rfind_pdu<Tins::TCP>();
    CHECK(tcp.seq() == 1000 + offset);
    const auto checksum = tcp.checksum();
    const auto& payload = tcp.rfind_pdu<Tins::RawPDU>().payload();
    CHECK(bytes_of(payload) == part(complete, 40 + offset, payload.size()));
    offset += payload.size();
    (void)parsed.serialize();  // libtins computes its own
    CHECK(parsed.rfind_pdu<Tins::TCP>().checksum() == checksum);
  }
  CHECK(offset == 3000);
}

TEST_CASE("a super-segment goes whole to a link that takes it", "[ethernet]") {
  Station station{{.address = kOwn}, {.completes_checksums = true, .max_super_segment = 65535}};
  CHECK(station.ethernet.largest(GsoKind::tcp4) == 65535);
  auto [complete, packet] = segment(station, 9000);
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1460;
  REQUIRE(station.ethernet.encapsulate(std::move(packet), kToPeer));
  CHECK(station.sent_frame().size() == 14 + 9040);
}

TEST_CASE("a full link loses every segment of a split super-segment by name", "[ethernet][POLICY-ETH-8]") {
  Station station;
  auto [complete, packet] = segment(station, 3000);
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1460;
  station.link.full = true;
  CHECK(station.ethernet.encapsulate(std::move(packet), kToPeer) == fail(Error::would_block));
  CHECK(station.drops(Drop::queue_full) == 3);
}

TEST_CASE("a super-segment of which a part has left has left", "[ethernet]") {
  Station station;
  auto [complete, packet] = segment(station, 3000);
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1460;
  station.link.room = GENERATE(0U, 1U, 3U);
  CAPTURE(*station.link.room);
  CHECK(station.ethernet.encapsulate(std::move(packet), kToPeer).has_value() == (*station.link.room > 0));
  CHECK(station.drops(Drop::queue_full) == 3 - *station.link.room);
}

TEST_CASE("SNAP framing takes no super-segment whole", "[ethernet]") {
  Station station{{.address = kOwn, .framing = ethernet::Framing::snap}, {.completes_checksums = true, .max_super_segment = 65535}};
  CHECK(station.ethernet.largest(GsoKind::tcp4) == 0);
  auto [complete, packet] = segment(station, 3000);
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1452;
  REQUIRE(station.ethernet.encapsulate(std::move(packet), kToPeer));
  const auto frames = station.link.take();
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].size() == 1514);
}
