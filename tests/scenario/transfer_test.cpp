#include <catch2/catch.hpp>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

/// Moves `size` bytes each way over one connection and checks every byte.
void exchange(Pair& pair, std::size_t size) {
  std::unique_ptr<Talker> server;
  auto listener = pair.right->tcp().listen(
      Port{5001}, [&](tcp::Connection connection) { server = std::make_unique<Talker>(std::move(connection), noise(size, 2)); });
  REQUIRE(listener);
  auto connecting = pair.left->tcp().connect({kRightAddress, Port{5001}});
  REQUIRE(connecting);
  Talker client{std::move(*connecting), noise(size, 1)};
  const bool done = pair.world.run_until([&] { return server && server->end_of_stream && client.end_of_stream; }, 24h);
  INFO("client sent " << client.sent << " received " << client.incoming.size() << " error " << client.error.message());
  if (server)
    UNSCOPED_INFO("server sent " << server->sent << " received " << server->incoming.size() << " error " << server->error.message());
  REQUIRE(done);
  CHECK(client.incoming == server->outgoing);
  CHECK(server->incoming == client.outgoing);
  CHECK_FALSE(client.error);
  CHECK_FALSE(server->error);
}

}  // namespace

TEST_CASE("10 MB each way over a clean cable", "[scenario]") {
  Pair pair;
  exchange(pair, 10'000'000);
  CHECK(pair.left->tcp().stats().retrans_segs == 0);
  CHECK(pair.right->tcp().stats().retrans_segs == 0);
}

TEST_CASE("10 MB each way through loss, reordering, duplication and corruption, byte for byte", "[scenario]") {
  PairConfig config;
  config.cable.faults = {.loss = 0.05, .duplication = 0.02, .corruption = 0.02, .reordering = 0.05};
  Pair pair{config};
  exchange(pair, 10'000'000);
  // The faults were there, and were noticed where they should be.
  CHECK(pair.cable.stats(sim::End::left).lost > 100);
  CHECK(pair.left->ethernet().drops()[Drop::bad_fcs] > 50);
  CHECK(pair.left->tcp().stats().retrans_segs > 100);
}

TEST_CASE("corruption on a link without frame check is caught by IP and TCP", "[scenario]") {
  PairConfig config;
  config.cable.faults = {.corruption = 0.02};
  config.cable.carries_fcs = false;
  Pair pair{config};
  exchange(pair, 1'000'000);
  CHECK(pair.left->tcp().drops()[Drop::bad_checksum] + pair.right->tcp().drops()[Drop::bad_checksum] > 0);
  CHECK(pair.left->ipv4().drops()[Drop::bad_checksum] + pair.right->ipv4().drops()[Drop::bad_checksum] > 0);
}

TEST_CASE("one seed gives one run, to the byte", "[scenario]") {
  const auto run = [](std::uint64_t seed) {
    std::vector<std::byte> capture;
    PairConfig config{.seed = seed, .capture = &capture};
    config.cable.faults = {.loss = 0.02, .duplication = 0.01, .corruption = 0.01, .reordering = 0.02};
    Pair pair{config};
    exchange(pair, 200'000);
    return capture;
  };
  const auto first = run(7);
  CHECK(first.size() > 400'000);
  CHECK(run(7) == first);
  CHECK(run(8) != first);
}

TEST_CASE("a narrow line with a short queue slows the sender down and loses nothing for good", "[scenario]") {
  const auto time_of = [](std::uint64_t rate) {
    PairConfig config;
    config.cable.rate_bits_per_second = rate;
    config.cable.delay = 10ms;
    config.cable.queue_bytes = 30'000;
    Pair pair{config};
    exchange(pair, 1'000'000);
    return pair.world.now() - TimePoint{};
  };
  const Duration narrow = time_of(10'000'000);
  CHECK(narrow > 800ms);  // 8 Mbit, with nothing around them
  CHECK(narrow < 2s);
  CHECK(time_of(1'000'000'000) < 800ms);
}
