#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

network::Send udp_to(Ipv4Address destination, Ipv4Address source = {}) {
  network::Send to;
  to.source = source;
  to.destination = destination;
  to.protocol = Protocol::udp;
  return to;
}

/// Whether `destination` is sent to directly, for a host with `prefix` and a default gateway.
bool on_link(Ipv4Prefix prefix, Ipv4Address gateway, Ipv4Address destination) {
  Ipv4Lab lab{{}, {prefix}};
  REQUIRE(lab.ip.add_default_gateway(gateway));
  REQUIRE(lab.send(destination));
  const auto next_hop = lab.wire.take_one().to.next_hop;
  REQUIRE((next_hop == destination || next_hop == gateway));
  return next_hop == destination;
}

}  // namespace

TEST_CASE("a neighbour is addressed directly, everything else by the gateway", "[ipv4][RFC1122-3.3.1.1-1][RFC1122-3.2.1.3-4]") {
  CHECK(on_link("10.1.2.3/8"_prefix, "10.0.0.1"_ipv4, "10.255.255.254"_ipv4));
  CHECK_FALSE(on_link("10.1.2.3/8"_prefix, "10.0.0.1"_ipv4, "11.0.0.1"_ipv4));
  CHECK(on_link("192.0.2.2/24"_prefix, "192.0.2.1"_ipv4, "192.0.2.254"_ipv4));
  CHECK_FALSE(on_link("192.0.2.2/24"_prefix, "192.0.2.1"_ipv4, "192.0.3.1"_ipv4));
  CHECK(on_link("192.0.2.2/20"_prefix, "192.0.0.1"_ipv4, "192.0.15.254"_ipv4));
  CHECK_FALSE(on_link("192.0.2.2/20"_prefix, "192.0.0.1"_ipv4, "192.0.16.1"_ipv4));
  CHECK(on_link("192.0.2.2/30"_prefix, "192.0.2.1"_ipv4, "192.0.2.1"_ipv4));
  CHECK_FALSE(on_link("192.0.2.2/30"_prefix, "192.0.2.1"_ipv4, "192.0.2.4"_ipv4));
  CHECK(on_link("192.0.2.2/31"_prefix, "192.0.2.3"_ipv4, "192.0.2.3"_ipv4));
  CHECK_FALSE(on_link("192.0.2.2/31"_prefix, "192.0.2.3"_ipv4, "192.0.2.4"_ipv4));

  // Nothing else is on the network of a /32; a host route makes the gateway a neighbour.
  Ipv4Lab lab{{}, {"192.0.2.2/32"_prefix}};
  CHECK(error_of(lab.send("192.0.2.1"_ipv4)) == Error::network_unreachable);
  REQUIRE(lab.ip.add_route("192.0.2.1/32"_prefix, lab.tap));
  REQUIRE(lab.send("192.0.2.1"_ipv4));
  CHECK(lab.wire.take_one().to.next_hop == "192.0.2.1"_ipv4);
}

TEST_CASE("a host without any gateway reaches its neighbours", "[ipv4][RFC1122-3.3.1.1-3]") {
  Ipv4Lab lab;
  CHECK(lab.send("192.0.2.77"_ipv4));
  CHECK(error_of(lab.send("198.51.100.1"_ipv4)) == Error::network_unreachable);
  CHECK(lab.ip.select_source("198.51.100.1"_ipv4).error() == Error::network_unreachable);
  CHECK(lab.ip.stats().out_no_routes == 1);
  CHECK(lab.wire.sent.size() == 1);
}

TEST_CASE("broadcast and multicast go straight to the link", "[ipv4][RFC1122-3.3.1.1-2]") {
  Ipv4Lab lab;
  for (const auto destination : {"255.255.255.255"_ipv4, "192.0.2.255"_ipv4, "192.0.2.0"_ipv4}) {
    REQUIRE(lab.send(destination));
    const auto sent = lab.wire.take_one();
    CHECK(sent.to.next_hop == destination);
    CHECK(sent.to.broadcast);
  }
  REQUIRE(lab.send("224.0.0.9"_ipv4));
  const auto sent = lab.wire.take_one();
  CHECK(sent.to.next_hop == "224.0.0.9"_ipv4);
  CHECK_FALSE(sent.to.broadcast);
  REQUIRE(lab.send("192.0.2.9"_ipv4));
  CHECK_FALSE(lab.wire.take_one().to.broadcast);
  CHECK(lab.ip.stats().out_bcast_pkts == 3);
  CHECK(lab.ip.stats().out_mcast_pkts == 1);
}

