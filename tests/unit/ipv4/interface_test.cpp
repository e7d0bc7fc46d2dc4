#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

TEST_CASE("an interface's MTU is at least 68 bytes, and configurable", "[ipv4][RFC791-3.2-6][RFC1122-3.3.3-5]") {
  Ipv4Lab lab;
  RecordingNeighbours other;
  CHECK(lab.ip.add_interface({.name = "x", .mtu = 67, .neighbours = &other}).error() == Error::invalid_argument);
  CHECK(lab.ip.add_interface({.name = "x", .mtu = 65536, .neighbours = &other}).error() == Error::invalid_argument);
  CHECK(lab.ip.add_interface({.name = "x", .mtu = 1500}).error() == Error::invalid_argument);
  CHECK(error_of(lab.ip.set_mtu(lab.tap, 67)) == Error::invalid_argument);
  REQUIRE(lab.ip.set_mtu(lab.tap, 68));
  REQUIRE(lab.send("192.0.2.1"_ipv4, 48));
  CHECK(lab.wire.take().size() == 1);  // 68 bytes leave in one piece
  REQUIRE(lab.ip.set_mtu(lab.tap, 1280));
  CHECK(lab.ip.path_mtu("192.0.2.1"_ipv4) == 1280);
  REQUIRE(lab.send("192.0.2.1"_ipv4, 5000));
  std::size_t largest = 0;
  for (const auto& sent : lab.wire.take()) largest = std::max(largest, sent.bytes.size());
  CHECK(largest <= 1280);
  CHECK(largest > 1272);
}

TEST_CASE("addresses come and go at run time, their routes with them", "[ipv4][RFC1122-3.3.1.6-1]") {
  Ipv4Lab lab{{}, {}};
  CHECK_FALSE(lab.ip.is_own("192.0.2.2"_ipv4));
  CHECK(error_of(lab.send("192.0.2.1"_ipv4)) == Error::network_unreachable);
  REQUIRE(lab.ip.add_address(lab.tap, "192.0.2.2/24"_prefix));
  REQUIRE(lab.ip.add_address(lab.tap, "192.0.2.3/24"_prefix));
  CHECK(error_of(lab.ip.add_address(lab.tap, "192.0.2.2/24"_prefix)) == Error::address_in_use);
  CHECK(lab.ip.is_own("192.0.2.2"_ipv4));
  CHECK(lab.send("192.0.2.1"_ipv4));
  REQUIRE(lab.ip.add_default_gateway("192.0.2.1"_ipv4));
  REQUIRE(lab.ip.remove_address(lab.tap, "192.0.2.2"_ipv4));
  CHECK(lab.send("203.0.113.1"_ipv4));  // the network is still attached
  REQUIRE(lab.ip.remove_address(lab.tap, "192.0.2.3"_ipv4));
  CHECK(lab.ip.routes().routes().empty());
  CHECK(error_of(lab.ip.remove_address(lab.tap, "192.0.2.3"_ipv4)) == Error::address_not_available);
  CHECK(error_of(lab.ip.add_address(InterfaceIndex{7}, "192.0.2.2/24"_prefix)) == Error::no_such_device);
}

TEST_CASE("an address that no host can have is refused", "[ipv4][RFC3927-2.8-1]") {
  Ipv4Lab lab{{}, {}};
  for (const auto bad : {"192.0.2.0/24"_prefix, "192.0.2.255/24"_prefix, "224.0.0.5/24"_prefix, "127.0.0.1/8"_prefix, "0.0.0.0/24"_prefix,
                         "255.255.255.255/32"_prefix, "240.0.0.1/24"_prefix, "192.0.2.1/0"_prefix, "169.254.3.4/24"_prefix}) {
    INFO(to_string(bad));
    CHECK(error_of(lab.ip.add_address(lab.tap, bad)) == Error::invalid_argument);
  }
  for (const auto good : {"192.0.2.0/31"_prefix, "192.0.2.255/32"_prefix, "169.254.3.4/16"_prefix})
    CHECK(lab.ip.add_address(lab.tap, good));
}

TEST_CASE("groups are joined and left, and the link is told", "[ipv4][RFC1122-3.2.1.3-7]") {
  Ipv4Lab lab{{}, {}};
  RecordingNeighbours other;
  std::vector<std::pair<Ipv4Address, bool>> told;
  const auto index =
      lab.ip.add_interface({.name = "tap1",
                            .addresses = {"198.51.100.2/24"_prefix},
                            .neighbours = &other,
                            .membership_changed = [&](Ipv4Address group, bool member) { told.emplace_back(group, member); }});
  REQUIRE(index);
  using Told = std::vector<std::pair<Ipv4Address, bool>>;
  CHECK(told == Told{{"224.0.0.1"_ipv4, true}});
  const auto to_group = datagram("224.1.2.3", "198.51.100.9", Ipv4Lab::counting(8));
  CHECK(reason_of(lab.inject(to_group, LinkCast::multicast, *index)) == Drop::not_for_us);
  REQUIRE(lab.ip.join(*index, "224.1.2.3"_ipv4));
  REQUIRE(lab.ip.join(IpAddress{"224.1.2.3"_ipv4}, std::nullopt));
  CHECK(lab.inject(to_group, LinkCast::multicast, *index));
  CHECK(lab.upper.items.at(0).from.to_group);
  CHECK(lab.upper.items.at(0).from.destination == IpAddress{"224.1.2.3"_ipv4});
  lab.ip.leave(*index, "224.1.2.3"_ipv4);
  CHECK(told == Told{{"224.0.0.1"_ipv4, true}, {"224.1.2.3"_ipv4, true}});
  lab.ip.leave(IpAddress{"224.1.2.3"_ipv4}, std::nullopt);
  CHECK(told.size() == 3);
  CHECK(reason_of(lab.inject(to_group, LinkCast::multicast, *index)) == Drop::not_for_us);
  lab.ip.leave(*index, "224.0.0.1"_ipv4);  // every host stays in this one
  CHECK(lab.inject(datagram("224.0.0.1", "198.51.100.9", Ipv4Lab::counting(8)), LinkCast::multicast, *index));
  CHECK(error_of(lab.ip.join(*index, "192.0.2.1"_ipv4)) == Error::invalid_argument);
  CHECK(error_of(lab.ip.join(InterfaceIndex{9}, "224.1.2.3"_ipv4)) == Error::no_such_device);
}

