#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

/// A router between 192.0.2.0/24 and 198.51.100.0/24.
struct Router : Ipv4Lab {
  explicit Router(ipv4::Config config = {}, std::size_t mtu = 1500) : Ipv4Lab{on(config)} {
    second = add("tap1", {"198.51.100.1/24"_prefix}, far, mtu);
  }
  static ipv4::Config on(ipv4::Config config) {
    config.forwarding = true;
    return config;
  }
  RecordingNeighbours far;
  InterfaceIndex second{};
};

Tins::IP transit(std::size_t size = 100, std::uint8_t ttl = 64) {
  Tins::IP ip = datagram("198.51.100.9", "192.0.2.9", Ipv4Lab::counting(size));
  ip.ttl(ttl);
  ip.id(77);
  return ip;
}

}  // namespace

TEST_CASE("a transit datagram leaves with one TTL less and a right checksum",
          "[ipv4][RFC1812-5.3.1-1][RFC1812-5.3.1-3][RFC1812-5.3.3.3-1][RFC791-3.1-7][RFC6864-4-7]") {
  Router router;
  for (const std::uint8_t ttl : {std::uint8_t{64}, std::uint8_t{2}, std::uint8_t{255}}) {
    auto ip = transit(100, ttl);
    ip.tos(0xe0);
    ip.flags(Tins::IP::DONT_FRAGMENT);
    REQUIRE(router.inject(ip));
    const auto sent = router.far.take_one();
    CHECK(sent.to.next_hop == "198.51.100.9"_ipv4);
    const auto out = sent.parse();
    CHECK(out.ttl() == ttl - 1);
    CHECK(out.tos() == 0xe0);
    CHECK(out.id() == 77);
    CHECK(out.flags() == Tins::IP::DONT_FRAGMENT);
    CHECK(sent.data() == Ipv4Lab::counting(100));
    Bytes again = sent.bytes;
    fix_checksum(again);
    CHECK(again == sent.bytes);
  }
  CHECK(router.ip.stats().in_forw_datagrams == 3);
  CHECK(router.ip.stats().out_forw_datagrams == 3);
  CHECK(router.wire.sent.empty());
}

TEST_CASE("what is forwarded is a use of its route, what is refused is none", "[ipv4]") {
  Router router;
  const auto used = [&] { return router.ip.routes().lookup("198.51.100.9"_ipv4)->use; };
  CHECK(reason_of(router.inject(transit(8, 1))) == Drop::ttl_exceeded);
  CHECK(used() == 0);
  REQUIRE(router.inject(transit()));
  REQUIRE(router.inject(transit()));
  CHECK(used() == 2);
  CHECK(router.ip.routes().lookup("192.0.2.9"_ipv4)->use == 0);  // where it came from
}

TEST_CASE("for every checksum the incremental update equals the full one", "[ipv4][RFC1812-4.2.2.5-1]") {
  Router router;
  for (unsigned id = 0; id < 65536; id += 7) {
    auto ip = transit(0, static_cast<std::uint8_t>(id % 254 + 2));
    ip.id(static_cast<std::uint16_t>(id));
    REQUIRE(router.inject(ip));
    const auto sent = router.far.take_one();
    Bytes again = sent.bytes;
    fix_checksum(again);
    REQUIRE(again == sent.bytes);
  }
}

TEST_CASE("TTL that runs out is told to the sender, and only by a router",
          "[ipv4][RFC1812-5.3.1-2][RFC1812-4.2.2.9-1][RFC1812-4.2.2.9-2][RFC1812-5.2.1-1]") {
  Router router;
  for (const std::uint8_t ttl : {std::uint8_t{1}, std::uint8_t{0}}) {
    router.errors.sent.clear();
    CHECK(reason_of(router.inject(transit(8, ttl))) == Drop::ttl_exceeded);
    REQUIRE(router.errors.sent.size() == 1);
    CHECK(router.errors.sent[0].problem.kind == network::ErrorKind::ttl_exceeded);
    CHECK(router.errors.sent[0].datagram == bytes_of(transit(8, ttl).serialize()));
  }
  CHECK(router.far.sent.empty());
  auto to_router = datagram("192.0.2.2", "192.0.2.9", Ipv4Lab::counting(8));
  to_router.ttl(1);
  CHECK(router.inject(to_router));
  router.errors.sent.clear();
  Bytes broken = bytes_of(transit(8, 1).serialize());
  broken[10] ^= std::byte{1};
  CHECK(reason_of(router.inject(broken)) == Drop::bad_checksum);
  CHECK(router.errors.sent.empty());
}

