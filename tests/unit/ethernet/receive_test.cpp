#include <tins/arp.h>
#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>
#include <catch2/catch.hpp>

#include "station.hpp"

using namespace tapir;
using namespace tapir::test;
using ethernet::EtherType;

namespace {
constexpr MacAddress kGroup = "01:00:5e:00:01:02"_mac;
constexpr std::uint16_t kIpv4 = 0x0800;
}  // namespace

TEST_CASE("a frame that libtins built is handed up by its type", "[ethernet][RFC1122-2.3.3-1]") {
  Station station;
  auto ip = Tins::EthernetII{"02:00:5e:10:00:01", "02:00:5e:10:00:02"} / Tins::IP{"192.0.2.2", "192.0.2.1"} / Tins::UDP{7, 9} /
            Tins::RawPDU{std::string(40, 'x')};
  const Bytes frame = bytes_of(ip.serialize());
  REQUIRE(station.link.inject(frame));
  auto arp = Tins::ARP::make_arp_request("192.0.2.2", "192.0.2.1", "02:00:5e:10:00:02");
  REQUIRE(station.link.inject(bytes_of(arp.serialize())));

  REQUIRE(station.ip.deliveries.size() == 1);
  const auto& delivery = station.ip.deliveries.front();
  CHECK(delivery.payload == part(frame, 14, frame.size() - 14));
  CHECK(delivery.from.source == kPeer);
  CHECK(delivery.from.destination == kOwn);
  CHECK(delivery.from.type == EtherType::ipv4);
  CHECK(delivery.from.cast == LinkCast::unicast);
  CHECK_FALSE(delivery.from.vlan);
  REQUIRE(station.arp.deliveries.size() == 1);
  CHECK(station.arp.deliveries.front().from.cast == LinkCast::broadcast);
  CHECK(station.ethernet.stats().in_frames == 2);
  CHECK(station.ethernet.drops().total() == 0);
}

TEST_CASE("the interface and the time of arrival are reported", "[ethernet]") {
  Station station{{.address = kOwn, .interface = InterfaceIndex{3}}};
  station.lab.advance(std::chrono::seconds{5});
  REQUIRE(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(46))));
  Packet stamped = station.lab.packet(frame_of(kOwn, kPeer, kIpv4, filled(46)));
  stamped.meta().ingress = TimePoint{std::chrono::seconds{4}};
  REQUIRE(station.link.inject(std::move(stamped)));
  REQUIRE(station.ip.deliveries.size() == 2);
  CHECK(station.ip.deliveries[0].from.interface == InterfaceIndex{3});
  CHECK(station.ip.deliveries[0].meta.ingress == TimePoint{std::chrono::seconds{5}});
  CHECK(station.ip.deliveries[1].meta.ingress == TimePoint{std::chrono::seconds{4}});
}

TEST_CASE("frames shorter than a header are dropped and counted", "[ethernet][POLICY-ETH-1]") {
  Station station;
  const Bytes whole = frame_of(kOwn, kPeer, kIpv4, {});
  for (std::size_t size = 0; size < 14; ++size) CHECK(station.link.inject(part(whole, 0, size)) == std::unexpected{Drop::truncated});
  CHECK(station.drops(Drop::truncated) == 14);
  CHECK(station.link.inject(whole));
}

TEST_CASE("unicast for another station is dropped unless promiscuous", "[ethernet][POLICY-ETH-2]") {
  const Bytes foreign = frame_of(kStranger, kPeer, kIpv4, filled(46));
  Station station;
  CHECK(station.link.inject(foreign) == std::unexpected{Drop::not_for_us});
  CHECK(station.drops(Drop::not_for_us) == 1);
  CHECK(station.ip.deliveries.empty());
  CHECK(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(46))));

  Station listening{{.address = kOwn, .promiscuous = true}};
  CHECK(listening.link.inject(foreign));
  REQUIRE(listening.ip.deliveries.size() == 1);
  CHECK(listening.ip.deliveries.front().from.destination == kStranger);
}