TEST_CASE("link broadcasts carry nothing but IP broadcasts", "[ipv4][RFC1122-3.3.6-3]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  for (const auto destination : {"192.0.2.1"_ipv4, "198.51.100.255"_ipv4, "10.0.0.0"_ipv4, "192.0.2.254"_ipv4, "224.1.2.3"_ipv4,
                                 "255.255.255.255"_ipv4, "192.0.2.255"_ipv4}) {
    REQUIRE(lab.send(destination));
    const auto sent = lab.wire.take_one();
    CHECK(sent.to.broadcast == lab.ip.is_group(destination) - destination.is_multicast());
  }
}

TEST_CASE("the stack selects a source, and the application may choose another of ours",
          "[ipv4][RFC1122-3.3.4.2-2][RFC1122-3.3.4.2-3][RFC1122-3.2.1.3-5][RFC1122-3.2.1.3-2]") {
  Ipv4Lab lab{{}, {"192.0.2.2/24"_prefix, "198.51.100.2/24"_prefix, "192.0.2.3/24"_prefix}};
  REQUIRE(lab.ip.add_default_gateway("198.51.100.1"_ipv4));
  const auto source = [&](const network::Send& to) {
    REQUIRE(lab.send(to));
    return lab.wire.take_one().parse().src_addr().to_string();
  };
  CHECK(source(udp_to("192.0.2.9"_ipv4)) == "192.0.2.2");
  CHECK(source(udp_to("198.51.100.9"_ipv4)) == "198.51.100.2");
  CHECK(source(udp_to("203.0.113.1"_ipv4)) == "198.51.100.2");  // the gateway's network
  CHECK(source(udp_to("192.0.2.9"_ipv4, "192.0.2.3"_ipv4)) == "192.0.2.3");
  CHECK(source(udp_to("192.0.2.9"_ipv4, "198.51.100.2"_ipv4)) == "198.51.100.2");
  CHECK(lab.ip.select_source("203.0.113.1"_ipv4).value() == IpAddress{"198.51.100.2"_ipv4});
  for (const auto foreign :
       {"192.0.2.9"_ipv4, "255.255.255.255"_ipv4, "192.0.2.255"_ipv4, "192.0.2.0"_ipv4, "224.0.0.1"_ipv4, "127.0.0.1"_ipv4}) {
    CHECK(error_of(lab.send(udp_to("192.0.2.9"_ipv4, foreign))) == Error::address_not_available);
  }
  CHECK(lab.wire.sent.empty());
}

TEST_CASE("without an address only DHCP and IGMP may send", "[ipv4][RFC1122-3.2.1.3-1]") {
  Ipv4Lab lab{{}, {}};
  auto to = udp_to("255.255.255.255"_ipv4);
  const auto send = [&](const char* bytes) { return lab.ip.encapsulate(lab.packet(hex(bytes)), to); };
  REQUIRE(send("0044 0043 0008 0000"));
  auto sent = lab.wire.take_one();
  CHECK(sent.parse().src_addr() == "0.0.0.0");
  CHECK(sent.to.broadcast);
  CHECK(send("0044 0044 0008 0000").error() == Error::address_not_available);
  CHECK(send("").error() == Error::address_not_available);
  CHECK(error_of(lab.send(udp_to("224.0.0.9"_ipv4))) == Error::address_not_available);
  to.protocol = Protocol::igmp;
  to.destination = "224.0.0.22"_ipv4;
  REQUIRE(send("2200 0000 0000 0000"));
  CHECK(lab.wire.take_one().parse().src_addr() == "0.0.0.0");

  // With an address nobody does.
  Ipv4Lab settled;
  REQUIRE(settled.ip.encapsulate(settled.packet(hex("0044 0043 0008 0000")), udp_to("255.255.255.255"_ipv4)));
  CHECK(settled.wire.take_one().parse().src_addr() == "192.0.2.2");
}

