#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

// A route's own MTU and MSS, as `ip route ... mtu N advmss N` sets them on Linux.
using namespace tapir;
using namespace tapir::test;

namespace {
constexpr auto kRouteGateway = "192.0.2.1"_ipv4;
constexpr auto kRouteNetwork = "203.0.113.0/24"_prefix;
constexpr auto kByRoute = "203.0.113.9"_ipv4;     ///< by the narrow route
constexpr auto kByDefault = "198.51.100.9"_ipv4;  ///< by the default route
constexpr std::size_t kRouteMtu = 1000;

network::Send udp_along(Ipv4Address destination, bool dont_fragment = false) {
  network::Send to;
  to.destination = destination;
  to.protocol = Protocol::udp;
  to.dont_fragment = dont_fragment;
  return to;
}

network::ErrorReport too_big_along(Ipv4Address destination, std::uint16_t mtu) {
  network::ErrorReport report;
  report.kind = network::ErrorKind::fragmentation_needed;
  report.source = "192.0.2.2"_ipv4;
  report.destination = destination;
  report.next_hop_mtu = mtu;
  return report;
}

/// A host with a default route, and a route with an MTU.
struct RouteLab : Ipv4Lab {
  explicit RouteLab(const ipv4::Config& config = {}) : Ipv4Lab{config} {
    REQUIRE(ip.add_default_gateway(kRouteGateway));
    REQUIRE(ip.add_route(kRouteNetwork, kRouteGateway, {.mtu = kRouteMtu, .advmss = 700}));
  }
};
}  // namespace

TEST_CASE("a route's MTU bounds the path MTU of what goes by it, and of nothing else", "[ipv4][route-mtu]") {
  RouteLab lab;
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);
  CHECK(lab.ip.path_mtu(kByDefault) == 1500);
  // The interface's bounds it, too.
  REQUIRE(lab.ip.set_mtu(lab.tap, 800));
  CHECK(lab.ip.path_mtu(kByRoute) == 800);
  REQUIRE(lab.ip.set_mtu(lab.tap, 9000));
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);
  CHECK(lab.ip.path_mtu(kByDefault) == 9000);
  // It may change, and go.
  REQUIRE(lab.ip.add_route(kRouteNetwork, kRouteGateway, {.mtu = 1200}));
  CHECK(lab.ip.path_mtu(kByRoute) == 1200);
  CHECK(lab.ip.remove_route(kRouteNetwork, kRouteGateway) == 1);
  CHECK(lab.ip.path_mtu(kByRoute) == 9000);
}

TEST_CASE("what is larger than a route's MTU is cut, or refused with DF", "[ipv4][route-mtu]") {
  RouteLab lab;
  REQUIRE(lab.send(udp_along(kByRoute), 1400));
  const auto fragments = lab.wire.take();
  REQUIRE(fragments.size() == 2);
  CHECK(fragments[0].bytes.size() == 20 + 976);  // the greatest multiple of 8 in 980
  CHECK(error_of(lab.send(udp_along(kByRoute, true), kRouteMtu - 20 + 1)) == Error::message_too_large);
  CHECK(lab.wire.sent.empty());
  REQUIRE(lab.send(udp_along(kByRoute, true), kRouteMtu - 20));
  CHECK(lab.wire.take_one().bytes.size() == kRouteMtu);

  REQUIRE(lab.send(udp_along(kByDefault), 1400));
  REQUIRE(lab.send(udp_along(kByDefault, true), 1400));
  CHECK(lab.wire.take().size() == 2);
}