TEST_CASE("a group source address is dropped", "[ethernet][POLICY-ETH-3]") {
  Station station;
  for (const MacAddress source : {"01:00:5e:00:00:01"_mac, MacAddress::broadcast()}) {
    CHECK(station.link.inject(frame_of(kOwn, source, kIpv4, filled(46))) == std::unexpected{Drop::bad_source});
    CHECK(station.link.inject(frame_of(MacAddress::broadcast(), source, 0x0806, filled(46))) == std::unexpected{Drop::bad_source});
  }
  CHECK(station.drops(Drop::bad_source) == 4);
  CHECK(station.ip.deliveries.empty());
  CHECK(station.arp.deliveries.empty());
  CHECK(station.link.take().empty());
}

TEST_CASE("unknown types are dropped and counted without reply", "[ethernet][POLICY-ETH-4]") {
  Station station;
  for (const std::uint16_t type : {std::uint16_t{0x88cc}, std::uint16_t{0x86dd}, std::uint16_t{0x1001}}) {
    CHECK(station.link.inject(frame_of(kOwn, kPeer, type, filled(46))) == std::unexpected{Drop::unknown_protocol});
  }
  CHECK(station.drops(Drop::unknown_protocol) == 3);
  CHECK(station.link.take().empty());
}

TEST_CASE("a layer can be plugged in and out by its type", "[ethernet]") {
  Station station;
  UpperLayer custom;
  const Bytes frame = frame_of(kOwn, kPeer, 0x88b5, filled(46));
  station.ethernet.attach(EtherType{0x88b5}, custom);
  CHECK(station.link.inject(frame));
  CHECK(custom.deliveries.size() == 1);
  station.ethernet.detach(EtherType{0x88b5});
  CHECK(station.link.inject(frame) == std::unexpected{Drop::unknown_protocol});
}

TEST_CASE("a frame beyond the MTU is dropped unless it is a super-segment", "[ethernet][POLICY-ETH-6]") {
  Station station;
  CHECK(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(1500))));
  CHECK(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(1501))) == std::unexpected{Drop::oversized});
  CHECK(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(1586))) == std::unexpected{Drop::oversized});
  CHECK(station.drops(Drop::oversized) == 2);
  Packet super = station.lab.packet(frame_of(kOwn, kPeer, kIpv4, filled(9000)));
  super.meta().gso = GsoKind::tcp4;
  super.meta().gso_size = 1460;
  CHECK(station.link.inject(std::move(super)));
  REQUIRE(station.ip.deliveries.size() == 2);
  CHECK(station.ip.deliveries[1].payload.size() == 9000);
  CHECK(station.ip.deliveries[1].meta.gso_size == 1460);
}

TEST_CASE("IP learns how the frame was addressed", "[ethernet][RFC1122-2.4-1]") {
  Station station;
  station.ethernet.join(kGroup);
  for (const MacAddress destination : {kOwn, kGroup, MacAddress::broadcast()}) {
    REQUIRE(station.link.inject(frame_of(destination, kPeer, kIpv4, filled(46))));
  }
  REQUIRE(station.ip.deliveries.size() == 3);
  CHECK(station.ip.deliveries[0].from.cast == LinkCast::unicast);
  CHECK(station.ip.deliveries[1].from.cast == LinkCast::multicast);
  CHECK(station.ip.deliveries[2].from.cast == LinkCast::broadcast);
}