TEST_CASE("the strong host model ties addresses to their interface", "[ipv4][RFC1122-3.3.4.2-4][RFC1122-3.3.4.2-5]") {
  for (const bool strong : {false, true}) {
    Ipv4Lab lab{{.host_model = strong ? ipv4::HostModel::strong : ipv4::HostModel::weak}};
    RecordingNeighbours other;
    const auto second = lab.add("tap1", {"198.51.100.2/24"_prefix}, other);
    const auto to_first = datagram("192.0.2.2", "198.51.100.9", Ipv4Lab::counting(8));
    const auto to_second = datagram("198.51.100.2", "198.51.100.9", Ipv4Lab::counting(8));
    CHECK(reason_of(lab.inject(to_first, LinkCast::unicast, second)) == (strong ? Drop::not_for_us : Drop::count_));
    CHECK(lab.inject(to_second, LinkCast::unicast, second));
    CHECK(error_of(lab.send(udp_to("198.51.100.9"_ipv4, "192.0.2.2"_ipv4))) ==
          (strong ? make_error_code(Error::address_not_available) : std::error_code{}));
    CHECK(lab.send(udp_to("198.51.100.9"_ipv4, "198.51.100.2"_ipv4)));
  }
}

TEST_CASE("several default gateways: the preferred first, the next after its failure",
          "[ipv4][RFC1122-3.3.1.2-3][RFC1122-3.3.1.4-1][RFC1122-3.3.1.6-1]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.254"_ipv4, 20));
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4, 10));
  const auto next = [&] {
    REQUIRE(lab.send("203.0.113.1"_ipv4));
    return lab.wire.take_one();
  };
  const auto first = next();
  CHECK(first.to.next_hop == "192.0.2.1"_ipv4);
  lab.ip.advise("203.0.113.1"_ipv4, false);  // TCP's retransmissions pile up
  CHECK(next().to.next_hop == "192.0.2.254"_ipv4);
  lab.ip.unresolved("192.0.2.254"_ipv4, lab.packet(first.bytes));  // ARP gave up
  CHECK(next().to.next_hop == "192.0.2.1"_ipv4);
  CHECK(error_of(lab.ip.add_default_gateway("198.51.100.1"_ipv4)) == Error::network_unreachable);
  CHECK(error_of(lab.ip.add_default_gateway("192.0.2.2"_ipv4)) == Error::invalid_argument);
}

TEST_CASE("a redirect from the first hop, and no other, changes one destination",
          "[ipv4][RFC1122-3.3.1.2-1][RFC1122-3.3.1.2-2][RFC1122-3.2.2.2-4][RFC1122-3.2.2.2-5]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  const auto next = [&](Ipv4Address destination) {
    REQUIRE(lab.send(destination));
    return lab.wire.take_one().to.next_hop;
  };
  const IpAddress destination{"203.0.113.1"_ipv4};
  lab.ip.redirect(destination, "192.0.2.9"_ipv4, "192.0.2.77"_ipv4);    // from somebody else
  lab.ip.redirect(destination, "198.51.100.9"_ipv4, "192.0.2.1"_ipv4);  // to a gateway on another network
  lab.ip.redirect(destination, "192.0.2.2"_ipv4, "192.0.2.1"_ipv4);     // to ourselves
  lab.ip.redirect(destination, "192.0.2.255"_ipv4, "192.0.2.1"_ipv4);
  CHECK(next("203.0.113.1"_ipv4) == "192.0.2.1"_ipv4);
  CHECK(lab.ip.drops()[Drop::not_handled] == 4);
  lab.ip.redirect(destination, "192.0.2.9"_ipv4, "192.0.2.1"_ipv4);
  CHECK(next("203.0.113.1"_ipv4) == "192.0.2.9"_ipv4);
  CHECK(next("203.0.113.2"_ipv4) == "192.0.2.1"_ipv4);
  CHECK(lab.ip.print_routes().find("203.0.113.1     192.0.2.9       255.255.255.255 UGHD") != std::string::npos);
}