TEST_CASE("no route and no longer prefix: the router says so", "[ipv4][RFC1812-5.2.4.3-1][RFC1812-5.2.4.3-2]") {
  Router router;
  const auto to = [](const char* destination) { return datagram(destination, "192.0.2.9", Ipv4Lab::counting(8)); };
  CHECK(reason_of(router.inject(to("203.0.113.1"))) == Drop::no_route);
  REQUIRE(router.errors.sent.size() == 1);
  CHECK(router.errors.sent[0].problem.kind == network::ErrorKind::network_unreachable);
  REQUIRE(router.ip.add_default_gateway("198.51.100.2"_ipv4));
  REQUIRE(router.ip.add_route("203.0.113.0/24"_prefix, "198.51.100.3"_ipv4));
  REQUIRE(router.ip.add_route("203.0.0.0/16"_prefix, "198.51.100.4"_ipv4));
  REQUIRE(router.inject(to("203.0.113.1")));
  CHECK(router.far.take_one().to.next_hop == "198.51.100.3"_ipv4);
  REQUIRE(router.inject(to("203.0.1.1")));
  CHECK(router.far.take_one().to.next_hop == "198.51.100.4"_ipv4);
  REQUIRE(router.inject(to("9.9.9.9")));
  CHECK(router.far.take_one().to.next_hop == "198.51.100.2"_ipv4);
}

TEST_CASE("a transit datagram that is too large is cut, or returned with DF",
          "[ipv4][RFC1812-4.2.2.7-1][RFC1812-4.2.2.7-2][RFC6864-4-6][RFC1812-5.2.5-1][RFC1812-5.2.5-2]") {
  Router router{{}, 576};
  auto ip = transit(1480);
  REQUIRE(router.inject(ip));
  const auto fragments = router.far.take();
  REQUIRE(fragments.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(fragments[i].parse().fragment_offset() == i * 69);
    CHECK(fragments[i].parse().id() == 77);
  }
  ip.flags(Tins::IP::DONT_FRAGMENT);
  CHECK(reason_of(router.inject(ip)) == Drop::dont_fragment);
  REQUIRE(router.errors.sent.size() == 1);
  CHECK(router.errors.sent[0].problem.kind == network::ErrorKind::fragmentation_needed);
  CHECK(router.errors.sent[0].problem.next_hop_mtu == 576);
  CHECK(router.errors.sent[0].datagram == bytes_of(ip.serialize()));
  CHECK(router.far.sent.empty());

  Bytes reserved = bytes_of(transit(1000).serialize());
  reserved[6] |= std::byte{0x80};
  fix_checksum(reserved);
  REQUIRE(router.inject(reserved));
  const auto marked = router.far.take();
  CHECK(marked.size() == 2);
  for (const auto& fragment : marked) CHECK((fragment.bytes[6] & std::byte{0x80}) == std::byte{0x80});
}

TEST_CASE("a lone fragment goes through at once, and is cut again where needed", "[ipv4][RFC1812-5.2.6-1]") {
  Router router{{}, 576};
  const auto transit_fragment = [](std::size_t size, std::size_t offset, bool more) {
    Bytes bytes = fragment_of(Ipv4Lab::counting(size, offset), offset, more);
    bytes[16] = std::byte{198};
    bytes[17] = std::byte{51};
    bytes[18] = std::byte{100};
    bytes[19] = std::byte{9};
    fix_checksum(bytes);
    return bytes;
  };
  REQUIRE(router.inject(transit_fragment(200, 1480, false)));
  CHECK(router.far.take_one().parse().fragment_offset() == 185);
  REQUIRE(router.inject(transit_fragment(800, 1480, true)));
  const auto parts = router.far.take();
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].parse().fragment_offset() == 185);
  CHECK(parts[1].parse().fragment_offset() == 185 + 69);
  CHECK(parts[1].parse().flags() == Tins::IP::MORE_FRAGMENTS);  // it was not the last before
}