TEST_CASE("joined groups are accepted, whatever their number", "[ethernet][RFC1112-7.4-1]") {
  Station station;
  std::vector<MacAddress> groups;
  for (std::uint32_t i = 0; i < 300; ++i) groups.push_back(ethernet::group_address(Ipv4Address{0xef000100U + i}));
  for (const auto& group : groups) {
    CHECK(station.link.inject(frame_of(group, kPeer, kIpv4, filled(46))) == std::unexpected{Drop::not_for_us});
  }
  for (const auto& group : groups) station.ethernet.join(group);
  for (const auto& group : groups) CHECK(station.link.inject(frame_of(group, kPeer, kIpv4, filled(46))));
  CHECK(station.ip.deliveries.size() == 300);
}

TEST_CASE("a group stays joined until it was left as often as joined", "[ethernet]") {
  Station station;
  const Bytes frame = frame_of(kGroup, kPeer, kIpv4, filled(46));
  station.ethernet.join(kGroup);
  station.ethernet.join(kGroup);
  station.ethernet.leave(kGroup);
  CHECK(station.link.inject(frame));
  station.ethernet.leave(kGroup);
  CHECK(station.link.inject(frame) == std::unexpected{Drop::not_for_us});
  station.ethernet.leave(kGroup);  // once too often does no harm
}

TEST_CASE("an own frame that comes back is not delivered", "[ethernet][RFC1112-7.3-1]") {
  Station station;
  station.ethernet.join(kGroup);
  REQUIRE(station.send(filled(46), {.destination = kGroup, .type = EtherType::ipv4}));
  CHECK(station.link.inject(station.sent_frame()) == std::unexpected{Drop::own_echo});
  CHECK(station.drops(Drop::own_echo) == 1);
  CHECK(station.ip.deliveries.empty());
  CHECK(station.link.inject(frame_of(kGroup, kPeer, kIpv4, filled(46))));
}

TEST_CASE("after Ethernet has gone its link discards frames", "[ethernet]") {
  Lab lab;
  RecordingLink link{lab.pool};
  {
    const ethernet::Ethernet ethernet{lab.context, link, {.address = kOwn}};
    CHECK(link.inject(frame_of(kOwn, kPeer, kIpv4, filled(46))) == std::unexpected{Drop::unknown_protocol});
  }
  CHECK(link.inject(frame_of(kOwn, kPeer, kIpv4, filled(46))) == std::unexpected{Drop::not_handled});
}

TEST_CASE("frames with the header of the one before go where the type leads now", "[ethernet]") {
  Station station;
  const Bytes frame = frame_of(kOwn, kPeer, kIpv4, filled(46));
  REQUIRE(station.link.inject(frame));
  REQUIRE(station.link.inject(frame));
  const auto both = station.ip.take();
  REQUIRE(both.size() == 2);
  CHECK(both[1].payload == both[0].payload);
  CHECK(both[1].from.source == kPeer);
  CHECK(both[1].from.destination == kOwn);
  CHECK(both[1].from.type == EtherType::ipv4);
  CHECK(both[1].from.cast == LinkCast::unicast);
  UpperLayer other;
  station.ethernet.attach(EtherType::ipv4, other);
  CHECK(station.link.inject(frame));
  CHECK(other.take().size() == 1);
  CHECK(station.ip.take().empty());
  station.ethernet.detach(EtherType::ipv4);
  CHECK(station.link.inject(frame) == std::unexpected{Drop::unknown_protocol});
  // One octet of the header makes it another.
  CHECK(station.link.inject(frame_of(kStranger, kPeer, kIpv4, filled(46))) == std::unexpected{Drop::not_for_us});
  CHECK(station.link.inject(frame_of(kOwn, kOwn, kIpv4, filled(46))) == std::unexpected{Drop::own_echo});
  CHECK(station.ethernet.stats().in_frames == 3);
}

TEST_CASE("a frame beyond the MTU is dropped although its header is known", "[ethernet][POLICY-ETH-6]") {
  Station station;
  REQUIRE(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(1500))));
  CHECK(station.link.inject(frame_of(kOwn, kPeer, kIpv4, filled(1501))) == std::unexpected{Drop::oversized});
  CHECK(station.ip.take().size() == 1);
}
