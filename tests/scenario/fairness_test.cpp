#include <catch2/catch.hpp>

#include <array>
#include <string>

#include <tapir/sim/switch.hpp>
#include <unit/tcp/fixed_window.hpp>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
constexpr Ipv4Address kSink{0xc0000201};  // 192.0.2.1
constexpr double kBottleneck = 10e6 / 8;  // bytes per second

constexpr std::uint32_t kGreed = 50'000;  // bytes: more than the path holds without its queue

/// With an algorithm that never gives way.
StackConfig with_greed(Ipv4Address address) {
  StackConfig config{.address = Ipv4Prefix{address, 24}};
  config.tcp.congestion_controls = {{"greedy", [](const tcp::CongestionParameters&) { return std::make_unique<FixedWindow>(kGreed); }}};
  return config;
}

/// Sends without end.
struct Source {
  Source(sim::World& world, std::unique_ptr<link::Link> link, Ipv4Address address, const std::string& algorithm)
      : stack{world, std::move(link), with_greed(address)}, text{noise(65'536, 1)} {
    auto opened = stack.tcp().connect({kSink, Port{9}}, {.settings = {.congestion_control = algorithm}});
    REQUIRE(opened);
    connection = std::move(*opened);
    connection.handle({.connected = [this] { work(); }, .writable = [this] { work(); }});
  }
  void work() {
    while (connection.send(text)) {}
  }
  /// Bytes that arrived since the last time.
  double progress() {
    const auto now = connection.info().bytes_acked;
    return static_cast<double>(now - std::exchange(counted, now));
  }
  Stack stack;
  std::vector<std::byte> text;
  tcp::Connection connection;
  std::uint64_t counted = 0;
};

/// Two flows that begin seconds apart, into one port of a switch with a queue of its own.
struct Shared {
  Shared(const std::string& first, const std::string& second) {
    sink.emplace(world, plug(10'000'000), StackConfig{.address = Ipv4Prefix{kSink, 24}});
    auto listening = sink->tcp().listen(Port{9}, [this](tcp::Connection connection) {
      auto& taken = connections.emplace_back(std::make_unique<tcp::Connection>(std::move(connection)));
      taken->handle({.readable = [reader = taken.get()] {
        std::vector<std::byte> buffer(65'536);
        while (reader->receive(buffer)) {}
      }});
    });
    REQUIRE(listening);
    listener = std::move(*listening);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      sources[i].emplace(world, plug(1'000'000'000), Ipv4Address{kSink.value() + 10 + static_cast<std::uint32_t>(i)},
                         i == 0 ? first : second);
      world.run_for(5s);
    }
  }
  std::unique_ptr<link::Link> plug(std::uint64_t rate) {
    return bridge.plug_in({.delay = 5ms, .rate_bits_per_second = rate, .queue_bytes = 40'000});
  }
  /// Bytes of each in half a minute, when both have had time to find their share.
  std::array<double, 2> measure() {
    world.run_for(15s);
    for (auto& source : sources) (void)source->progress();
    world.run_for(30s);
    return {sources[0]->progress(), sources[1]->progress()};
  }
  sim::World world{{.seed = 4}};
  sim::Switch bridge{world};
  std::optional<Stack> sink;
  tcp::Listener listener;
  std::vector<std::unique_ptr<tcp::Connection>> connections;
  std::array<std::optional<Source>, 2> sources;
};

/// Jain's index of two shares.
double fairness(double a, double b) { return (a + b) * (a + b) / (2 * (a * a + b * b)); }
}  // namespace

TEST_CASE("two flows share a bottleneck evenly", "[scenario][congestion]") {
  for (const std::string algorithm : {"cubic", "newreno"}) {
    Shared shared{algorithm, algorithm};
    const auto late = shared.sources[0]->progress();
    CHECK(shared.sources[1]->progress() < late);  // the first had the line for itself
    const auto [a, b] = shared.measure();
    INFO(algorithm << ": " << a << " and " << b << " bytes in 30 s");
    CHECK(fairness(a, b) > 0.9);
    CHECK(a + b > 0.8 * 30 * kBottleneck);
    CHECK(shared.bridge.stats().unsent > 10);  // they met the end of the queue
  }
}

TEST_CASE("a flow that never gives way takes the share of one that does", "[scenario][congestion]") {
  Shared shared{"cubic", "greedy"};
  const auto [polite, greedy] = shared.measure();
  INFO(polite << " and " << greedy << " bytes in 30 s");
  CHECK(greedy > polite);
  CHECK(fairness(polite, greedy) < 0.9);
  CHECK(polite + greedy > 0.8 * 30 * kBottleneck);  // the line is as full as with two that share it
}