TEST_CASE("what must not be forwarded is not",
          "[ipv4][RFC1812-5.3.4-1][RFC1812-5.3.5.1-1][RFC1812-5.3.5.2-1][RFC1812-5.3.7-1][RFC3927-2.7-1]") {
  Router router;
  const auto from_to = [](const char* source, const char* destination) { return datagram(destination, source, Ipv4Lab::counting(8)); };
  CHECK(reason_of(router.inject(transit(), LinkCast::broadcast)) == Drop::broadcast_mismatch);
  CHECK(router.inject(from_to("192.0.2.9", "255.255.255.255"), LinkCast::broadcast));  // for us, and for us alone
  CHECK(reason_of(router.inject(from_to("192.0.2.9", "198.51.100.255"))) == Drop::not_handled);
  CHECK(reason_of(router.inject(from_to("169.254.1.1", "198.51.100.9"))) == Drop::martian_source);
  CHECK(reason_of(router.inject(from_to("192.0.2.9", "169.254.1.1"))) == Drop::martian_destination);
  CHECK(reason_of(router.inject(from_to("127.0.0.1", "198.51.100.9"))) == Drop::martian_source);
  CHECK(reason_of(router.inject(from_to("192.0.2.9", "240.0.0.1"))) == Drop::martian_destination);
  CHECK(reason_of(router.inject(from_to("192.0.2.9", "239.1.1.1"), LinkCast::multicast)) == Drop::not_for_us);
  CHECK(router.far.sent.empty());
  Router open{{.forward_directed_broadcast = true}};
  CHECK(open.inject(from_to("192.0.2.9", "198.51.100.255")));
  CHECK(open.far.take_one().to.broadcast);
}

TEST_CASE("source validation is off unless asked for", "[ipv4][RFC1812-5.3.8-1][RFC1812-5.3.8-2]") {
  const auto spoofed = datagram("198.51.100.9", "198.51.100.8", Ipv4Lab::counting(8));
  Router trusting;
  CHECK(trusting.inject(spoofed));
  Router strict{{.source_validation = true}};
  CHECK(reason_of(strict.inject(spoofed)) == Drop::martian_source);
  CHECK(strict.inject(transit()));
}

TEST_CASE("an interface can be left out of forwarding", "[ipv4][RFC1812-5.3.11-1]") {
  Router router;
  RecordingNeighbours closed;
  const auto third =
      router.ip.add_interface({.name = "tap2", .addresses = {"203.0.113.1/24"_prefix}, .neighbours = &closed, .forwarding = false});
  REQUIRE(third);
  const auto in = datagram("203.0.113.9", "192.0.2.9", Ipv4Lab::counting(8));
  CHECK(reason_of(router.inject(in)) == Drop::forwarding_disabled);
  CHECK(reason_of(router.inject(transit(), LinkCast::unicast, *third)) == Drop::forwarding_disabled);
  CHECK(closed.sent.empty());
  CHECK(router.far.sent.empty());
}

TEST_CASE("options in transit: unknown ones pass, our egress address is recorded",
          "[ipv4][RFC1812-5.2.4.1-2][RFC1812-5.3.13.1-1][RFC1812-5.3.13.5-1][RFC1812-5.3.13.6-1][RFC1812-4.2.2.2-1]") {
  Router router;
  const auto through = [&](const char* options) {
    REQUIRE(router.inject(with_options(hex(options), Ipv4Lab::counting(8), "198.51.100.9", "192.0.2.9")));
    const auto sent = router.far.take_one();
    Bytes again = sent.bytes;
    fix_checksum(again);
    CHECK(again == sent.bytes);
    return part(sent.bytes, 20, sent.bytes.size() - 8);
  };
  CHECK(through("9e 04 1234") == hex("9e 04 1234"));
  CHECK(through("07 07 04 00000000 00") == hex("07 07 08 c6336401 00"));
  CHECK(through("44 0c 05 01 00000000 00000000") == hex("44 0c 0d 01 c6336401 80000000"));
  CHECK(through("44 08 09 20 80000001") == hex("44 08 09 30 80000001"));
  CHECK(reason_of(router.inject(with_options(hex("83 07 04 01020304 83 07 04 01020304 00 00"), {}, "198.51.100.9", "192.0.2.9"))) ==
        Drop::bad_option);
  CHECK(router.errors.sent.back().problem.pointer == 27);
}

TEST_CASE("a router follows source routes unless told not to", "[ipv4][RFC1812-5.3.13.4-1][RFC1812-5.2.4.1-1][RFC1812-5.2.4.3-3]") {
  const auto by_us = with_options(hex("83 07 04 c6336409 00"), Ipv4Lab::counting(8), "192.0.2.2", "192.0.2.9");
  Router router;
  REQUIRE(router.inject(by_us));
  auto sent = router.far.take_one();
  CHECK(sent.to.next_hop == "198.51.100.9"_ipv4);
  CHECK(part(sent.bytes, 20, 28) == hex("83 07 08 c6336401 00"));
  // Somebody else's stop: the destination field alone decides.
  REQUIRE(router.inject(with_options(hex("83 07 04 cb007101 00"), Ipv4Lab::counting(8), "198.51.100.9", "192.0.2.9")));
  sent = router.far.take_one();
  CHECK(sent.to.next_hop == "198.51.100.9"_ipv4);
  CHECK(part(sent.bytes, 20, 28) == hex("83 07 04 cb007101 00"));
  // A strict route needs a neighbour.
  REQUIRE(router.ip.add_default_gateway("198.51.100.254"_ipv4));
  CHECK(reason_of(router.inject(with_options(hex("89 07 04 cb007101 00"), Ipv4Lab::counting(8), "192.0.2.2", "192.0.2.9"))) ==
        Drop::source_route);
  CHECK(router.errors.sent.back().problem.kind == network::ErrorKind::source_route_failed);
  CHECK(router.inject(with_options(hex("89 07 04 c6336409 00"), Ipv4Lab::counting(8), "192.0.2.2", "192.0.2.9")));

  Router closed{{.source_routing = ipv4::SourceRouting::off}};
  CHECK(reason_of(closed.inject(by_us)) == Drop::source_route);
  CHECK(reason_of(closed.inject(with_options(hex("83 07 04 cb007101 00"), {}, "198.51.100.9", "192.0.2.9"))) == Drop::source_route);
}

