#include <tins/dot3.h>
#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/snap.h>
#include <tins/udp.h>
#include <catch2/catch.hpp>

#include "station.hpp"

using namespace tapir;
using namespace tapir::test;
using ethernet::EtherType;

namespace {

/// An IPv4 datagram of `size` bytes, built by libtins.
Bytes datagram(std::size_t size) {
  Tins::IP ip{"192.0.2.1", "192.0.2.2"};
  ip /= Tins::UDP{7, 7};
  ip /= Tins::RawPDU{std::string(size - 28, 'x')};
  return bytes_of(ip.serialize());
}

}  // namespace

TEST_CASE("an IPv4 datagram leaves behind two addresses and type 0800", "[ethernet][RFC894-Frame-1][RFC1122-2.3.3-1][POLICY-ETH-7]") {
  Station station;
  const Bytes ip = datagram(100);
  REQUIRE(station.send(ip));
  const Bytes frame = station.sent_frame();
  CHECK(part(frame, 0, 14) == hex("02005e100002 02005e100001 0800"));
  CHECK(part(frame, 14, 100) == ip);

  const Tins::EthernetII parsed{raw(frame), static_cast<std::uint32_t>(frame.size())};
  CHECK(parsed.dst_addr().to_string() == "02:00:5e:10:00:02");
  CHECK(parsed.src_addr().to_string() == "02:00:5e:10:00:01");
  CHECK(parsed.payload_type() == 0x0800);
  CHECK(parsed.rfind_pdu<Tins::IP>().dst_addr() == "192.0.2.1");
  CHECK(station.ethernet.stats().out_frames == 1);
  CHECK(station.ethernet.stats().out_bytes == 114);
}

TEST_CASE("a short datagram is padded with zeros to 60 bytes", "[ethernet][RFC894-Frame-2][RFC894-Frame-3]") {
  Station station;
  const auto size = GENERATE(std::size_t{28}, std::size_t{29}, std::size_t{45}, std::size_t{46}, std::size_t{47});
  const Bytes ip = datagram(size);
  REQUIRE(station.send(ip));
  const Bytes frame = station.sent_frame();
  CHECK(frame.size() == std::max<std::size_t>(60, 14 + size));
  CHECK(part(frame, 14, size) == ip);
  CHECK(part(frame, 16, 2) == Bytes{std::byte{0}, static_cast<std::byte>(size)});  // the IP length knows nothing of the padding
  for (std::size_t i = 14 + size; i < frame.size(); ++i) CHECK(frame[i] == std::byte{0});
}

TEST_CASE("padding can be turned off", "[ethernet]") {
  Station station{{.address = kOwn, .pad = false}};
  REQUIRE(station.send(datagram(28)));
  CHECK(station.sent_frame().size() == 42);
}

TEST_CASE("a datagram of 1500 bytes leaves and one of 1501 is refused", "[ethernet][RFC894-Frame-4]") {
  Station station;
  REQUIRE(station.send(datagram(1500)));
  CHECK(station.sent_frame().size() == 1514);
  CHECK(station.send(datagram(1501)) == fail(Error::message_too_large));
  CHECK(station.link.take().empty());
}

TEST_CASE("the MTU is 1500, and 1492 with SNAP", "[ethernet][RFC1122-2.3.3-7]") {
  CHECK(Station{}.ethernet.mtu() == 1500);
  CHECK(Station{{.address = kOwn, .framing = ethernet::Framing::snap}}.ethernet.mtu() == 1492);
}

TEST_CASE("RFC 894 framing is the default and a switch selects SNAP", "[ethernet][RFC1122-2.3.3-3][RFC1122-2.3.3-4]") {
  const Bytes ip = datagram(100);
  {
    Station station;
    REQUIRE(station.send(ip));
    CHECK(part(station.sent_frame(), 12, 2) == hex("0800"));
  }
  Station station{{.address = kOwn, .framing = ethernet::Framing::snap}};
  REQUIRE(station.send(ip));
  const Bytes frame = station.sent_frame();
  CHECK(part(frame, 12, 10) == hex("006c aaaa03 000000 0800"));  // 108 bytes of LLC data
  CHECK(part(frame, 22, 100) == ip);

  const Tins::Dot3 parsed{raw(frame), static_cast<std::uint32_t>(frame.size())};
  CHECK(parsed.length() == 108);
  const Tins::SNAP snap{raw(frame) + 14, 108};
  CHECK(snap.dsap() == 0xaa);
  CHECK(snap.ssap() == 0xaa);
  CHECK(snap.control() == 3);
  CHECK(snap.org_code() == 0);
  CHECK(snap.eth_type() == 0x0800);
  CHECK(snap.rfind_pdu<Tins::IP>().dst_addr() == "192.0.2.1");

  SECTION("1492 bytes fit and 1493 do not") {
    REQUIRE(station.send(datagram(1492)));
    CHECK(station.sent_frame().size() == 1514);
    CHECK(station.send(datagram(1493)) == fail(Error::message_too_large));
  }
  SECTION("padding is not part of the 802.3 length") {
    REQUIRE(station.send(datagram(28)));
    const Bytes padded = station.sent_frame();
    CHECK(padded.size() == 60);
    CHECK(part(padded, 12, 2) == hex("0024"));
  }
}

