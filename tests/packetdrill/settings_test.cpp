// How Linux' settings become ours.

#include <string>

#include <catch2/catch.hpp>

#include <tools/packetdrill/routes.hpp>
#include <tools/packetdrill/settings.hpp>

#include "support/folder.hpp"

namespace tapir::packetdrill {
namespace {

using test::Folder;

TEST_CASE("the flags name the address and where the settings are", "[packetdrill]") {
  const Flags none = Flags::parse("");
  REQUIRE(none.address);
  CHECK(*none.address == *Ipv4Prefix::parse("192.168.0.1/16"));
  CHECK(none.settings == "/proc/sys/net/ipv4");
  CHECK(none.unknown.empty());

  const Flags some = Flags::parse("address=10.0.0.1/8,settings=/a/b,queue=/c");
  REQUIRE(some.address);
  CHECK(*some.address == *Ipv4Prefix::parse("10.0.0.1/8"));
  CHECK(some.settings == "/a/b");
  CHECK(some.queue == "/c");

  CHECK_FALSE(Flags::parse("address=10.0.0").address);
  CHECK(Flags::parse("settings=/a,colour=red").unknown == "colour=red");
}

TEST_CASE("a setting is read anew each time, and one that is not there leaves the default", "[packetdrill]") {
  const Folder directory;
  Settings settings{Flags::parse("settings=" + directory.path())};
  CHECK(settings.tcp().send_buffer == tcp::Config{}.send_buffer);
  directory.write("tcp_wmem", "4096 50000 4194304\n");
  CHECK(settings.tcp().send_buffer == tcp::Config{}.send_buffer);
  settings.read();
  CHECK(settings.tcp().send_buffer == 50000);
  directory.write("tcp_wmem", "no numbers\n");
  settings.read();
  CHECK(settings.tcp().send_buffer == tcp::Config{}.send_buffer);
}

TEST_CASE("the device's queue is as long as its queue discipline says", "[packetdrill]") {
  const Folder directory;
  Settings settings{Flags::parse("queue=" + directory.file("queue"))};
  CHECK_FALSE(settings.queue_limit());
  directory.write("queue", "pfifo limit 0\n");
  settings.read();
  CHECK(settings.queue_limit() == 0U);
  directory.write("queue", "pfifo\n");
  settings.read();
  CHECK_FALSE(settings.queue_limit());
}

TEST_CASE("the MTU and the MSS of a route are read, and nothing else of it", "[packetdrill]") {
  const auto routes = parse_routes(
      "default via 192.168.0.9 dev tun0 mtu 1400 \n"
      "192.0.2.1 via 192.168.0.2 dev tun0 mtu lock 640 advmss 600 initcwnd 11\n"
      "192.0.2.2 dev tun0 rto_min lock 20ms\n"
      "198.51.100.0/24 via 192.168.0.2 dev tun0 advmss 1000\n"
      "unreachable 203.0.113.0/24 mtu 1000\n"
      "192.168.0.0/16 dev tun0 proto kernel scope link src 192.168.0.1\n"
      "192.0.2.3 dev tun0 mtu\n");
  REQUIRE(routes.size() == 3);
  CHECK(routes[0].destination == *Ipv4Prefix::parse("0.0.0.0/0"));
  CHECK(routes[0].options.mtu == 1400U);
  CHECK_FALSE(routes[0].options.advmss);
  CHECK(routes[1].destination == *Ipv4Prefix::parse("192.0.2.1/32"));
  CHECK(routes[1].options.mtu == 640U);
  CHECK(routes[1].options.advmss == 600U);
  CHECK(routes[2].destination == *Ipv4Prefix::parse("198.51.100.0/24"));
  CHECK_FALSE(routes[2].options.mtu);
  CHECK(routes[2].options.advmss == 1000U);
}

TEST_CASE("a number among the flags is one", "[packetdrill]") {
  CHECK(Flags::parse("segment=1000,counters=/c").segment == 1000);
  CHECK(Flags::parse("segment=1000,counters=/c").counters == "/c");
  CHECK(Flags::parse("routes=/r").routes == "/r");
  CHECK(Flags::parse("segment=many").unknown == "segment=many");
  CHECK(Flags::parse("segment=70000").unknown == "segment=70000");
}

}  // namespace
}  // namespace tapir::packetdrill
