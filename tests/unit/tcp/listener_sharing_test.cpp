#include <catch2/catch.hpp>

#include <set>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr tcp::ListenOptions kSharing{.backlog = 1000, .share_port = true};

/// A handshake from `port`.
void open(Wire& wire, std::uint16_t port) {
  (void)wire.hear();  // resets of earlier ones
  Peer peer{wire, kService, {kPeerAddress, Port{port}}};
  REQUIRE(peer.say({.flags = kSyn, .options = mss_option(1460)}));
  REQUIRE(peer.hear_one().flags == kSynAck);
  REQUIRE(peer.say({}));
}
std::set<std::uint16_t> accepted(tcp::Listener& listener) {
  std::set<std::uint16_t> ports;
  while (auto connection = listener.accept()) {
    ports.insert(connection->remote().port.value());
    connection->abort();
  }
  return ports;
}
}  // namespace

TEST_CASE("listeners share an endpoint only if all of them say so", "[tcp][listener]") {
  Wire wire;
  auto first = wire.tcp.listen(kService, {}, kSharing);
  REQUIRE(first);
  CHECK(wire.tcp.listen(kService).error() == Error::address_in_use);
  auto second = wire.tcp.listen(kService, {}, kSharing);
  REQUIRE(second);
  CHECK(wire.tcp.listen(kService, {}, kSharing));

  Wire other;
  auto alone = other.tcp.listen(kService);
  REQUIRE(alone);
  CHECK(other.tcp.listen(kService, {}, kSharing).error() == Error::address_in_use);
}

TEST_CASE("connections spread over the listeners that share an endpoint", "[tcp][listener]") {
  Wire wire;
  auto first = wire.tcp.listen(kService, {}, kSharing);
  auto second = wire.tcp.listen(kService, {}, kSharing);
  REQUIRE(first);
  REQUIRE(second);
  constexpr std::uint16_t kCount = 200;
  for (std::uint16_t i = 0; i < kCount; ++i) open(wire, static_cast<std::uint16_t>(5000 + i));
  const auto to_first = accepted(*first);
  const auto to_second = accepted(*second);
  CHECK(to_first.size() + to_second.size() == kCount);
  CHECK(to_first.size() > kCount / 4);
  CHECK(to_second.size() > kCount / 4);

  SECTION("the same ends go to the same one") {
    for (const auto port : to_first) open(wire, port);
    CHECK(accepted(*first) == to_first);
    CHECK(accepted(*second).empty());
  }
  SECTION("the last one that is left gets all") {
    *first = {};
    for (std::uint16_t i = 0; i < 20; ++i) open(wire, static_cast<std::uint16_t>(6000 + i));
    CHECK(accepted(*second).size() == 20);
    *second = {};
    (void)wire.hear();
    Peer peer{wire, kService, {kPeerAddress, Port{7000}}};
    CHECK_FALSE(peer.say({.flags = kSyn}));
    CHECK(peer.hear_one().has(Flags::rst));
  }
}

TEST_CASE("a connection waits for its first data before it is given away", "[tcp][listener]") {
  Wire wire;
  auto listener = wire.tcp.listen(kService, {}, {.defer_accept = 5s});
  REQUIRE(listener);
  Peer peer{wire, kService};
  REQUIRE(peer.say({.flags = kSyn, .options = mss_option(1460)}));
  REQUIRE(peer.hear_one().flags == kSynAck);
  CHECK_FALSE(peer.say({}));  // the ACK alone is not enough
  CHECK(listener->waiting() == 0);
  CHECK(peer.state() == State::syn_received);

  SECTION("that comes soon") {
    wire.advance(4s);
    CHECK(peer.quiet());  // the SYN,ACK has been answered
    REQUIRE(peer.say({.payload = "hello"}));
    CHECK(listener->waiting() == 1);
    auto connection = listener->accept();
    REQUIRE(connection);
    CHECK(connection->unread() == 5);
    CHECK(connection->state() == State::established);
  }
  SECTION("that never comes: any ACK will do in the end") {
    wire.advance(5s);
    const auto again = peer.hear();
    REQUIRE(again.size() == 1);
    CHECK(again[0].flags == kSynAck);
    CHECK(listener->waiting() == 0);
    REQUIRE(peer.say({}));
    CHECK(listener->waiting() == 1);
  }
  SECTION("instead of which the end comes") {
    REQUIRE(peer.say({.flags = kFinAck}));
    CHECK(listener->waiting() == 1);
  }
}

TEST_CASE("without a wish for data the ACK is enough", "[tcp][listener]") {
  Wire wire;
  auto listener = wire.tcp.listen(kService);
  REQUIRE(listener);
  open(wire, 5000);
  CHECK(listener->waiting() == 1);
}