TEST_CASE("a next hop that does not answer is told to the sender of transit", "[ipv4]") {
  Router router;
  REQUIRE(router.inject(transit()));
  const auto sent = router.far.take_one();
  router.ip.unresolved("198.51.100.9"_ipv4, router.packet(sent.bytes));
  REQUIRE(router.errors.sent.size() == 1);
  CHECK(router.errors.sent[0].problem.kind == network::ErrorKind::host_unreachable);
  CHECK(router.upper.errors.empty());
}

TEST_CASE("a router drops broken datagrams in silence, and each drop has its name",
          "[ipv4][RFC1812-5.2.2-1][RFC1812-5.2.2-3][RFC1812-5.2.2-4]") {
  struct Watcher final : Observer {
    void dropped(const DropEvent& drop) override { seen.push_back(drop.reason); }
    std::vector<Drop> seen;
  };
  Router router;
  Watcher watcher;
  router.context.observer = &watcher;
  const Bytes good = bytes_of(transit(100).serialize());
  const auto with = [&](std::size_t at, unsigned value, bool right_checksum = true) {
    Bytes bytes = good;
    bytes[at] = static_cast<std::byte>(value);
    if (right_checksum) fix_checksum(bytes);
    return bytes;
  };
  struct Case {
    Bytes bytes;
    Drop expected;
  };
  for (const auto& [bytes, expected] : {Case{part(good, 0, 19), Drop::truncated},     // shorter than a header
                                        {with(10, 0x55, false), Drop::bad_checksum},  //
                                        {with(0, 0x65), Drop::bad_version},           //
                                        {with(0, 0x44), Drop::bad_header},            // IHL below 5
                                        {with(3, 19), Drop::bad_length},              // total length below the header's
                                        {with(3, 200), Drop::truncated}}) {           // total length beyond the frame
    INFO(name(expected));
    watcher.seen.clear();
    CHECK(reason_of(router.inject(bytes)) == expected);
    CHECK(watcher.seen == std::vector{expected});
  }
  CHECK(router.far.sent.empty());
  CHECK(router.errors.sent.empty());
  CHECK(router.inject(good));
  CHECK(router.far.sent.size() == 1);
}

TEST_CASE("no configuration lets a broken header through", "[ipv4][RFC1812-5.2.2-2]") {
  // All that there is to be switched, in the most trusting position.
  Router router{{.path_mtu_discovery = false,
                 .accept_zero_broadcast = true,
                 .host_model = ipv4::HostModel::weak,
                 .source_routing = ipv4::SourceRouting::any,
                 .forward_directed_broadcast = true,
                 .source_validation = false}};
  Bytes bytes = bytes_of(transit(100).serialize());
  bytes[10] ^= std::byte{1};
  CHECK(reason_of(router.inject(bytes)) == Drop::bad_checksum);
  bytes[10] ^= std::byte{1};
  CHECK(router.inject(bytes));
}

TEST_CASE("what is dropped in silence draws no error, though its TTL has run out", "[ipv4][RFC1812-4.3.2.7-1]") {
  Router router;
  for (const char* source : {"127.0.0.1", "224.0.0.5", "240.0.0.1", "0.0.0.0", "192.0.2.255", "169.254.1.1"}) {
    INFO(source);
    auto martian = datagram("198.51.100.9", source, Ipv4Lab::counting(8));
    martian.ttl(1);
    CHECK(reason_of(router.inject(martian)) == Drop::martian_source);
  }
  CHECK(router.errors.sent.empty());
  CHECK(reason_of(router.inject(transit(8, 1))) == Drop::ttl_exceeded);
  CHECK(router.errors.sent.size() == 1);
}
