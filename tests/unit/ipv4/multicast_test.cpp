#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

constexpr Ipv4Address kGroup = "224.1.2.3"_ipv4;

network::Send to_group(Ipv4Address group = kGroup) {
  network::Send to;
  to.destination = group;
  to.protocol = Protocol::udp;
  return to;
}

/// A host on two links, 192.0.2.2 on tap0 and 198.51.100.2 on tap1.
struct TwoLinks : Ipv4Lab {
  explicit TwoLinks(const ipv4::Config& config = {}) : Ipv4Lab{config} { second = add("tap1", {"198.51.100.2/24"_prefix}, other); }
  Accepted inject_group(InterfaceIndex interface, Ipv4Address group = kGroup, std::uint8_t ttl = 64) {
    auto ip = datagram(to_string(group), interface == tap ? "192.0.2.9" : "198.51.100.9", counting(8));
    ip.ttl(ttl);
    return inject(ip, LinkCast::multicast, interface);
  }
  RecordingNeighbours other;
  InterfaceIndex second{};
};

}  // namespace

TEST_CASE("what begins with 1110 is a group, but nobody can join 224.0.0.0", "[ipv4][RFC1112-4-1]") {
  Ipv4Lab lab;
  for (const auto no_group : {"224.0.0.0"_ipv4, "223.255.255.255"_ipv4, "240.0.0.1"_ipv4, "10.0.0.1"_ipv4}) {
    INFO(to_string(no_group));
    CHECK(error_of(lab.ip.join(lab.tap, no_group)) == Error::invalid_argument);
    CHECK(error_of(lab.ip.join(no_group, std::nullopt)) == Error::invalid_argument);
    CHECK(error_of(lab.ip.join(IpAddress{no_group}, lab.tap)) == Error::invalid_argument);
  }
  for (const auto group : {"224.0.0.1"_ipv4, "239.255.255.255"_ipv4}) {
    CHECK(lab.ip.is_group(group));
    CHECK(lab.ip.join(lab.tap, group));
  }
}

TEST_CASE("joining returns at once, with its success or what is wrong", "[ipv4][RFC1112-7.1-1]") {
  TwoLinks host;
  CHECK(host.ip.join(kGroup, host.second));
  CHECK(host.inject_group(host.second));
  CHECK(error_of(host.ip.join(kGroup, InterfaceIndex{7})) == Error::no_such_device);
  host.ip.leave(kGroup, host.second);
  CHECK(reason_of(host.inject_group(host.second)) == Drop::not_for_us);
  CHECK(host.wire.sent.empty());
  CHECK(host.other.sent.empty());
}

TEST_CASE("membership belongs to an interface", "[ipv4][RFC1112-7.2-1]") {
  TwoLinks host;
  REQUIRE(host.ip.join(kGroup, host.tap));
  CHECK(host.inject_group(host.tap));
  CHECK(reason_of(host.inject_group(host.second)) == Drop::not_for_us);
  REQUIRE(host.upper.items.size() == 1);
  CHECK(host.upper.items[0].from.interface == host.tap);
  REQUIRE(host.ip.join(kGroup, std::nullopt));
  CHECK(host.inject_group(host.second));
  host.ip.leave(kGroup, std::nullopt);
  CHECK(host.inject_group(host.tap));  // one membership of two is left there
  CHECK(reason_of(host.inject_group(host.second)) == Drop::not_for_us);
}

TEST_CASE("every interface is in 224.0.0.1 from the start and stays there", "[ipv4][RFC1112-7.2-6]") {
  TwoLinks host;
  for (const auto interface : {host.tap, host.second}) {
    CHECK(host.inject_group(interface, "224.0.0.1"_ipv4));
    host.ip.leave("224.0.0.1"_ipv4, interface);
    host.ip.leave("224.0.0.1"_ipv4, std::nullopt);
    CHECK(host.inject_group(interface, "224.0.0.1"_ipv4));
    REQUIRE(host.ip.join("224.0.0.1"_ipv4, interface));  // a program that joins it and leaves again changes nothing
    host.ip.leave("224.0.0.1"_ipv4, interface);
    CHECK(host.inject_group(interface, "224.0.0.1"_ipv4));
  }
  CHECK(host.upper.items.size() == 6);
}

TEST_CASE("groups that are not joined are dropped without a word", "[ipv4][RFC1112-7.2-2]") {
  for (const bool router : {false, true}) {
    TwoLinks host{{.forwarding = router}};
    CHECK(reason_of(host.inject_group(host.tap)) == Drop::not_for_us);
    CHECK(reason_of(host.inject_group(host.tap, kGroup, 1)) == Drop::not_for_us);
    CHECK(host.errors.sent.empty());
    CHECK(host.wire.sent.empty());
    CHECK(host.other.sent.empty());
    // The positive twin: a unicast datagram to a protocol that nobody speaks draws an error.
    CHECK_FALSE(host.inject(datagram("192.0.2.2", "192.0.2.9", Ipv4Lab::counting(8), Protocol{200})));
    CHECK(host.errors.sent.size() == 1);
  }
}

TEST_CASE("a multicast datagram is received whatever its TTL", "[ipv4][RFC1112-7.2-3]") {
  TwoLinks host;
  REQUIRE(host.ip.join(kGroup, host.tap));
  for (const std::uint8_t ttl : {std::uint8_t{1}, std::uint8_t{0}, std::uint8_t{255}}) CHECK(host.inject_group(host.tap, kGroup, ttl));
  CHECK(host.upper.items.size() == 3);
}