TEST_CASE("the way that the last datagram took holds until something changes, and no longer", "[ipv4]") {
  Ipv4Lab lab;
  const auto host = "203.0.113.1"_ipv4;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4, 10));
  const auto next = [&] {
    REQUIRE(lab.send(host));
    return lab.wire.take_one().to;
  };
  REQUIRE(next().next_hop == "192.0.2.1"_ipv4);
  REQUIRE(next().next_hop == "192.0.2.1"_ipv4);
  SECTION("a better route") {
    REQUIRE(lab.ip.add_route("203.0.113.0/24"_prefix, "192.0.2.9"_ipv4));
    CHECK(next().next_hop == "192.0.2.9"_ipv4);
  }
  SECTION("a redirect, and a second one") {
    lab.ip.redirect(IpAddress{host}, "192.0.2.9"_ipv4, "192.0.2.1"_ipv4);
    CHECK(next().next_hop == "192.0.2.9"_ipv4);
    lab.ip.redirect(IpAddress{host}, "192.0.2.10"_ipv4, "192.0.2.9"_ipv4);
    CHECK(next().next_hop == "192.0.2.10"_ipv4);
  }
  SECTION("bad news of the gateway") {
    REQUIRE(lab.ip.add_default_gateway("192.0.2.254"_ipv4, 20));
    REQUIRE(next().next_hop == "192.0.2.1"_ipv4);
    lab.ip.advise(host, false);
    CHECK(next().next_hop == "192.0.2.254"_ipv4);
  }
  SECTION("the only address goes") {
    REQUIRE(lab.ip.remove_address(lab.tap, "192.0.2.2"_ipv4));
    CHECK(error_of(lab.send(host)) == Error::network_unreachable);
  }
  SECTION("it becomes a neighbour") {
    REQUIRE(lab.ip.add_address(lab.tap, "203.0.113.9/24"_prefix));
    CHECK(next().next_hop == host);
  }
  SECTION("it becomes a broadcast address") {
    REQUIRE(lab.ip.add_address(lab.tap, "203.0.113.2/31"_prefix));
    CHECK_FALSE(next().broadcast);
    REQUIRE(lab.ip.remove_address(lab.tap, "203.0.113.2"_ipv4));
    REQUIRE(lab.send("203.0.113.3"_ipv4));
    CHECK_FALSE(lab.wire.take_one().to.broadcast);
    REQUIRE(lab.ip.add_address(lab.tap, "203.0.113.2/30"_prefix));
    REQUIRE(lab.send("203.0.113.3"_ipv4));
    CHECK(lab.wire.take_one().to.broadcast);
  }
  SECTION("it becomes ours") {
    REQUIRE(lab.ip.add_address(lab.tap, "203.0.113.1/24"_prefix));
    REQUIRE(lab.send(host));
    CHECK(lab.wire.take().empty());
  }
}

TEST_CASE("link-local destinations are always neighbours", "[ipv4][RFC3927-2.6.2-1][RFC3927-2.6.2-2]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  REQUIRE(lab.send("169.254.9.9"_ipv4));
  CHECK(lab.wire.take_one().to.next_hop == "169.254.9.9"_ipv4);
  REQUIRE(lab.send("169.254.255.255"_ipv4));
  CHECK(lab.wire.take_one().to.broadcast);
}

TEST_CASE("a routable address is the source where there is one", "[ipv4][RFC3927-1.9-2]") {
  Ipv4Lab lab{{}, {"169.254.3.4/16"_prefix}};
  REQUIRE(lab.ip.add_route("0.0.0.0/0"_prefix, lab.tap));
  CHECK(lab.ip.select_source("203.0.113.1"_ipv4) == IpAddress{"169.254.3.4"_ipv4});
  REQUIRE(lab.ip.add_address(lab.tap, "192.0.2.2/24"_prefix));
  CHECK(lab.ip.select_source("203.0.113.1"_ipv4) == IpAddress{"192.0.2.2"_ipv4});
  CHECK(lab.ip.select_source("169.254.9.9"_ipv4) == IpAddress{"169.254.3.4"_ipv4});
}

TEST_CASE("routes print with their interfaces' names", "[ipv4]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  CHECK(lab.ip.print_routes() ==
        "Kernel IP routing table\n"
        "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
        "0.0.0.0         192.0.2.1       0.0.0.0         UG    0      0        0 tap0\n"
        "192.0.2.0       0.0.0.0         255.255.255.0   U     0      0        0 tap0\n");
}

