#include <catch2/catch.hpp>

#include <tapir/core/addresses.hpp>
#include <tapir/ipv4/routing_table.hpp>

using namespace tapir;
using namespace tapir::literals;
using namespace std::chrono_literals;
using ipv4::Route;
using ipv4::RouteFlags;
using ipv4::RoutingTable;

namespace {

Route by(Ipv4Prefix destination, Ipv4Address gateway, std::uint32_t metric = 0) {
  const auto host = destination.length() == 32 ? RouteFlags::host : RouteFlags::none;
  return {.destination = destination,
          .gateway = gateway,
          .flags = RouteFlags::up | RouteFlags::gateway | host,
          .interface = {},
          .metric = metric};
}
Route on_link(Ipv4Prefix destination) { return {.destination = destination, .gateway = {}, .flags = RouteFlags::up, .interface = {}}; }

Ipv4Address next(const RoutingTable& table, Ipv4Address destination) {
  const auto* route = table.lookup(destination);
  return route == nullptr ? Ipv4Address{} : route->gateway;
}

}  // namespace

TEST_CASE("lookup: the host route, then the longest prefix, then the default", "[ipv4][RFC1122-3.3.1.2-1]") {
  RoutingTable table;
  CHECK(table.lookup("10.1.2.3"_ipv4) == nullptr);
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.1"_ipv4));
  table.add(by("10.0.0.0/8"_prefix, "192.0.2.8"_ipv4));
  table.add(by("10.1.2.3/32"_prefix, "192.0.2.32"_ipv4));
  table.add(by("10.1.2.0/24"_prefix, "192.0.2.24"_ipv4));
  table.add(by("10.1.0.0/16"_prefix, "192.0.2.16"_ipv4));
  CHECK(next(table, "10.1.2.3"_ipv4) == "192.0.2.32"_ipv4);
  CHECK(next(table, "10.1.2.4"_ipv4) == "192.0.2.24"_ipv4);
  CHECK(next(table, "10.1.3.4"_ipv4) == "192.0.2.16"_ipv4);
  CHECK(next(table, "10.2.3.4"_ipv4) == "192.0.2.8"_ipv4);
  CHECK(next(table, "11.2.3.4"_ipv4) == "192.0.2.1"_ipv4);
  CHECK(table.remove("10.1.2.0/24"_prefix, "192.0.2.24"_ipv4) == 1);
  CHECK(next(table, "10.1.2.4"_ipv4) == "192.0.2.16"_ipv4);
}

TEST_CASE("the table prints as route -n does on Linux", "[ipv4]") {
  RoutingTable table;
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.1"_ipv4, 100));
  table.add(on_link("192.0.2.0/24"_prefix));
  table.add(by("198.51.100.7/32"_prefix, "192.0.2.9"_ipv4));
  CHECK(table.redirect("203.0.113.200"_ipv4, "192.0.2.254"_ipv4));
  const auto text = table.to_string([](InterfaceIndex) { return "tap0"; });
  CHECK(text ==
        "Kernel IP routing table\n"
        "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
        "0.0.0.0         192.0.2.1       0.0.0.0         UG    100    0        0 tap0\n"
        "192.0.2.0       0.0.0.0         255.255.255.0   U     0      0        0 tap0\n"
        "198.51.100.7    192.0.2.9       255.255.255.255 UGH   0      0        0 tap0\n"
        "203.0.113.200   192.0.2.254     255.255.255.255 UGHD  0      0        0 tap0\n");
}

TEST_CASE("a redirect makes a dynamic host route, or modifies one", "[ipv4][RFC1122-3.3.1.2-1][RFC1122-3.3.1.2-4]") {
  RoutingTable table{{.max_dynamic = 2}};
  CHECK_FALSE(table.redirect("10.0.0.1"_ipv4, "192.0.2.9"_ipv4));  // nothing to better
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.1"_ipv4));
  REQUIRE(table.redirect("10.0.0.1"_ipv4, "192.0.2.9"_ipv4));
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.9"_ipv4);
  CHECK(next(table, "10.0.0.2"_ipv4) == "192.0.2.1"_ipv4);  // only that destination
  CHECK(to_string(table.lookup("10.0.0.1"_ipv4)->flags) == "UGHD");
  REQUIRE(table.redirect("10.0.0.1"_ipv4, "192.0.2.10"_ipv4));
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.10"_ipv4);
  CHECK(to_string(table.lookup("10.0.0.1"_ipv4)->flags) == "UGHDM");
  for (std::uint32_t i = 0; i < 100; ++i) REQUIRE(table.redirect(Ipv4Address{0x0a010000 + i}, "192.0.2.9"_ipv4));
  CHECK(table.routes().size() == 3);  // bounded

  Route fixed = by("10.9.9.9/32"_prefix, "192.0.2.1"_ipv4);
  fixed.fixed = true;
  table.add(fixed);
  CHECK_FALSE(table.redirect("10.9.9.9"_ipv4, "192.0.2.9"_ipv4));
  CHECK(next(table, "10.9.9.9"_ipv4) == "192.0.2.1"_ipv4);
}

TEST_CASE("bad news of a gateway moves its traffic to the next default",
          "[ipv4][RFC1122-3.3.1.2-3][RFC1122-3.3.1.5-1][RFC1122-3.3.1.4-2]") {
  RoutingTable table;
  TimePoint now{};
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.1"_ipv4, 10));
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.2"_ipv4, 20));
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.3"_ipv4, 30));
  table.add(on_link("192.0.2.0/24"_prefix));
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.1"_ipv4);
  CHECK_FALSE(table.advise("192.0.2.77"_ipv4, false, now));  // no gateway in this
  CHECK(table.advise("10.0.0.1"_ipv4, false, now));
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.2"_ipv4);
  table.gateway_failed("192.0.2.2"_ipv4);
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.3"_ipv4);
  CHECK(table.advise("10.0.0.1"_ipv4, false, now));  // all are under suspicion: the first again
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.1"_ipv4);
  CHECK_FALSE(table.advise("10.0.0.1"_ipv4, true, now));  // and it is fine now
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.1"_ipv4);
}

TEST_CASE("advice is counted at the gateway, and good news of one peer outweighs bad news of another", "[ipv4][RFC1122-3.3.1.4-5]") {
  RoutingTable table;
  TimePoint now{1h};
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.1"_ipv4));
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.2"_ipv4));
  CHECK_FALSE(table.advise("10.0.0.1"_ipv4, true, now));
  CHECK_FALSE(table.advise("10.0.0.2"_ipv4, false, now + 5s));
  CHECK(table.complaints("192.0.2.1"_ipv4) == 1);
  CHECK(next(table, "10.0.0.2"_ipv4) == "192.0.2.1"_ipv4);
  CHECK(table.advise("10.0.0.2"_ipv4, false, now + 10s));  // 10 s without a sign of life
  CHECK(table.complaints("192.0.2.1"_ipv4) == 2);
  CHECK(next(table, "10.0.0.2"_ipv4) == "192.0.2.2"_ipv4);
}

TEST_CASE("what a redirect sent to a dead gateway goes back to the default", "[ipv4][RFC1122-3.3.1.4-1]") {
  RoutingTable table;
  table.add(by("0.0.0.0/0"_prefix, "192.0.2.1"_ipv4));
  REQUIRE(table.redirect("10.0.0.1"_ipv4, "192.0.2.9"_ipv4));
  table.gateway_failed("192.0.2.9"_ipv4);
  CHECK(next(table, "10.0.0.1"_ipv4) == "192.0.2.1"_ipv4);
}