TEST_CASE("no frame is a trailer or carries SAP 6", "[ethernet][RFC1122-2.3.3-5]") {
  const auto framing = GENERATE(ethernet::Framing::ethernet_ii, ethernet::Framing::snap);
  Station station{{.address = kOwn, .framing = framing}};
  for (std::size_t size = 28; size <= 1492; ++size) REQUIRE(station.send(datagram(size)));
  const auto frames = station.link.take();
  REQUIRE(frames.size() == 1465);
  for (const Bytes& frame : frames) {
    const auto field = static_cast<unsigned>(std::to_integer<unsigned>(frame[12]) << 8U | std::to_integer<unsigned>(frame[13]));
    if (field > 1500) {
      REQUIRE(field == 0x0800);
    } else {
      REQUIRE(frame[14] == std::byte{0xaa});
      REQUIRE(frame[15] == std::byte{0xaa});
    }
  }
}

TEST_CASE("the link sees the type of service", "[ethernet][RFC1122-2.4-2]") {
  Station station;
  REQUIRE(station.send(datagram(100), {.destination = kPeer, .type = EtherType::ipv4, .tos = 0x10}));
  REQUIRE(station.send(datagram(100)));
  CHECK(station.link.metas.at(0).tos == 0x10);
  CHECK(station.link.metas.at(1).tos == 0);
}

TEST_CASE("a full link is reported and later frames leave intact and in order", "[ethernet][POLICY-ETH-8]") {
  Station station;
  REQUIRE(station.send(filled(100, 1)));
  station.link.full = true;
  for (int i = 0; i < 1000; ++i) REQUIRE(station.send(filled(100, 2)) == fail(Error::would_block));
  CHECK(station.drops(Drop::queue_full) == 1000);
  station.link.full = false;
  for (std::uint8_t i = 3; i < 10; ++i) REQUIRE(station.send(filled(100, i)));
  const auto frames = station.link.take();
  REQUIRE(frames.size() == 8);
  CHECK(part(frames[0], 14, 100) == filled(100, 1));
  for (std::uint8_t i = 3; i < 10; ++i) CHECK(part(frames[i - 2U], 14, 100) == filled(100, i));
  CHECK(station.ethernet.stats().out_frames == 8);
}

TEST_CASE("a group address maps to 01-00-5E and its low 23 bits", "[ethernet][RFC1112-6.4-1]") {
  CHECK(ethernet::group_address("224.128.1.2"_ipv4) == "01:00:5e:00:01:02"_mac);
  CHECK(ethernet::group_address("239.0.1.2"_ipv4) == "01:00:5e:00:01:02"_mac);
  CHECK(ethernet::group_address("239.255.255.255"_ipv4) == "01:00:5e:7f:ff:ff"_mac);
}

TEST_CASE("a frame that does not leave is counted by a name, and its error returned", "[ethernet]") {
  Station station;
  SECTION("the device is down or gone") {
    station.link.broken = std::make_error_code(std::errc::io_error);
    CHECK(station.send(datagram(100)).error() == std::errc::io_error);
    CHECK(station.drops(Drop::device_failed) == 1);
  }
  SECTION("the device says that it is too long") {
    station.link.broken = make_error_code(Error::message_too_large);
    CHECK(station.send(datagram(100)).error() == Error::message_too_large);
    CHECK(station.drops(Drop::oversized) == 1);
  }
  SECTION("it is longer than the MTU") {
    CHECK(station.send(datagram(1501)).error() == Error::message_too_large);
    CHECK(station.drops(Drop::oversized) == 1);
  }
  SECTION("the device is full") {
    station.link.full = true;
    CHECK(station.send(datagram(100)).error() == Error::would_block);
    CHECK(station.drops(Drop::queue_full) == 1);
  }
  CHECK(station.ethernet.drops().total() == 1);
  CHECK(station.ethernet.stats().out_frames == 0);
  station.link.full = false;
  station.link.broken = {};
  REQUIRE(station.send(datagram(1500)));
  CHECK(station.ethernet.drops().total() == 1);
  CHECK(station.ethernet.stats().out_frames == 1);
}
