// A path with a link in the middle that is narrower than its ends know, and a router that says so, or whose word is lost (RFC 1191, RFC 4821).

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <support/talker.hpp>
#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

using namespace tapir;
using namespace tapir::literals;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::MtuProbingMode;

namespace {
constexpr std::size_t kNarrow = 1300;
constexpr Ipv4Address kFar = "198.51.100.1"_ipv4;
constexpr Port kPort{9};

/// A host, a router whose far link carries `kNarrow` bytes, a host behind it that offers an MSS for 1500. `firewall`: ICMP does not reach the sender.
struct NarrowPath {
  NarrowPath(const tcp::Config& config, bool firewall, std::size_t size) : text{noise(size, 7)} {
    near.emplace(world, first.left(), StackConfig{.address = "192.0.2.1/24"_prefix, .gateway = "192.0.2.254"_ipv4, .tcp = config});
    router.emplace(world, first.right(), StackConfig{.address = "192.0.2.254/24"_prefix, .ipv4 = {.forwarding = true}});
    const auto inner = router->add_interface(second.left(), {.address = "198.51.100.254/24"_prefix});
    REQUIRE(inner);
    REQUIRE(router->ipv4().set_mtu(*inner, kNarrow));
    far.emplace(world, second.right(), StackConfig{.address = "198.51.100.1/24"_prefix, .gateway = "198.51.100.254"_ipv4});
    first.filter([this, firewall](sim::End from, std::span<const std::byte> frame) {
      const bool ip = frame.size() > 34 && frame[12] == std::byte{8} && frame[13] == std::byte{0};
      if (!ip) return sim::Verdict::pass;
      if (from == sim::End::right && frame[23] == std::byte{1}) {
        ++icmp;
        return firewall ? sim::Verdict::drop : sim::Verdict::pass;
      }
      if (from == sim::End::left) {
        const std::size_t length = std::to_integer<std::size_t>(frame[16]) << 8U | std::to_integer<std::size_t>(frame[17]);
        if (length > kNarrow) ++too_large;
        largest = std::max(largest, length);
      }
      return sim::Verdict::pass;
    });
    auto opened = far->tcp().listen(
        kPort, [this](tcp::Connection accepted) { server = std::make_unique<Talker>(std::move(accepted), std::vector<std::byte>{}); });
    REQUIRE(opened);
    listener = std::move(*opened);
    auto connecting = near->tcp().connect({kFar, kPort});
    REQUIRE(connecting);
    client.emplace(std::move(*connecting), text);
  }
  /// Whether all has arrived, byte for byte, within `time`.
  bool finish(Duration time) {
    (void)world.run_until(
        [this] { return client->closed || (server && server->end_of_stream && client->connection.unacknowledged() == 0); }, time);
    return server && server->end_of_stream && server->incoming == text;
  }
  [[nodiscard]] tcp::Info info() const { return client->connection.info(); }

  sim::World world{{.seed = 1}};
  sim::Cable first{world, {.delay = 5ms}};
  sim::Cable second{world, {.delay = 5ms}};
  std::vector<std::byte> text;
  std::optional<Stack> near;
  std::optional<Stack> router;
  std::optional<Stack> far;
  tcp::Listener listener;
  std::unique_ptr<Talker> server;
  std::optional<Talker> client;
  std::size_t icmp = 0;
  std::size_t too_large = 0;
  std::size_t largest = 0;
};
}  // namespace

TEST_CASE("the router's word is heard: the path MTU is known in a round trip", "[scenario][tcp][plpmtud]") {
  const auto mode = GENERATE(MtuProbingMode::off, MtuProbingMode::after_black_hole);
  NarrowPath path{{.mtu_probing = {.mode = mode}}, false, 1'000'000};
  CHECK(path.finish(10s));
  CHECK(path.icmp > 0);
  CHECK(path.info().path_mtu == kNarrow);
  CHECK(path.info().timeouts == 0);
  CHECK(path.info().mtu_probes == 0);
}

TEST_CASE("a black-holed MTU is found by probing", "[scenario][tcp][plpmtud]") {
  NarrowPath path{{.mtu_probing = {.mode = MtuProbingMode::after_black_hole}}, true, 2'000'000};
  CHECK(path.finish(60s));
  CHECK(path.icmp > 0);  // said, and lost
  CHECK(path.info().timeouts >= 3);
  CHECK(path.info().path_mtu <= kNarrow);
  CHECK(path.info().path_mtu + 8 > kNarrow);
}

TEST_CASE("one that probes from the start does not fall in", "[scenario][tcp][plpmtud]") {
  NarrowPath path{{.mtu_probing = {.mode = MtuProbingMode::always}}, true, 2'000'000};
  CHECK(path.finish(20s));
  CHECK(path.info().timeouts == 0);
  CHECK(path.too_large == path.info().mtu_probes_lost);
  CHECK(path.info().path_mtu <= kNarrow);
  CHECK(path.info().path_mtu + 8 > kNarrow);
}

TEST_CASE("without probing nothing ever gets through a black hole", "[scenario][tcp][plpmtud]") {
  NarrowPath path{{.mtu_probing = {.mode = MtuProbingMode::off}}, true, 1'000'000};
  CHECK_FALSE(path.finish(10min));
  REQUIRE(path.server);
  CHECK(path.server->incoming.empty());
  CHECK(path.info().timeouts > 3);
  CHECK(path.info().path_mtu == 1500);
  CHECK(path.client->closed);
  CHECK(path.client->error == Error::timed_out);
}

TEST_CASE("a path without a narrow link is found as wide as it is", "[scenario][tcp][plpmtud]") {
  NarrowPath path{{.mtu_probing = {.mode = MtuProbingMode::always}}, true, 2'000'000};
  REQUIRE(path.router->ipv4().set_mtu(InterfaceIndex{1}, 1500));
  CHECK(path.finish(20s));
  CHECK(path.info().mtu_probes_lost == 0);
  CHECK(path.info().path_mtu + 8 > 1500);
  CHECK(path.largest <= 1500);
}