TEST_CASE("a super-segment has segments of the route's MTU at most", "[ipv4][route-mtu]") {
  RouteLab lab;
  const auto send = [&](Ipv4Address destination, std::uint16_t mss) {
    Packet segment{lab.pool};
    Bytes bytes(20 + 5000);
    bytes[12] = std::byte{0x50};  // a TCP header without options
    segment.append_copy(bytes);
    segment.mark_transport();
    segment.meta().gso = GsoKind::tcp4;
    segment.meta().gso_size = mss;
    network::Send to = udp_along(destination, true);
    to.protocol = Protocol::tcp;
    return lab.ip.encapsulate(std::move(segment), to);
  };
  CHECK(send(kByRoute, kRouteMtu - 40));
  CHECK(lab.wire.take_one().bytes.size() == 20 + 5020);
  CHECK(error_of(send(kByRoute, kRouteMtu - 40 + 1)) == Error::message_too_large);
  CHECK(lab.wire.sent.empty());
  CHECK(send(kByDefault, 1460));
}

TEST_CASE("a router's word lowers what a route's MTU allows, and never raises it", "[ipv4][route-mtu][RFC1191-3-8]") {
  RouteLab lab;
  lab.ip.deliver_error(Protocol::udp, too_big_along(kByRoute, 1200));
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);
  CHECK(lab.ip.path_mtus().size() == 0);  // no news
  lab.ip.deliver_error(Protocol::udp, too_big_along(kByRoute, 900));
  CHECK(lab.ip.path_mtu(kByRoute) == 900);
  CHECK(lab.ip.path_mtu("203.0.113.10"_ipv4) == kRouteMtu);
  lab.ip.deliver_error(Protocol::udp, too_big_along(kByDefault, 1200));
  CHECK(lab.ip.path_mtu(kByDefault) == 1200);
  lab.advance(11min);
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);  // forgotten, the route's is not
}

TEST_CASE("a report that a transport believes later counts then", "[ipv4][route-mtu][RFC5927-7.2-1]") {
  RouteLab lab;
  lab.upper.credulous = false;
  lab.ip.deliver_error(Protocol::udp, too_big_along(kByDefault, 1200));
  CHECK(lab.ip.path_mtu(kByDefault) == 1500);
  lab.ip.narrow_path(too_big_along(kByDefault, 1200));
  CHECK(lab.ip.path_mtu(kByDefault) == 1200);
}

TEST_CASE("without path MTU discovery a route's MTU is believed beyond the attached networks", "[ipv4][route-mtu][RFC1122-3.3.3-1]") {
  RouteLab lab{{.path_mtu_discovery = false}};
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);
  CHECK(lab.ip.path_mtu(kByDefault) == 576);
  CHECK(lab.ip.path_mtu("192.0.2.9"_ipv4) == 1500);
}

TEST_CASE("a route says what MSS to announce there", "[ipv4][route-mtu]") {
  RouteLab lab;
  CHECK(lab.ip.advertised_segment(kByRoute) == std::uint16_t{700});
  CHECK_FALSE(lab.ip.advertised_segment(kByDefault));
  CHECK_FALSE(lab.ip.advertised_segment("192.0.2.2"_ipv4));  // ourselves
  RouteLab none;
  CHECK(none.ip.remove_route("0.0.0.0/0"_prefix, kRouteGateway) == 1);
  CHECK_FALSE(none.ip.advertised_segment(kByDefault));
}

TEST_CASE("a redirect takes MTU and MSS along", "[ipv4][route-mtu][RFC1122-3.3.1.2-4]") {
  constexpr auto kBetter = "192.0.2.254"_ipv4;
  RouteLab lab;
  lab.ip.redirect(kByRoute, kBetter, kRouteGateway);
  const auto* route = lab.ip.routes().lookup(kByRoute);
  REQUIRE(route->gateway == kBetter);
  CHECK(to_string(route->flags) == "UGHD");
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);
  CHECK(lab.ip.advertised_segment(kByRoute) == std::uint16_t{700});
  CHECK(lab.ip.routes().lookup("203.0.113.10"_ipv4)->gateway == kRouteGateway);
  // Modified again it keeps them.
  lab.ip.redirect(kByRoute, "192.0.2.253"_ipv4, kBetter);
  CHECK(to_string(lab.ip.routes().lookup(kByRoute)->flags) == "UGHDM");
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);
  CHECK(lab.ip.advertised_segment(kByRoute) == std::uint16_t{700});
  // Of a route without them nothing is made up.
  lab.ip.redirect(kByDefault, kBetter, kRouteGateway);
  REQUIRE(lab.ip.routes().lookup(kByDefault)->gateway == kBetter);
  CHECK(lab.ip.path_mtu(kByDefault) == 1500);
  CHECK_FALSE(lab.ip.advertised_segment(kByDefault));
}

