#include <catch2/catch.hpp>

#include "over_ipv4_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

constexpr Ipv4Address kBehind = "198.51.100.9"_ipv4;  ///< a host on the far link
constexpr InterfaceIndex kFarLink{1};

/// A router with 192.0.2.2/24 and 192.0.3.2/24 on one link, 198.51.100.1/24 on another one of 1280 bytes, and a gateway 192.0.2.254.
struct Router : Host {
  explicit Router(icmp::Config config = {}) : Host{{.forwarding = true}, config} {
    REQUIRE(ip.add_address(InterfaceIndex{}, "192.0.3.2/24"_prefix));
    REQUIRE(ip.add_interface({.name = "tap1", .addresses = {"198.51.100.1/24"_prefix}, .mtu = 1280, .neighbours = &far}));
  }
  /// The one message sent to the near link.
  Tins::IP only() {
    const auto all = take();
    REQUIRE(all.size() == 1);
    return all.front();
  }
  Neighbours far;
};

Bytes with_ttl(Bytes datagram, std::uint8_t ttl) {
  auto ip = Tins::IP{reinterpret_cast<const std::uint8_t*>(datagram.data()), static_cast<std::uint32_t>(datagram.size())};
  ip.ttl(ttl);
  return serialized(ip);
}

Bytes with_df(const std::string& payload) {
  auto ip = Tins::IP(to_string(kBehind), to_string(kPeer)) / Tins::UDP(7777, 4444) / Tins::RawPDU(payload);
  ip.flags(Tins::IP::DONT_FRAGMENT);
  return serialized(ip);
}

}  // namespace

TEST_CASE("a router says how much the next link takes", "[icmp][RFC1191-4-1]") {
  Router router;
  CHECK(router.inject(with_df(std::string(1400, 'x'))).error() == Drop::dont_fragment);
  REQUIRE(router.below.sent.size() == 1);
  const Bytes sent = router.below.sent[0].bytes;
  CHECK(Bytes(sent.begin() + 20, sent.begin() + 22) == hex("03 04"));
  CHECK(Bytes(sent.begin() + 24, sent.begin() + 28) == hex("00 00 05 00"));
  CHECK(router.inject(with_df(std::string(1252, 'x'))));  // 1280 bytes go through
  CHECK(router.far.sent.size() == 1);
}

TEST_CASE("an error quotes as much as 576 bytes hold", "[icmp][RFC1812-4.3.2.3-1]") {
  Router router;
  const Bytes large = with_ttl(udp_datagram(kPeer, kBehind, std::string(1472, 'x')), 1);
  CHECK(router.inject(large).error() == Drop::ttl_exceeded);
  REQUIRE(router.below.sent.size() == 1);
  const Bytes sent = router.below.sent[0].bytes;
  CHECK(sent.size() == 576);
  CHECK(Bytes(sent.begin() + 28, sent.end()) == Bytes(large.begin(), large.begin() + 548));
}

TEST_CASE("a router's error comes from the interface that it leaves by", "[icmp][RFC1812-4.3.2.4-1]") {
  Router router;
  CHECK(router.inject(with_ttl(udp_datagram(kPeer, kBehind), 1)).error() == Drop::ttl_exceeded);
  CHECK(router.only().src_addr() == to_string(kOwn));
  // The address that was asked is the other interface's.
  CHECK(router.inject(udp_datagram(kPeer, "198.51.100.1"_ipv4)).error() == Drop::no_listener);
  CHECK(router.only().src_addr() == to_string(kOwn));
  // A host answers from there.
  Host host;
  REQUIRE(host.ip.add_interface({.name = "tap1", .addresses = {"198.51.100.1/24"_prefix}, .neighbours = &router.far}));
  CHECK(host.inject(udp_datagram(kPeer, "198.51.100.1"_ipv4)).error() == Drop::no_listener);
  CHECK(host.take().at(0).src_addr() == "198.51.100.1");
}

TEST_CASE("an echo reply comes from the address that was asked", "[icmp][RFC1122-3.3.4.2-1]") {
  Host host;
  REQUIRE(host.ip.add_address(InterfaceIndex{}, "192.0.2.3/24"_prefix));
  for (const auto asked : {kOwn, "192.0.2.3"_ipv4}) {
    REQUIRE(host.inject(icmp_datagram(kPeer, asked, echo_request(1, 1, pattern(8)))));
    CHECK(host.take().at(0).src_addr() == to_string(asked));
  }
}

