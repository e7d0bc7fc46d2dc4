#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
const Bytes kRouteB = hex("83 0b 0c c6336401 c6336402");  // completed, by way of 198.51.100.1 and 198.51.100.2

network::Received routed(const Bytes& options) {
  auto from = FakeNetwork::received(network::Protocol::tcp, kPeerAddress, kOurAddress);
  from.options = options;
  from.header_size = 20 + (options.size() + 3) / 4 * 4;
  return from;
}
}  // namespace

TEST_CASE("an application's source route stands on every segment, and wins over the peer's", "[tcp][RFC9293-MUST-52]") {
  Wire wire;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = {"203.0.113.1"_ipv4, "203.0.113.2"_ipv4}});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  const auto syn = peer.hear_one();
  CHECK(syn.to == peer.them);  // the checksum, verified by Wire, is that of the final destination
  REQUIRE(syn.ip_options.size() >= 11);
  CHECK(syn.ip_options[0] == std::byte{131});
  REQUIRE(wire.network.inject(peer.bytes({.flags = kSynAck}), routed(kRouteB)));
  peer.nxt += 1;
  CHECK(peer.hear_one().ip_options == syn.ip_options);
  REQUIRE(connection->send(std::as_bytes(std::span{"data", 4})));
  CHECK(peer.hear_one().ip_options == syn.ip_options);
}

TEST_CASE("a passive connection uses the return route of a completed one", "[tcp][RFC9293-MUST-53]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.network.inject(talk.peer.bytes({.flags = kSyn}), routed(kRouteB)));
  talk.peer.nxt += 1;
  const auto answer = talk.peer.hear_one();
  REQUIRE(answer.flags == kSynAck);
  // Reversed: by way of 198.51.100.2, then 198.51.100.1.
  REQUIRE(answer.ip_options.size() >= 11);
  CHECK(answer.ip_options[0] == std::byte{131});
  CHECK(answer.ip_options[2] == std::byte{4});
  const Bytes hops(answer.ip_options.begin() + 3, answer.ip_options.begin() + 11);
  CHECK(hops == hex("c6336402 c6336401"));
  REQUIRE(talk.peer.say({}));
  talk.connection = std::move(*talk.listener.accept());
  talk.write("data");
  CHECK(talk.peer.hear_one().ip_options == answer.ip_options);
  Conversation plain{{.passive = true}};
  plain.write("data");
  CHECK(plain.peer.hear_one().ip_options.empty());
}

TEST_CASE("a different route in a later segment replaces the saved one", "[tcp][RFC9293-SHLD-24]") {
  Conversation talk{{.passive = true}, State::listen};
  REQUIRE(talk.network.inject(talk.peer.bytes({.flags = kSyn}), routed(kRouteB)));
  talk.peer.nxt += 1;
  const auto answer = talk.peer.hear_one();
  REQUIRE_FALSE(answer.ip_options.empty());
  REQUIRE(talk.network.inject(talk.peer.bytes({}), routed(hex("83 0b 0c c6336401 cb007109"))));
  talk.connection = std::move(*talk.listener.accept());
  talk.write("data");
  const auto data = talk.peer.hear_one();
  REQUIRE(data.ip_options.size() >= 11);
  const Bytes hops(data.ip_options.begin() + 3, data.ip_options.begin() + 11);
  CHECK(hops == hex("cb007109 c6336401"));
}

TEST_CASE("an active opener can name a source route, and it stays", "[tcp][RFC9293-MUST-16][RFC9293-MUST-51][RFC9293-MUST-52]") {
  Wire wire;
  auto connection = wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = {"192.0.2.101"_ipv4, "192.0.2.102"_ipv4}});
  REQUIRE(connection);
  Peer peer{wire, connection->local().port};
  const auto syn = peer.hear_one();  // its checksum, verified there, is that of the final destination
  CHECK(syn.ip_options == hex("83 0b 04 c0000265 c0000266"));
  CHECK(syn.ip.destination == IpAddress{kPeerAddress});
  REQUIRE(wire.network.inject(peer.bytes({.flags = kSynAck, .options = mss_option(1460)}), routed(hex("83 07 08 c0000266"))));
  peer.nxt += 1;
  CHECK(peer.hear_one().ip_options == syn.ip_options);
  REQUIRE(connection->send(bytes_of(stream(3000))));
  const auto data = peer.hear();
  REQUIRE(data.size() >= 2);
  CHECK(data[0].payload.size() == 1448);  // 12 bytes of IP options in every segment (RFC 9293 MUST-16)
  for (const auto& segment : data) {
    CHECK(segment.ip_options == syn.ip_options);
    CHECK(segment.payload.size() <= 1448);
  }
  CHECK_FALSE(wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = std::vector<IpAddress>(9, "192.0.2.101"_ipv4)}));
  CHECK(wire.tcp.connect({kPeerAddress, kPeerPort}, {.source_route = std::vector<IpAddress>(8, "192.0.2.101"_ipv4)}));
}
