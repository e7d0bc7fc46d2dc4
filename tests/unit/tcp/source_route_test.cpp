#include <catch2/catch.hpp>

#include "tcp/source_route.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr Ipv4Address kFirst{0xc0000265U};   // 192.0.2.101
constexpr Ipv4Address kSecond{0xc0000266U};  // 192.0.2.102

/// A source route as it arrives at its end: the hops passed, the pointer behind them.
const Bytes kArrived = hex("83 0b 0c c0000265 c0000266");
const Bytes kReturn = hex("83 0b 04 c0000266 c0000265");

Accepted say_with(Wire& wire, Peer& peer, const Say& say, const Bytes& ip_options) {
  auto from = FakeNetwork::received(network::Protocol::tcp, peer.them.address, peer.us.address);
  from.options = ip_options;
  const Bytes bytes = peer.bytes(say);
  peer.nxt += static_cast<std::uint32_t>(say.payload.size()) + (tcp::has(say.flags, Flags::syn) ? 1U : 0U);
  return wire.network.inject(bytes, from);
}
}  // namespace

TEST_CASE("a source route option lists the hops, pointer 4", "[tcp]") {
  const std::vector<IpAddress> hops{kFirst, kSecond};
  CHECK(tcp::source_route_option(hops) == hex("83 0b 04 c0000265 c0000266"));
  CHECK(tcp::source_route_option({}).empty());
}

TEST_CASE("the way back is the completed route reversed", "[tcp]") {
  CHECK(tcp::return_route_option(kArrived, kPeerAddress) == kReturn);
  CHECK(tcp::return_route_option(hex("01 89 07 08 c0000265"), kPeerAddress) == hex("89 07 04 c0000265"));        // strict, behind a NOP
  CHECK(tcp::return_route_option(hex("83 0b 0c c0000201 c0000266"), kPeerAddress) == hex("83 07 04 c0000266"));  // recorded its source
  CHECK(tcp::return_route_option(hex("83 0b 08 c0000265 c0000266"), kPeerAddress).empty());                      // not at its end
  for (const char* odd : {"", "83", "83 00", "83 02", "83 03 04", "83 0b 0c c0", "00 83 07 08 c0000265", "44 08 05 00 00 00 00 00"}) {
    INFO(odd);
    CHECK(tcp::return_route_option(hex(odd), kPeerAddress).empty());
  }
}

TEST_CASE("an active opener can name a source route, and it stays", "[tcp][RFC9293-MUST-16][RFC9293-MUST-51][RFC9293-MUST-52]") {
  Wire wire;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = {kFirst, kSecond}});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  const auto syn = peer.hear_one();  // its checksum, verified there, is that of the final destination
  CHECK(syn.ip_options == hex("83 0b 04 c0000265 c0000266"));
  CHECK(syn.ip.destination == IpAddress{kPeerAddress});
  REQUIRE(say_with(wire, peer, {.flags = kSynAck, .options = mss_option(1460)}, hex("83 07 08 c0000266")));
  CHECK(peer.hear_one().ip_options == syn.ip_options);
  REQUIRE(connection->send(bytes_of(stream(3000))));
  for (const auto& segment : peer.hear()) {
    CHECK(segment.ip_options == syn.ip_options);
    CHECK(segment.payload.size() <= 1448);  // 12 bytes of IP options in every segment (RFC 9293 MUST-16)
  }
  CHECK_FALSE(wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = std::vector<IpAddress>(9, kFirst)}));
  CHECK(wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = std::vector<IpAddress>(8, kFirst)}));
}
