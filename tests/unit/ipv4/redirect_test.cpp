#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

/// A router whose way to 203.0.113.0/24 leads back to the link of 192.0.2.0/24, by another gateway there.
struct RedirectingRouter : Ipv4Lab {
  explicit RedirectingRouter(ipv4::Config config = {}) : Ipv4Lab{on(config), {"192.0.2.2/24"_prefix, "192.0.3.2/24"_prefix}} {
    second = add("tap1", {"198.51.100.1/24"_prefix}, far);
    REQUIRE(ip.add_route("203.0.113.0/24"_prefix, "192.0.2.77"_ipv4));
  }
  static ipv4::Config on(ipv4::Config config) {
    config.forwarding = true;
    return config;
  }
  RecordingNeighbours far;
  InterfaceIndex second{};
};

}  // namespace

TEST_CASE("a sender is told of the gateway on its own network, and its datagram goes on", "[ipv4][RFC1812-5.2.7.2-2][RFC1812-5.2.7.2-3]") {
  RedirectingRouter router;
  const auto to_net = datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(64));
  REQUIRE(router.inject(to_net));
  const auto sent = router.wire.take_one();
  CHECK(sent.to.next_hop == "192.0.2.77"_ipv4);
  CHECK(sent.parse().ttl() == 63);
  REQUIRE(router.errors.redirects.size() == 1);
  CHECK(router.errors.redirects[0].gateway == IpAddress{"192.0.2.77"_ipv4});
  CHECK(router.errors.redirects[0].datagram == bytes_of(datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(64)).serialize()));
  // A neighbour that was sent by way of us: it is its own gateway (RFC 792).
  REQUIRE(router.inject(datagram("192.0.2.50", "192.0.2.9", Ipv4Lab::counting(8))));
  REQUIRE(router.errors.redirects.size() == 2);
  CHECK(router.errors.redirects[1].gateway == IpAddress{"192.0.2.50"_ipv4});
  CHECK(router.errors.sent.empty());
}

TEST_CASE("each condition of a redirect is needed", "[ipv4][RFC1812-5.2.7.2-3]") {
  RedirectingRouter router;
  const auto no_redirect = [&](const Accepted& forwarded, RecordingNeighbours& out) {
    CHECK(forwarded);
    CHECK(out.take().size() == 1);
    CHECK(router.errors.redirects.empty());
  };
  // Out by another interface than in.
  no_redirect(router.inject(datagram("198.51.100.9", "192.0.2.9", Ipv4Lab::counting(8))), router.far);
  no_redirect(router.inject(datagram("203.0.113.9", "198.51.100.9", Ipv4Lab::counting(8)), LinkCast::unicast, router.second), router.wire);
  // The source is on another network of the link than the next hop, or on none of it.
  no_redirect(router.inject(datagram("203.0.113.9", "192.0.3.9", Ipv4Lab::counting(8))), router.wire);
  no_redirect(router.inject(datagram("203.0.113.9", "8.8.8.8", Ipv4Lab::counting(8))), router.wire);
  // The sender chose the way itself.
  no_redirect(router.inject(with_options(hex("83 07 04 cb007109 00"), Ipv4Lab::counting(8), "192.0.2.2", "192.0.2.9")), router.wire);
  no_redirect(router.inject(with_options(hex("83 07 08 cb007101 00"), Ipv4Lab::counting(8), "203.0.113.9", "192.0.2.9")), router.wire);
  // It is the next hop.
  no_redirect(router.inject(datagram("203.0.113.9", "192.0.2.77", Ipv4Lab::counting(8))), router.wire);
  // All of them hold.
  REQUIRE(router.inject(datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(8))));
  CHECK(router.errors.redirects.size() == 1);
}

TEST_CASE("redirects can be turned off", "[ipv4]") {
  RedirectingRouter router{{.send_redirects = false}};
  REQUIRE(router.inject(datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(8))));
  CHECK(router.wire.take().size() == 1);
  CHECK(router.errors.redirects.empty());
}

TEST_CASE("what is not forwarded draws no redirect", "[ipv4]") {
  RedirectingRouter router;
  auto last_hop = datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(8));
  last_hop.ttl(1);
  CHECK(reason_of(router.inject(last_hop)) == Drop::ttl_exceeded);
  CHECK(router.errors.redirects.empty());
  CHECK(router.errors.sent.size() == 1);
}
