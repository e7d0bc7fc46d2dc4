#include <catch2/catch.hpp>

#include <tapir/ethernet/fcs.hpp>
#include <tapir/ethernet/wire_view.hpp>

#include "station.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("the FCS is CRC-32, least significant byte first", "[ethernet][IEEE8023-3.2.9-1]") {
  CHECK(ethernet::crc32(bytes_of(std::string_view{"123456789"})) == 0xcbf43926);
  CHECK(ethernet::crc32(Bytes{}) == 0);
  Lab lab;
  Packet frame = lab.packet(Bytes(60));
  ethernet::append_fcs(frame);
  const Bytes bytes = frame.bytes();
  REQUIRE(bytes.size() == 64);
  CHECK(part(bytes, 60, 4) == hex("08891204"));
  CHECK(ethernet::crc32(bytes) == 0x2144df1c);
  CHECK(ethernet::fcs_ok(frame));
}

TEST_CASE("the FCS over a packet in pieces is that over its bytes", "[ethernet]") {
  Lab lab;
  Packet frame = lab.packet(filled(7, 1));
  frame.append(lab.pool.copy(filled(100, 2)));
  frame.append(lab.pool.copy(filled(33, 3)));
  CHECK(ethernet::crc32(frame) == ethernet::crc32(frame.bytes()));
}

TEST_CASE("a link that carries the FCS gets it after the padding", "[ethernet][IEEE8023-3.2.9-1]") {
  Station station{{.address = kOwn}, {.carries_fcs = true}};
  REQUIRE(station.send(filled(28)));
  const Bytes frame = station.sent_frame();
  REQUIRE(frame.size() == 64);
  CHECK(ethernet::crc32(frame) == 0x2144df1c);
  CHECK(station.ethernet.stats().out_bytes == 60);
}

TEST_CASE("every flipped bit is dropped by the FCS and the unflipped frame is delivered", "[ethernet][IEEE8023-3.4-1]") {
  Station station{{.address = kOwn}, {.carries_fcs = true}};
  Packet good = station.lab.packet(frame_of(kOwn, kPeer, 0x0800, filled(46)));
  ethernet::append_fcs(good);
  const Bytes frame = good.bytes();
  REQUIRE(station.link.inject(frame));
  REQUIRE(station.ip.deliveries.size() == 1);
  CHECK(station.ip.take().front().payload == filled(46));  // the FCS is off

  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    Bytes flipped = frame;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    REQUIRE(station.link.inject(flipped) == std::unexpected{Drop::bad_fcs});
  }
  CHECK(station.drops(Drop::bad_fcs) == 8 * frame.size());
  CHECK(station.ip.deliveries.empty());
  CHECK(station.arp.deliveries.empty());
}

TEST_CASE("a frame without room for header and FCS is truncated", "[ethernet]") {
  Station station{{.address = kOwn}, {.carries_fcs = true}};
  for (std::size_t size = 0; size < 18; ++size) REQUIRE(station.link.inject(filled(size)) == std::unexpected{Drop::truncated});
  CHECK(station.drops(Drop::truncated) == 18);
}

TEST_CASE("a link without FCS is not asked for one", "[ethernet]") {
  Station station;
  REQUIRE(station.link.inject(frame_of(kOwn, kPeer, 0x0800, filled(46))));
  CHECK(station.ip.deliveries.size() == 1);
}

TEST_CASE("the wire view shows preamble and delimiter ahead of the frame and its FCS behind", "[ethernet][IEEE8023-3.2.1-1]") {
  const Bytes frame = frame_of(kOwn, kPeer, 0x0800, filled(46));
  const auto wire = ethernet::wire_view(frame);
  REQUIRE(wire.size() == 8 + 60 + 4);
  CHECK(part(wire, 0, 8) == hex("55555555555555d5"));
  CHECK(part(wire, 8, 60) == frame);
  CHECK(ethernet::crc32(std::span{wire}.subspan(8)) == 0x2144df1c);  // the FCS covers the frame, not the preamble
}

TEST_CASE("a 60-byte frame holds the line for 84 octets", "[ethernet]") {
  CHECK(ethernet::line_octets(60) == 84);
  CHECK(ethernet::line_octets(1514) == 1538);
}