TEST_CASE("a host route that a redirect modifies keeps its MTU and MSS", "[ipv4][route-mtu]") {
  RouteLab lab;
  REQUIRE(lab.ip.add_route("203.0.113.9/32"_prefix, kRouteGateway, {.mtu = 600, .advmss = 500}));
  lab.ip.redirect(kByRoute, "192.0.2.254"_ipv4, kRouteGateway);
  CHECK(to_string(lab.ip.routes().lookup(kByRoute)->flags) == "UGHM");
  CHECK(lab.ip.path_mtu(kByRoute) == 600);
  CHECK(lab.ip.advertised_segment(kByRoute) == std::uint16_t{500});
}

TEST_CASE("with the gateway that a redirect named goes what was taken along", "[ipv4][route-mtu]") {
  RouteLab lab;
  lab.ip.redirect(kByRoute, "192.0.2.254"_ipv4, kRouteGateway);
  REQUIRE(lab.ip.add_route(kRouteNetwork, kRouteGateway, {.mtu = 1100}));
  CHECK(lab.ip.path_mtu(kByRoute) == kRouteMtu);  // by the other gateway
  lab.ip.advise(kByRoute, false);                 // that one does not work
  CHECK(lab.ip.routes().lookup(kByRoute)->gateway == kRouteGateway);
  CHECK(lab.ip.path_mtu(kByRoute) == 1100);
}

TEST_CASE("options of a route outside their range are refused", "[ipv4][route-mtu]") {
  Ipv4Lab lab;
  const auto refused = [&](const ipv4::RouteOptions& options) {
    const bool by_gateway = error_of(lab.ip.add_route(kRouteNetwork, kRouteGateway, options)) == Error::invalid_argument;
    return by_gateway && error_of(lab.ip.add_route(kRouteNetwork, lab.tap, options)) == Error::invalid_argument;
  };
  CHECK(refused({.mtu = 67}));
  CHECK(refused({.mtu = 65536}));
  CHECK(refused({.advmss = 0}));
  CHECK(refused({.advmss = 65496}));
  CHECK(lab.ip.routes().routes().size() == 1);
  CHECK(lab.ip.add_route(kRouteNetwork, kRouteGateway, {.mtu = 68, .advmss = 1}));
  CHECK(lab.ip.path_mtu(kByRoute) == 68);
  CHECK(lab.ip.add_route(kRouteNetwork, lab.tap, {.metric = 1, .mtu = 65535, .advmss = 65495}));
}

TEST_CASE("a router honours a route's MTU", "[ipv4][route-mtu][RFC1812-4.2.2.7-1][RFC1812-5.2.5-1]") {
  Ipv4Lab router{{.forwarding = true}};
  RecordingNeighbours far;
  (void)router.add("tap1", {"198.51.100.1/24"_prefix}, far);
  REQUIRE(router.ip.add_route(kRouteNetwork, "198.51.100.2"_ipv4, {.mtu = kRouteMtu}));
  auto transit = datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(1400));
  REQUIRE(router.inject(transit));
  CHECK(far.take().size() == 2);
  transit.flags(Tins::IP::DONT_FRAGMENT);
  CHECK(reason_of(router.inject(transit)) == Drop::dont_fragment);
  REQUIRE(router.errors.sent.size() == 1);
  CHECK(router.errors.sent[0].problem.next_hop_mtu == kRouteMtu);
  auto other = datagram("198.51.100.9", "192.0.2.9", Ipv4Lab::counting(1400));
  other.flags(Tins::IP::DONT_FRAGMENT);
  REQUIRE(router.inject(other));
  CHECK(far.take_one().bytes.size() == 1420);
}
