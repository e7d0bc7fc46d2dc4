#include <tins/dot1q.h>
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

/// An 802.3 frame to us with the given length field, LLC and SNAP bytes, and payload.
Bytes llc_frame(std::uint16_t length, const Bytes& header, const Bytes& payload) {
  Bytes data = header;
  data.insert(data.end(), payload.begin(), payload.end());
  return frame_of(kOwn, kPeer, length, data);
}
const Bytes kSnapIpv4 = hex("aaaa03 000000 0800");

}  // namespace

TEST_CASE("SNAP frames are received among Ethernet II frames", "[ethernet][RFC1122-2.3.3-2]") {
  Station station;
  const auto ip = Tins::IP{"192.0.2.2", "192.0.2.1"} / Tins::UDP{7, 9} / Tins::RawPDU{std::string(40, 'x')};
  Tins::SNAP snap;
  snap.control(3);
  auto framed = Tins::Dot3{"02:00:5e:10:00:01", "02:00:5e:10:00:02"} / snap / ip;
  auto plain = Tins::EthernetII{"02:00:5e:10:00:01", "02:00:5e:10:00:02"} / ip;
  REQUIRE(station.link.inject(bytes_of(plain.serialize())));
  REQUIRE(station.link.inject(bytes_of(framed.serialize())));
  REQUIRE(station.link.inject(bytes_of(plain.serialize())));
  REQUIRE(station.ip.deliveries.size() == 3);
  CHECK(station.ip.deliveries[1].payload == station.ip.deliveries[0].payload);
  CHECK(station.ip.deliveries[1].from.type == EtherType::ipv4);
}

TEST_CASE("only the exact SNAP pattern is understood", "[ethernet][RFC1042-Header-1]") {
  Station station;
  CHECK(station.link.inject(llc_frame(54, kSnapIpv4, filled(46))));
  CHECK(station.link.inject(llc_frame(54, hex("aaaa03 000000 0806"), filled(46))));
  CHECK(station.ip.deliveries.size() == 1);
  CHECK(station.arp.deliveries.size() == 1);
  for (std::size_t byte = 0; byte < kSnapIpv4.size(); ++byte) {
    Bytes altered = kSnapIpv4;
    altered[byte] ^= std::byte{0x10};
    CHECK(station.link.inject(llc_frame(54, altered, filled(46))) == std::unexpected{Drop::unknown_protocol});
  }
  CHECK(station.drops(Drop::unknown_protocol) == 8);
  CHECK(station.ip.deliveries.size() == 1);
  CHECK(station.arp.deliveries.size() == 1);
}

TEST_CASE("the 802.3 length bounds the LLC data", "[ethernet][RFC1042-Header-2]") {
  Station station;
  CHECK(station.link.inject(llc_frame(8 + 30, kSnapIpv4, filled(46))));
  REQUIRE(station.ip.deliveries.size() == 1);
  CHECK(station.ip.deliveries[0].payload == filled(30));
  CHECK(station.link.inject(llc_frame(8 + 46, kSnapIpv4, filled(46))));
  CHECK(station.link.inject(llc_frame(8 + 47, kSnapIpv4, filled(46))) == std::unexpected{Drop::bad_length});
  CHECK(station.link.inject(llc_frame(7, kSnapIpv4, filled(46))) == std::unexpected{Drop::truncated});
  CHECK(station.drops(Drop::bad_length) == 1);
  CHECK(station.drops(Drop::truncated) == 1);
  CHECK(station.ip.deliveries.size() == 2);
}

TEST_CASE("a field of up to 1500 is a length and a larger one a type", "[ethernet][RFC1122-2.3.3-8]") {
  Station station;
  UpperLayer first_type;
  station.ethernet.attach(EtherType{0x0600}, first_type);
  CHECK(station.link.inject(llc_frame(1500, kSnapIpv4, filled(1492))));
  REQUIRE(station.ip.deliveries.size() == 1);
  CHECK(station.ip.deliveries[0].payload.size() == 1492);
  CHECK(station.link.inject(frame_of(kOwn, kPeer, 0x0600, filled(46))));
  CHECK(first_type.deliveries.size() == 1);
  CHECK(station.link.inject(frame_of(kOwn, kPeer, 0x0800, filled(46))));
  CHECK(station.ip.deliveries.size() == 2);
  // Between 1500 and 0x0600 a value is neither (IEEE 802.3 section 3.2.6).
  CHECK(station.link.inject(frame_of(kOwn, kPeer, 1501, filled(46))) == std::unexpected{Drop::bad_length});
  CHECK(station.link.inject(frame_of(kOwn, kPeer, 0x05ff, filled(46))) == std::unexpected{Drop::bad_length});
}

TEST_CASE("a tagged frame is dropped by name when VLAN support is off", "[ethernet][POLICY-ETH-5]") {
  Station station;
  auto tagged = Tins::EthernetII{"02:00:5e:10:00:01", "02:00:5e:10:00:02"} / Tins::Dot1Q{42} / Tins::IP{"192.0.2.2", "192.0.2.1"} /
                Tins::UDP{7, 9} / Tins::RawPDU{std::string(40, 'x')};
  CHECK(station.link.inject(bytes_of(tagged.serialize())) == std::unexpected{Drop::vlan_tagged});
  CHECK(station.drops(Drop::vlan_tagged) == 1);
  CHECK(station.ip.deliveries.empty());
  CHECK(station.link.take().empty());
}

TEST_CASE("a tagged frame of an accepted VLAN is delivered with its identifier", "[ethernet]") {
  Station station{{.address = kOwn, .vlans = {42}}};
  const auto tagged = [](std::uint16_t vlan, std::size_t size) {
    Bytes data = hex("0000 0800");
    data[0] = static_cast<std::byte>(0xe0U | vlan >> 8U);  // priority 7 is no part of the identifier
    data[1] = static_cast<std::byte>(vlan & 0xffU);
    const Bytes payload = filled(size);
    data.insert(data.end(), payload.begin(), payload.end());
    return frame_of(kOwn, kPeer, 0x8100, data);
  };
  CHECK(station.link.inject(tagged(42, 46)));
  REQUIRE(station.ip.deliveries.size() == 1);
  CHECK(station.ip.deliveries[0].from.vlan == 42);
  CHECK(station.ip.deliveries[0].payload == filled(46));
  CHECK(station.link.inject(tagged(43, 46)) == std::unexpected{Drop::vlan_tagged});
  CHECK(station.link.inject(frame_of(kOwn, kPeer, 0x8100, filled(3))) == std::unexpected{Drop::truncated});
  SECTION("the tag's four bytes do not count against the MTU") {
    CHECK(station.link.inject(tagged(42, 1500)));
    CHECK(station.link.inject(tagged(42, 1501)) == std::unexpected{Drop::oversized});
  }
}
