#include <catch2/catch.hpp>

#include <memory>
#include <random>
#include <vector>

#include <support/fake_network.hpp>
#include <support/lab.hpp>
#include <support/talker.hpp>
#include <tapir/link/segmentation.hpp>
#include <tapir/tcp/tcp.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr Ipv4Address kLeft{0xc0000201U};
constexpr Ipv4Address kRight{0xc0000202U};

struct Faults {
  double loss = 0;
  double duplication = 0;
  double reordering = 0;
};

/// Two TCPs in one virtual time. What one sends reaches the other a little later, if at all.
class TwoStacks {
 public:
  TwoStacks(Faults faults, std::uint32_t seed, tcp::Config config = {}) : faults_{faults}, random_{seed} {
    left = std::make_unique<tcp::Tcp>(lab.context, left_network, config);
    right = std::make_unique<tcp::Tcp>(lab.context, right_network, config);
  }

  /// Carries packets until `done`, at most for `limit` of virtual time.
  template <class Done>
  bool run(Done&& done, Duration limit) {
    for (const TimePoint end = lab.scheduler.now() + limit; lab.scheduler.now() < end; lab.advance(1ms)) {
      collect(left_network, to_right_);
      collect(right_network, to_left_);
      deliver(to_right_, right_network);
      deliver(to_left_, left_network);
      if (done()) return true;
    }
    return false;
  }

  Lab lab;
  FakeNetwork left_network{lab.pool, {Ipv4Prefix{kLeft, 24}}};
  FakeNetwork right_network{lab.pool, {Ipv4Prefix{kRight, 24}}};
  std::unique_ptr<tcp::Tcp> left;
  std::unique_ptr<tcp::Tcp> right;

 private:
  struct Flying {
    TimePoint arrives;
    FakeNetwork::Sent what;
  };

  bool happens(double chance) { return std::uniform_real_distribution<>{}(random_) < chance; }

  void collect(FakeNetwork& from, std::vector<Flying>& flying) {
    for (auto& sent : from.take()) {
      if (happens(faults_.loss)) continue;
      const TimePoint arrives = lab.scheduler.now() + 5ms + (happens(faults_.reordering) ? 7ms : 0ms);
      if (happens(faults_.duplication)) flying.push_back({arrives + 3ms, sent});
      flying.push_back({arrives, std::move(sent)});
    }
  }
  void deliver(std::vector<Flying>& flying, FakeNetwork& to) {
    std::stable_sort(flying.begin(), flying.end(), [](const Flying& a, const Flying& b) { return a.arrives < b.arrives; });
    while (!flying.empty() && flying.front().arrives <= lab.scheduler.now()) {
      const Flying first = std::move(flying.front());
      flying.erase(flying.begin());
      (void)to.inject(first.what.packet, FakeNetwork::received(network::Protocol::tcp, first.what.source, first.what.to.destination));
    }
  }

  Faults faults_;
  std::mt19937 random_;
  std::vector<Flying> to_right_;
  std::vector<Flying> to_left_;
};

/// Moves `size` bytes each way; returns the retransmissions.
std::uint64_t exchange(TwoStacks& stacks, std::size_t size) {
  std::unique_ptr<Talker> server;
  auto listener = stacks.right->listen(
      Port{7}, [&](tcp::Connection connection) { server = std::make_unique<Talker>(std::move(connection), noise(size, 2)); });
  REQUIRE(listener);
  auto opened = stacks.left->connect({kRight, Port{7}});
  REQUIRE(opened);
  Talker client{std::move(*opened), noise(size, 1)};
  const bool done =
      stacks.run([&] { return server && server->end_of_stream && client.end_of_stream && client.closed && server->closed; }, 4h);
  INFO("client " << client.connection.state() << ' ' << client.sent << ' ' << client.incoming.size());
  REQUIRE(server);
  INFO("server " << server->connection.state() << ' ' << server->sent << ' ' << server->incoming.size());
  REQUIRE(done);
  CHECK(client.incoming == server->outgoing);
  CHECK(server->incoming == client.outgoing);
  CHECK_FALSE(client.error);
  CHECK_FALSE(server->error);
  CHECK(stacks.left->stats().curr_estab == 0);
  return stacks.left->stats().retrans_segs + stacks.right->stats().retrans_segs;
}

}  // namespace

TEST_CASE("1 MB each way over a perfect network needs no retransmission", "[tcp]") {
  TwoStacks stacks{{}, 1};
  CHECK(exchange(stacks, 1'000'000) == 0);
  CHECK(stacks.left->connection_count() + stacks.right->connection_count() >= 1);  // TIME-WAIT
  stacks.run([] { return false; }, 300s);
  CHECK(stacks.left->connection_count() + stacks.right->connection_count() == 0);
}

TEST_CASE("1 MB each way through loss, duplication and reordering arrives byte for byte", "[tcp]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  TwoStacks stacks{{.loss = 0.05, .duplication = 0.02, .reordering = 0.05}, seed};
  CHECK(exchange(stacks, 1'000'000) > 20);
}

TEST_CASE("a few bytes survive heavy loss", "[tcp]") {
  const auto seed = GENERATE(range(1U, 11U));
  TwoStacks stacks{{.loss = 0.3, .duplication = 0.1, .reordering = 0.1}, seed};
  (void)exchange(stacks, 3'000);
}

TEST_CASE("a pool returns to empty when everything is over", "[tcp]") {
  TwoStacks stacks{{.loss = 0.05, .duplication = 0.02, .reordering = 0.05}, 5};
  (void)exchange(stacks, 100'000);
  stacks.run([] { return false; }, 300s);
  CHECK(stacks.lab.pool.in_use() == 0);
}
