// A connection that sleeps whenever it can, and one that never does, are the same to everybody else: frame by frame.

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

struct Outcome {
  std::vector<std::byte> capture;
  std::vector<std::byte> received[2];
  std::uint64_t sleeps = 0;
  std::uint64_t wakes = 0;
};

struct Story {
  std::uint64_t seed = 1;
  std::string algorithm = "cubic";
  link::FaultConfig faults = {};
  tcp::Config tcp = {};
};

/// One end of a connection: what it got, and when it said something last.
struct End {
  explicit End(tcp::Connection given) : connection{std::move(given)} { attach(); }
  void attach() {
    connection.handle({.readable = [this] { read(); }, .closed = [this](std::error_code) { over = true; }});
  }
  void read() {
    if (!reading) return;
    std::vector<std::byte> buffer(65536);
    while (const auto count = connection.receive(buffer)) {
      if (*count == 0) return;
      incoming.insert(incoming.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*count));
    }
  }
  tcp::Connection connection;
  std::vector<std::byte> incoming;
  bool reading = true;  ///< else the window closes
  bool over = false;
};

/// Two hosts talk for a while with pauses of all lengths: a byte or a lot, one or both at a time; options change; in the end one of them closes.
Outcome talk(const Story& story, Duration sleep_after) {
  Outcome outcome;
  PairConfig config{.seed = story.seed, .cable = {.delay = 3ms}, .capture = &outcome.capture};
  config.cable.faults = story.faults;
  config.left.tcp = config.right.tcp = story.tcp;
  config.left.tcp.sleep_after = config.right.tcp.sleep_after = sleep_after;
  config.left.tcp.congestion_control = config.right.tcp.congestion_control = story.algorithm;
  Pair pair{config};
  std::unique_ptr<End> server;
  auto listener =
      pair.right->tcp().listen(Port{7}, [&](tcp::Connection connection) { server = std::make_unique<End>(std::move(connection)); });
  REQUIRE(listener);
  auto connecting = pair.left->tcp().connect({kRightAddress, Port{7}});
  REQUIRE(connecting);
  End client{std::move(*connecting)};
  REQUIRE(pair.world.run_until([&] { return server != nullptr; }, 1h));
  std::mt19937 random{static_cast<std::uint32_t>(story.seed)};
  for (int round = 0; round < 60; ++round) {
    for (End* end : {&client, server.get()}) {
      end->reading = random() % 5 != 0;
      end->read();
      if (random() % 3 == 0) continue;
      const std::size_t size = random() % 4 == 0 ? random() % 200'000 : random() % 100;
      (void)end->connection.send(noise(size, static_cast<std::uint32_t>(random())));
    }
    if (random() % 10 == 0) client.connection.set_nagle(random() % 2 == 0);
    pair.world.run_for(std::chrono::milliseconds{random() % 3 == 0 ? random() % 50 : random() % 20'000});
  }
  REQUIRE_FALSE((client.over || server->over));
  for (End* end : {&client, server.get()}) {
    end->reading = true;
    end->read();
  }
  pair.world.run_for(1h);
  CHECK(client.connection.shutdown());
  pair.world.run_for(1h);
  CHECK(server->connection.shutdown());
  pair.world.run_for(1h);
  CHECK(client.over);
  CHECK(server->over);
  outcome.received[0] = client.incoming;
  outcome.received[1] = server->incoming;
  for (Stack* stack : {&*pair.left, &*pair.right}) {
    outcome.sleeps += stack->tcp().stats().sleeps;
    outcome.wakes += stack->tcp().stats().wakes;
  }
  return outcome;
}

void compare(const Story& story) {
  INFO("seed " << story.seed << ", " << story.algorithm);
  const Outcome awake = talk(story, 0s);
  CHECK(awake.sleeps == 0);
  const Outcome sleepy = talk(story, 1ns);
  CHECK(sleepy.sleeps > 40);
  CHECK(sleepy.wakes == sleepy.sleeps);
  CHECK((sleepy.received[0] == awake.received[0]));
  CHECK((sleepy.received[1] == awake.received[1]));
  CHECK(awake.received[0].size() > 10'000);
  CHECK(sleepy.capture.size() == awake.capture.size());
  const auto here = std::ranges::mismatch(sleepy.capture, awake.capture).in1;
  CHECK(here - sleepy.capture.begin() == static_cast<std::ptrdiff_t>(sleepy.capture.size()));  // where they differ first
}

}  // namespace

TEST_CASE("a connection that sleeps whenever it can sends what one sends that never does", "[scenario][tcp]") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) compare({.seed = seed});
}

TEST_CASE("so it is with losses, duplicates and reordering in between, and every algorithm", "[scenario][tcp]") {
  const link::FaultConfig faults{.loss = 0.02, .duplication = 0.01, .reordering = 0.02};
  for (const char* algorithm : {"cubic", "newreno", "bbr"}) {
    for (std::uint64_t seed = 11; seed <= 13; ++seed) compare({.seed = seed, .algorithm = algorithm, .faults = faults});
  }
}

TEST_CASE("so it is without options, with Linux' ways, and with a search for the path MTU", "[scenario][tcp]") {
  const link::FaultConfig faults{.loss = 0.01};
  tcp::Config plain;
  plain.timestamps = plain.sack = plain.window_scaling = false;
  compare({.seed = 21, .faults = faults, .tcp = plain});
  tcp::Config as_linux;
  as_linux.cubic_whole_segments = as_linux.reduce_from_cwnd = as_linux.gradual_ecn = true;
  as_linux.ecn = tcp::EcnMode::on;
  as_linux.probe_with_data = false;
  as_linux.min_rto = 200ms;
  as_linux.pacing = true;
  as_linux.pacing_burst = 15'000;
  compare({.seed = 22, .faults = faults, .tcp = as_linux});
  tcp::Config probing;
  probing.mtu_probing.mode = tcp::MtuProbingMode::always;
  compare({.seed = 23, .faults = faults, .tcp = probing});
}
