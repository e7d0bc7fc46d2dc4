#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

TEST_CASE("our address, the broadcasts of the network and joined groups are for us",
          "[ipv4][RFC1122-3.2.1.3-7][RFC1122-3.3.6-1][RFC1122-3.2.1.3-6][RFC1122-3.4-2]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.join(lab.tap, "239.1.1.1"_ipv4));
  struct Case {
    const char* destination;
    LinkCast cast;
    Drop expected;
  };
  for (const auto& [destination, cast, expected] : {Case{"192.0.2.2", LinkCast::unicast, Drop::count_},
                                                    {"192.0.2.255", LinkCast::broadcast, Drop::count_},
                                                    {"255.255.255.255", LinkCast::broadcast, Drop::count_},
                                                    {"239.1.1.1", LinkCast::multicast, Drop::count_},
                                                    {"224.0.0.1", LinkCast::multicast, Drop::count_},
                                                    {"239.1.1.2", LinkCast::multicast, Drop::not_for_us},
                                                    {"192.0.2.3", LinkCast::unicast, Drop::forwarding_disabled},
                                                    {"198.51.100.1", LinkCast::unicast, Drop::forwarding_disabled},
                                                    {"198.51.100.255", LinkCast::unicast, Drop::forwarding_disabled}}) {
    INFO(destination);
    lab.upper.items.clear();
    CHECK(reason_of(lab.inject(datagram(destination, "192.0.2.1", Ipv4Lab::counting(8)), cast)) == expected);
    if (expected == Drop::count_) {
      CHECK(lab.upper.items.at(0).from.to_group == (cast != LinkCast::unicast));
      CHECK(to_string(lab.upper.items.at(0).from.destination) == destination);
    } else {
      CHECK(lab.upper.items.empty());
    }
  }
  CHECK(lab.errors.sent.empty());
  CHECK(lab.wire.sent.empty());
  CHECK(lab.ip.stats().in_addr_errors == 4);
}

TEST_CASE("zero-form broadcasts count, with the option on", "[ipv4][RFC1122-3.3.6-2]") {
  for (const bool on : {true, false}) {
    Ipv4Lab lab{{.accept_zero_broadcast = on}};
    for (const char* destination : {"192.0.2.0", "0.0.0.0"}) {
      CHECK(lab.inject(datagram(destination, "192.0.2.1", Ipv4Lab::counting(8)), LinkCast::broadcast).has_value() == on);
    }
    CHECK(lab.upper.items.size() == (on ? 2 : 0));
    CHECK(lab.ip.drops().total() == (on ? 0 : 2));
    CHECK(lab.inject(datagram("192.0.2.255", "192.0.2.1", Ipv4Lab::counting(8)), LinkCast::broadcast));
  }
}

TEST_CASE("sources that no host has are dropped in silence", "[ipv4][RFC1122-3.2.1.3-8][RFC1122-3.2.1.3-3]") {
  Ipv4Lab lab;
  for (const char* source : {"224.0.0.5", "239.255.255.255", "255.255.255.255", "192.0.2.255", "192.0.2.0", "127.0.0.1", "127.255.0.1",
                             "240.0.0.1", "254.1.2.3", "0.0.0.0", "0.1.2.3", "192.0.2.2"}) {
    INFO(source);
    CHECK(reason_of(lab.inject(datagram("192.0.2.2", source, Ipv4Lab::counting(8)))) == Drop::martian_source);
  }
  CHECK(lab.ip.drops()[Drop::martian_source] == 12);
  CHECK(lab.ip.stats().in_addr_errors == 12);
  CHECK(lab.upper.items.empty());
  CHECK(lab.errors.sent.empty());
  CHECK(lab.inject(datagram("192.0.2.2", "192.0.2.1", Ipv4Lab::counting(8))));
  CHECK(lab.inject(datagram("192.0.2.2", "8.8.8.8", Ipv4Lab::counting(8))));
  // A host that learns its address has none yet (RFC 1122 section 3.2.1.3 (a)).
  CHECK(reason_of(lab.inject(datagram("255.255.255.255", "0.0.0.0", Ipv4Lab::counting(8)), LinkCast::broadcast)) == Drop::count_);
}

TEST_CASE("destinations that are never on a wire are dropped", "[ipv4][RFC1122-3.2.1.3-3]") {
  Ipv4Lab lab;
  for (const char* destination : {"127.0.0.1", "127.1.2.3", "240.0.0.1", "0.1.2.3"}) {
    CHECK(reason_of(lab.inject(datagram(destination, "192.0.2.1", Ipv4Lab::counting(8)))) == Drop::martian_destination);
  }
}

TEST_CASE("a unicast datagram in a link broadcast is dropped in silence", "[ipv4][RFC1122-3.3.6-4]") {
  Ipv4Lab lab;
  const auto to_us = datagram(Ipv4Lab::counting(8));
  for (const auto cast : {LinkCast::broadcast, LinkCast::multicast}) {
    CHECK(reason_of(lab.inject(to_us, cast)) == Drop::broadcast_mismatch);
  }
  CHECK(lab.errors.sent.empty());
  CHECK(lab.inject(to_us));
}

TEST_CASE("two interfaces do not make a router", "[ipv4][RFC1122-3.1-2][RFC1122-3.1-3]") {
  Ipv4Lab lab;
  RecordingNeighbours other;
  lab.add("tap1", {"198.51.100.2/24"_prefix}, other);
  const auto transit = datagram("198.51.100.9", "192.0.2.1", Ipv4Lab::counting(8));
  CHECK(reason_of(lab.inject(transit)) == Drop::forwarding_disabled);
  CHECK(other.sent.empty());
  CHECK(lab.errors.sent.empty());

  Ipv4Lab router{{.forwarding = true}};
  router.add("tap1", {"198.51.100.2/24"_prefix}, other);
  CHECK(router.inject(transit));
  CHECK(other.sent.size() == 1);
}

TEST_CASE("a frame of an interface that does not exist is dropped", "[ipv4]") {
  Ipv4Lab lab;
  CHECK(reason_of(lab.inject(datagram(Ipv4Lab::counting(8)), LinkCast::unicast, InterfaceIndex{3})) == Drop::not_handled);
}

TEST_CASE("two hosts that have been found in order are looked at again when our addresses change", "[ipv4][RFC1122-3.2.1.3-7]") {
  Ipv4Lab lab;
  const auto arrives = [&lab](LinkCast cast = LinkCast::unicast) {
    return reason_of(lab.inject(datagram("192.0.2.2", "192.0.2.1", Ipv4Lab::counting(8)), cast));
  };
  REQUIRE(arrives() == Drop::count_);
  REQUIRE(arrives() == Drop::count_);
  SECTION("the same two in a broadcast frame") {
    CHECK(arrives(LinkCast::broadcast) == Drop::broadcast_mismatch);
    CHECK(arrives() == Drop::count_);
  }
  SECTION("the destination is ours no more") {
    REQUIRE(lab.ip.add_address(lab.tap, "192.0.2.3/24"_prefix));
    REQUIRE(lab.ip.remove_address(lab.tap, "192.0.2.2"_ipv4));
    CHECK(arrives() == Drop::forwarding_disabled);
    REQUIRE(lab.ip.add_address(lab.tap, "192.0.2.2/24"_prefix));
    CHECK(arrives() == Drop::count_);
  }
  SECTION("the source has become ours") {
    REQUIRE(lab.ip.add_address(lab.tap, "192.0.2.1/24"_prefix));
    CHECK(arrives() == Drop::martian_source);
  }
}