TEST_CASE("a route counts the datagrams that are sent by it, and no questions", "[ipv4]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  const auto used = [&](Ipv4Address destination) { return lab.ip.routes().lookup(destination)->use; };
  const auto gateway = "203.0.113.1"_ipv4;
  const auto link = "192.0.2.77"_ipv4;
  CHECK(lab.ip.select_source(gateway));
  CHECK(lab.ip.path_mtu(gateway) == 1500);
  CHECK(lab.ip.writable(gateway));
  CHECK(used(gateway) == 0);

  for (int i = 0; i < 3; ++i) REQUIRE(lab.send(gateway));
  REQUIRE(lab.send("203.0.113.2"_ipv4, 4000));  // one datagram in three fragments
  REQUIRE(lab.send(link));
  CHECK(used(gateway) == 4);
  CHECK(used(link) == 1);
  CHECK(lab.ip.print_routes() ==
        "Kernel IP routing table\n"
        "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
        "0.0.0.0         192.0.2.1       0.0.0.0         UG    0      0        4 tap0\n"
        "192.0.2.0       0.0.0.0         255.255.255.0   U     0      0        1 tap0\n");
}

TEST_CASE("what needs no route, or does not leave, is no use of one", "[ipv4]") {
  Ipv4Lab lab;
  const auto used = [&] { return lab.ip.routes().lookup("192.0.2.77"_ipv4)->use; };
  REQUIRE(lab.send("192.0.2.2"_ipv4));        // ourselves
  REQUIRE(lab.send("192.0.2.255"_ipv4));      // the link's broadcast address
  REQUIRE(lab.send("255.255.255.255"_ipv4));  // no route is there
  network::Send whole;
  whole.destination = "192.0.2.77"_ipv4;
  whole.protocol = Protocol::udp;
  whole.dont_fragment = true;
  CHECK(error_of(lab.send(whole, 4000)) == Error::message_too_large);
  CHECK(used() == 0);
  REQUIRE(lab.send(whole));
  CHECK(used() == 1);
}

TEST_CASE("a group that is sent to by a route is a use of it", "[ipv4]") {
  Ipv4Lab lab;
  const auto group = "224.1.2.3"_ipv4;
  REQUIRE(lab.send(group));  // without a route: by the first interface
  REQUIRE(lab.ip.add_route("224.0.0.0/4"_prefix, lab.tap));
  CHECK(lab.ip.routes().lookup(group)->use == 0);
  REQUIRE(lab.send(group));
  CHECK(lab.ip.routes().lookup(group)->use == 1);
}

TEST_CASE("gateways are never pinged, with traffic or without", "[ipv4][RFC1122-3.3.1.4-3][RFC1122-3.3.1.4-4]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  lab.advance(1h);
  CHECK(lab.wire.sent.empty());
  CHECK_FALSE(lab.scheduler.next_wakeup());
  for (int i = 0; i < 10; ++i) {
    REQUIRE(lab.send("203.0.113.1"_ipv4));
    lab.ip.advise("203.0.113.1"_ipv4, i % 2 == 0);
    lab.advance(1min);
  }
  CHECK(lab.wire.sent.size() == 10);
  CHECK(lab.ip.stats().out_transmits == 10);
}

TEST_CASE("the source of the datagram before is no reason to believe in it", "[ipv4]") {
  Ipv4Lab lab{{}, {"192.0.2.2/24"_prefix, "192.0.2.3/24"_prefix}};
  const auto to = [](Ipv4Address source) {
    network::Send send;
    send.source = source;
    send.destination = "192.0.2.1"_ipv4;
    send.protocol = Protocol::udp;
    return send;
  };
  const auto source_of = [&](const network::Send& send) {
    REQUIRE(lab.send(send));
    return lab.wire.take_one().parse().src_addr().to_string();
  };
  CHECK(source_of(to("192.0.2.3"_ipv4)) == "192.0.2.3");
  CHECK(source_of(to("192.0.2.3"_ipv4)) == "192.0.2.3");
  CHECK(source_of(to({})) == "192.0.2.2");  // chosen, whatever the one before had
  CHECK(source_of(to({})) == "192.0.2.2");
  CHECK(error_of(lab.send(to("192.0.2.9"_ipv4))) == Error::address_not_available);
  CHECK(source_of(to("192.0.2.3"_ipv4)) == "192.0.2.3");
  REQUIRE(lab.ip.remove_address(lab.tap, "192.0.2.3"_ipv4));
  CHECK(error_of(lab.send(to("192.0.2.3"_ipv4))) == Error::address_not_available);
  CHECK(source_of(to("192.0.2.2"_ipv4)) == "192.0.2.2");
  network::Send dead = to("192.0.2.2"_ipv4);
  dead.ttl = 0;
  CHECK(error_of(lab.send(dead)) == Error::invalid_argument);
}