TEST_CASE("a group is nobody's source", "[ipv4][RFC1112-7.2-4]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.join(lab.tap, kGroup));
  CHECK(reason_of(lab.inject(datagram("192.0.2.2", "224.1.1.1", Ipv4Lab::counting(8)))) == Drop::martian_source);
  CHECK(reason_of(lab.inject(datagram("224.1.2.3", "224.1.2.3", Ipv4Lab::counting(8)), LinkCast::multicast)) == Drop::martian_source);
  CHECK(lab.upper.items.empty());
  CHECK(lab.inject(datagram("224.1.2.3", "192.0.2.9", Ipv4Lab::counting(8)), LinkCast::multicast));
}

TEST_CASE("a multicast datagram goes one hop unless told otherwise", "[ipv4][RFC1112-6.1-1]") {
  Ipv4Lab lab;
  auto to = to_group();
  REQUIRE(lab.send(to));
  CHECK(lab.wire.take_one().parse().ttl() == 1);
  to.ttl = 8;
  REQUIRE(lab.send(to));
  CHECK(lab.wire.take_one().parse().ttl() == 8);
  REQUIRE(lab.send("192.0.2.1"_ipv4));
  CHECK(lab.wire.take_one().parse().ttl() == 64);
}

TEST_CASE("the sender chooses the interface by its address; without a word the first one is taken", "[ipv4][RFC1112-6.1-2]") {
  TwoLinks host;
  auto to = to_group();
  REQUIRE(host.send(to));
  CHECK(host.wire.take_one().parse().src_addr() == "192.0.2.2");
  to.source = "198.51.100.2"_ipv4;
  REQUIRE(host.send(to));
  CHECK(host.other.take_one().parse().src_addr() == "198.51.100.2");
  CHECK(host.wire.sent.empty());
}

TEST_CASE("a copy comes back to a member, unless the sender or the stack says no", "[ipv4][RFC1112-6.1-3][RFC1112-6.2-2]") {
  TwoLinks host;
  REQUIRE(host.ip.join(kGroup, host.tap));
  auto to = to_group();
  REQUIRE(host.send(to, 5));
  host.advance(1ms);
  REQUIRE(host.upper.items.size() == 1);
  CHECK(host.upper.items[0].bytes == Ipv4Lab::counting(5));
  CHECK(host.upper.items[0].from.to_group);
  to.loop_multicast = false;
  REQUIRE(host.send(to, 5));
  to.loop_multicast = true;
  to.source = "198.51.100.2"_ipv4;  // leaves where we are no member
  REQUIRE(host.send(to, 5));
  host.advance(1ms);
  CHECK(host.upper.items.size() == 1);
  CHECK(host.wire.sent.size() == 2);
  CHECK(host.other.sent.size() == 1);

  TwoLinks quiet{{.multicast_loopback = false}};
  REQUIRE(quiet.ip.join(kGroup, quiet.tap));
  REQUIRE(quiet.send(to_group()));
  quiet.advance(1ms);
  CHECK(quiet.upper.items.empty());
}

TEST_CASE("multicast goes to the link and not to a gateway", "[ipv4][RFC1112-6.2-1]") {
  TwoLinks host;
  REQUIRE(host.ip.add_default_gateway("192.0.2.1"_ipv4));
  REQUIRE(host.send(to_group("239.1.1.1"_ipv4)));
  CHECK(host.wire.take_one().to.next_hop == "239.1.1.1"_ipv4);
  REQUIRE(host.send("203.0.113.5"_ipv4));
  CHECK(host.wire.take_one().to.next_hop == "192.0.2.1"_ipv4);
  // A route to the groups chooses the interface, and its gateway is not asked either.
  REQUIRE(host.ip.add_route("224.0.0.0/4"_prefix, "198.51.100.1"_ipv4));
  REQUIRE(host.send(to_group("239.1.1.1"_ipv4)));
  CHECK(host.other.take_one().to.next_hop == "239.1.1.1"_ipv4);
}

TEST_CASE("no datagram leaves with a group as its source or on its way", "[ipv4][RFC1112-6.2-3]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.join(lab.tap, "224.1.1.1"_ipv4));
  network::Send to;
  to.destination = "192.0.2.1"_ipv4;
  to.protocol = Protocol::udp;
  to.source = "224.1.1.1"_ipv4;
  CHECK(error_of(lab.send(to)) == Error::address_not_available);
  to.source = {};
  for (const char* digits : {"83 07 04 e0010101", "89 07 04 e0010101", "83 0b 04 c0000209 e0010101", "07 07 04 e0010101",
                             "07 0b 08 c0000209 efffffff", "83 0b 0c c0000209 e0010101"}) {
    INFO(digits);
    const Bytes options = hex(digits);
    to.options = options;
    CHECK(error_of(lab.send(to)) == Error::invalid_argument);
  }
  const Bytes route = hex("83 07 04 c0000209");
  to.options = route;
  to.destination = "224.1.1.1"_ipv4;  // it would stand in the option as the last stop
  CHECK(error_of(lab.send(to)) == Error::invalid_argument);
  CHECK(lab.wire.sent.empty());
  to.destination = "192.0.2.1"_ipv4;
  CHECK(lab.send(to));
  const Bytes record = hex("07 07 04 00000000");
  to.options = record;
  to.destination = "224.1.1.1"_ipv4;
  CHECK(lab.send(to));
  CHECK(lab.wire.sent.size() == 2);
}
