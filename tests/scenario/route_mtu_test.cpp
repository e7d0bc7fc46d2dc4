// A route with its own MTU and MSS (RFC 9293 section 3.7.1), between two whole stacks; and small writes on a slow line.

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr Port kFarPort{9};
constexpr std::size_t kSize = 1'500'000;

/// The total length of the IPv4 datagram in a frame that carries TCP; 0 for others.
std::size_t tcp_length(std::span<const std::byte> frame) {
  const bool tcp = frame.size() > 34 && frame[12] == std::byte{8} && frame[13] == std::byte{0} && frame[23] == std::byte{6};
  return tcp ? std::to_integer<std::size_t>(frame[16]) << 8U | std::to_integer<std::size_t>(frame[17]) : 0;
}

/// Both ends send a text to each other.
struct Exchange {
  explicit Exchange(const std::optional<ipv4::RouteOptions>& route) {
    if (route) REQUIRE(pair.left->ipv4().add_route("192.0.2.2/32"_prefix, InterfaceIndex{}, *route));
    pair.cable.filter([this](sim::End from, std::span<const std::byte> frame) {
      auto& largest = from == sim::End::left ? from_left : from_right;
      largest = std::max(largest, tcp_length(frame));
      return sim::Verdict::pass;
    });
    auto opened = pair.right->tcp().listen(
        kFarPort, [this](tcp::Connection accepted) { server = std::make_unique<Talker>(std::move(accepted), noise(kSize, 2)); });
    REQUIRE(opened);
    listener = std::move(*opened);
    auto connecting = pair.left->tcp().connect({kRightAddress, kFarPort});
    REQUIRE(connecting);
    client.emplace(std::move(*connecting), noise(kSize, 1));
  }
  /// Whether all has arrived, byte for byte.
  bool finish() {
    (void)pair.world.run_until([this] { return server && server->end_of_stream && client->end_of_stream; }, 1min);
    return server && server->incoming == client->outgoing && client->incoming == server->outgoing;
  }

  Pair pair;
  tcp::Listener listener;
  std::unique_ptr<Talker> server;
  std::optional<Talker> client;
  std::size_t from_left = 0;
  std::size_t from_right = 0;
};
}  // namespace

TEST_CASE("a route's MTU bounds what is sent by it, its MSS what comes back", "[scenario][tcp][route-mss]") {
  struct Case {
    std::optional<ipv4::RouteOptions> route;
    std::size_t from_left;
    std::size_t from_right;
  };
  for (const auto& [route, from_left, from_right] :
       {Case{{}, 1500, 1500}, Case{ipv4::RouteOptions{.mtu = 1000}, 1000, 1000}, Case{ipv4::RouteOptions{.advmss = 700}, 1500, 740},
        Case{ipv4::RouteOptions{.mtu = 1000, .advmss = 700}, 1000, 740}}) {
    Exchange exchange{route};
    CHECK(exchange.finish());
    CHECK(exchange.from_left == from_left);
    CHECK(exchange.from_right == from_right);
    CHECK(exchange.client->connection.info().retransmissions == 0);
  }
}

TEST_CASE("a transfer follows a route that changes", "[scenario][tcp][route-mss]") {
  Exchange exchange{ipv4::RouteOptions{.mtu = 1000}};
  exchange.pair.world.run_for(1ms);
  REQUIRE(exchange.from_left == 1000);
  REQUIRE(exchange.client->sent < kSize / 2);
  SECTION("to a wider one") {
    REQUIRE(exchange.pair.left->ipv4().add_route("192.0.2.2/32"_prefix, InterfaceIndex{}, {.mtu = 1200}));
    CHECK(exchange.finish());
    CHECK(exchange.from_left == 1200);
  }
  SECTION("to a narrower one") {
    REQUIRE(exchange.pair.left->ipv4().add_route("192.0.2.2/32"_prefix, InterfaceIndex{}, {.mtu = 600}));
    exchange.from_left = 0;
    CHECK(exchange.finish());
    CHECK(exchange.from_left <= 1000);  // what was under way
    CHECK(exchange.client->connection.info().path_mtu == 600);
  }
}

namespace {
/// Segments with data that a program makes of a hundred small writes, a tenth of a millisecond apart.
std::size_t segments_of_small_writes(std::uint64_t rate, bool auto_cork) {
  Pair pair{{.cable = {.delay = 5ms, .rate_bits_per_second = rate}, .left = {.tcp = {.auto_cork = auto_cork}}}};
  std::size_t segments = 0;
  pair.cable.filter([&](sim::End from, std::span<const std::byte> frame) {
    constexpr std::size_t kHeaders = 20 + 20 + 12;  // with timestamps
    if (from == sim::End::left && tcp_length(frame) > kHeaders) ++segments;
    return sim::Verdict::pass;
  });
  std::optional<Talker> server;
  const auto listener =
      pair.right->tcp().listen(kFarPort, [&](tcp::Connection accepted) { server.emplace(std::move(accepted), noise(0, 1)); });
  REQUIRE(listener);
  auto client = pair.left->tcp().connect({kRightAddress, kFarPort}, {.settings = {.nagle = false}});
  REQUIRE(client);
  pair.world.run_for(50ms);
  REQUIRE(server);
  segments = 0;
  const auto text = noise(2000, 5);
  for (std::size_t at = 0; at < text.size(); at += 20) {
    REQUIRE(client->send(std::span{text}.subspan(at, 20)) == std::size_t{20});
    pair.world.run_for(100us);
  }
  REQUIRE(client->shutdown());
  (void)pair.world.run_until([&] { return server && server->end_of_stream; }, 10s);
  REQUIRE(server);
  CHECK((server->incoming == text));
  return segments;
}
}  // namespace

TEST_CASE("small writes on a slow line become few segments", "[scenario][tcp][autocork]") {
  constexpr std::uint64_t kSlow = 1'000'000;
  const std::size_t apart = segments_of_small_writes(kSlow, false);
  CHECK(apart >= 90);
  CHECK(segments_of_small_writes(kSlow, true) <= apart / 4);
  // A line that takes each at once makes no difference.
  CHECK(segments_of_small_writes(0, true) == segments_of_small_writes(0, false));
}