TEST_CASE("what is sent to a joined group comes back once, from the ready list", "[ipv4]") {
  Ipv4Lab lab;
  REQUIRE(lab.send("224.1.2.3"_ipv4, 5));
  lab.advance(1ms);
  CHECK(lab.upper.items.empty());
  REQUIRE(lab.ip.join(lab.tap, "224.1.2.3"_ipv4));
  REQUIRE(lab.send("224.1.2.3"_ipv4, 5));
  CHECK(lab.upper.items.empty());
  lab.advance(1ms);
  REQUIRE(lab.upper.items.size() == 1);
  CHECK(lab.upper.items[0].bytes == Ipv4Lab::counting(5));
  CHECK(lab.upper.items[0].from.interface == lab.tap);
  CHECK(lab.wire.sent.size() == 2);
}

TEST_CASE("loopback never touches the wire", "[ipv4][RFC1122-3.2.1.3-3]") {
  Ipv4Lab lab;
  for (const auto own : {"127.0.0.1"_ipv4, "127.9.9.9"_ipv4, "192.0.2.2"_ipv4}) {
    REQUIRE(lab.send(own, 3000));
    CHECK(lab.upper.items.empty());  // not within the call
    lab.advance(1us);
    REQUIRE(lab.upper.items.size() == 1);
    const auto item = std::exchange(lab.upper.items, {}).front();
    CHECK(item.bytes == Ipv4Lab::counting(3000));
    CHECK(item.from.interface == ipv4::Ipv4::loopback_interface);
    CHECK(item.from.source == IpAddress{own.is_loopback() ? "127.0.0.1"_ipv4 : own});
    CHECK(item.checksum == ChecksumState::verified);
  }
  CHECK(lab.wire.sent.empty());
  CHECK(reason_of(lab.inject(datagram("127.0.0.1", "192.0.2.1", Ipv4Lab::counting(8)))) == Drop::martian_destination);
  CHECK(reason_of(lab.inject(datagram("192.0.2.2", "127.0.0.1", Ipv4Lab::counting(8)))) == Drop::martian_source);
  CHECK(lab.ip.is_own("127.0.0.1"_ipv4));
}

TEST_CASE("the loopback queue is bounded, and says so", "[ipv4]") {
  Ipv4Lab lab{{.loopback_queue = 2}};
  CHECK(lab.ip.writable("127.0.0.1"_ipv4));
  CHECK(lab.send("127.0.0.1"_ipv4));
  CHECK(lab.send("127.0.0.1"_ipv4));
  CHECK_FALSE(lab.ip.writable("127.0.0.1"_ipv4));
  CHECK(error_of(lab.send("127.0.0.1"_ipv4)) == Error::would_block);
  CHECK(lab.ip.stats().out_discards == 1);
  lab.advance(1us);
  CHECK(lab.upper.items.size() == 2);
  CHECK(lab.ip.writable("127.0.0.1"_ipv4));
}

TEST_CASE("where a link takes no super-segments but has them cut above it, TCP hands them down", "[ipv4]") {
  for (const bool cut : {false, true}) {
    Ipv4Lab lab;
    RecordingNeighbours other;
    RecordingLink link{lab.pool, {.split_above = cut}};
    REQUIRE(lab.ip.add_interface({.name = "tap1", .addresses = {"198.51.100.2/24"_prefix}, .neighbours = &other, .link = &link}));
    CHECK(lab.ip.max_super_segment("198.51.100.1"_ipv4) == (cut ? 65535 : 0));
  }
}

TEST_CASE("the contract's questions about the link are answered by the route's link", "[ipv4]") {
  Ipv4Lab lab;
  RecordingNeighbours other;
  RecordingLink link{lab.pool, {.mtu = 9000, .max_super_segment = 65535}};
  REQUIRE(
      lab.ip.add_interface({.name = "tap1", .addresses = {"198.51.100.2/24"_prefix}, .mtu = 9000, .neighbours = &other, .link = &link}));
  CHECK(lab.ip.writable("198.51.100.1"_ipv4));
  link.full = true;
  CHECK_FALSE(lab.ip.writable("198.51.100.1"_ipv4));
  CHECK(lab.ip.writable("192.0.2.1"_ipv4));
  CHECK(lab.ip.max_super_segment("198.51.100.1"_ipv4) == 65535);
  CHECK(lab.ip.max_super_segment("192.0.2.1"_ipv4) == 0);
  CHECK(lab.ip.max_super_segment("127.0.0.1"_ipv4) == 0);
  CHECK(lab.ip.path_mtu("198.51.100.1"_ipv4) == 9000);
  CHECK(lab.ip.path_mtu("127.0.0.1"_ipv4) == 65535);
  CHECK(lab.ip.header_size("192.0.2.1"_ipv4) == 20);
  other.failure = Error::would_block;
  CHECK(error_of(lab.send("198.51.100.1"_ipv4)) == Error::would_block);
  CHECK(lab.ip.stats().out_discards == 1);
}