TEST_CASE("the rate of a router's errors is limited and configurable", "[icmp][RFC1812-4.3.2.8-1]") {
  for (const icmp::RateLimit limit : {icmp::RateLimit{100, 50}, icmp::RateLimit{10, 3}}) {
    Router router{{.errors = limit}};
    for (int i = 0; i < 1000; ++i) {
      CHECK_FALSE(router.inject(with_ttl(udp_datagram(kPeer, kBehind), 1)));
      router.advance(1ms);
    }
    const auto sent = router.take().size();
    CHECK(sent <= limit.burst + limit.per_second);
    CHECK(sent >= limit.per_second);
  }
}

TEST_CASE("a redirect is for the host, names the gateway, and comes from the sender's own network",
          "[icmp][RFC1812-5.2.7.2-1][RFC1812-5.2.7.2-2][RFC1812-5.2.7.2-4]") {
  struct Case {
    Ipv4Address source;
    Ipv4Address gateway;
    Ipv4Address own;
  };
  Router router;
  REQUIRE(router.ip.add_route("203.0.114.0/24"_prefix, "192.0.3.77"_ipv4));
  for (const auto& [source, gateway, own] : {Case{kPeer, kGateway, kOwn}, Case{"192.0.3.9"_ipv4, "192.0.3.77"_ipv4, "192.0.3.2"_ipv4}}) {
    for (const std::uint8_t tos : Octets{0, 0x10}) {
      const Ipv4Address destination = gateway == kGateway ? kFar : "203.0.114.9"_ipv4;
      const Bytes datagram = udp_datagram(source, destination, "some payload", tos);
      REQUIRE(router.inject(datagram));
      REQUIRE(router.below.sent.size() == 2);  // the redirect, and the datagram on its way
      const Bytes redirect = router.below.sent[0].bytes;
      CHECK(router.below.sent[0].next_hop == source);
      CHECK(router.below.sent[1].next_hop == gateway);
      const Tins::IP ip{reinterpret_cast<const std::uint8_t*>(redirect.data()), static_cast<std::uint32_t>(redirect.size())};
      CHECK(ip.src_addr() == to_string(own));
      CHECK(ip.dst_addr() == to_string(source));
      CHECK(Bytes(redirect.begin() + 20, redirect.begin() + 22) == hex("05 01"));
      const std::uint32_t value = gateway.value();
      for (std::ptrdiff_t i = 0; i < 4; ++i)
        CHECK(redirect.at(24 + static_cast<std::size_t>(i)) == static_cast<std::byte>(value >> (24 - 8 * i) & 0xffU));
      CHECK(checksum_good(Bytes(redirect.begin() + 20, redirect.end())));
      CHECK(Bytes(redirect.begin() + 28, redirect.end()) == datagram);
      router.below.sent.clear();
    }
  }
  CHECK(router.icmp.stats().out_pkts[5] == 4);
}

TEST_CASE("a host that hears our redirect goes by the gateway from then on", "[icmp][RFC1812-5.2.7.2-2]") {
  Router router;
  REQUIRE(router.inject(udp_datagram("192.0.2.5"_ipv4, kFar)));
  const Bytes redirect = router.below.sent.at(0).bytes;
  // A host 192.0.2.5 that has the router as its only gateway.
  struct Small : Lab {
    Small() : ip{context}, icmp{context, ip, ip} {
      REQUIRE(ip.add_interface({.name = "tap0", .addresses = {"192.0.2.5/24"_prefix}, .neighbours = &below}));
      REQUIRE(ip.add_default_gateway(kOwn));
    }
    Neighbours below;
    ipv4::Ipv4 ip;
    icmp::Icmp icmp;
  } host;
  CHECK(host.ip.routes().lookup(kFar)->gateway == kOwn);
  REQUIRE(host.ip.demultiplex(host.packet(redirect), {}));
  CHECK(host.ip.routes().lookup(kFar)->gateway == kGateway);
}

TEST_CASE("redirects have a limit of their own and follow the rules for errors", "[icmp][RFC1122-3.2.2-6]") {
  Router router{{.redirects = {0, 2}}};
  for (int i = 0; i < 5; ++i) REQUIRE(router.inject(udp_datagram(kPeer, kFar)));
  CHECK(router.take().size() == 5 + 2);
  CHECK(router.icmp.drops()[Drop::rate_limited] == 3);
  CHECK_FALSE(router.inject(with_ttl(udp_datagram(kPeer, kFar), 1)));
  CHECK(router.only().rfind_pdu<Tins::ICMP>().type() == Tins::ICMP::TIME_EXCEEDED);

  Router other;
  REQUIRE(other.inject(icmp_datagram(kPeer, kFar, message(3, 3, 0, udp_datagram(kFar, kPeer)))));
  CHECK(other.take().size() == 1);  // an ICMP error is never answered by one
  CHECK(other.icmp.stats().suppressed == 1);
}
