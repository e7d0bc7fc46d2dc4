#include <catch2/catch.hpp>

#include <map>

#include <tapir/core/observer.hpp>
#include <tapir/core/packet.hpp>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kHeaders = 14 + 20 + 32;  // Ethernet, IPv4, TCP with timestamps
constexpr std::size_t kFcs = 4;

/// One connection on which the left host sends `size` bytes to the right one.
struct Flow {
  Flow(PairConfig config, std::size_t size) : pair{config} {
    auto opened = pair.right->tcp().listen(
        Port{5001}, [this](tcp::Connection connection) { server = std::make_unique<Talker>(std::move(connection), noise(0, 1)); });
    REQUIRE(opened);
    listener.emplace(std::move(*opened));
    auto connecting = pair.left->tcp().connect({kRightAddress, Port{5001}});
    REQUIRE(connecting);
    client.emplace(std::move(*connecting), noise(size, 2));
  }
  /// Until the peer has it all, byte for byte, and the sender knows; the time it took.
  Duration finish() {
    const TimePoint begin = pair.world.scheduler().now();
    const bool done =
        pair.world.run_until([this] { return server && server->end_of_stream && client->connection.unacknowledged() == 0; }, 1h);
    INFO("received " << (server ? server->incoming.size() : 0) << " of " << client->outgoing.size());
    REQUIRE(done);
    const bool same = server->incoming == client->outgoing;
    CHECK(same);
    return pair.world.scheduler().now() - begin;
  }
  [[nodiscard]] tcp::Info info() const { return client->connection.info(); }

  Pair pair;
  std::optional<tcp::Listener> listener;
  std::unique_ptr<Talker> server;
  std::optional<Talker> client;
};

PairConfig path(Duration one_way, const tcp::Config& tcp = {}) {
  PairConfig config;
  config.cable.delay = one_way;
  config.left.tcp = tcp;
  return config;
}

std::size_t payload_of(std::span<const std::byte> frame) { return frame.size() > kHeaders + kFcs ? frame.size() - kHeaders - kFcs : 0; }
std::uint32_t sequence_of(std::span<const std::byte> frame) {
  std::uint32_t number = 0;
  for (std::size_t i = 38; i < 42; ++i) number = number << 8U | std::to_integer<std::uint32_t>(frame[i]);
  return number;
}

/// Drops the first `times` transmissions of the segment with which the `from`-th byte of the flow leaves.
void drop_at(Flow& flow, std::size_t from, int times) {
  struct State {
    std::size_t sent = 0;
    std::optional<std::uint32_t> victim{};
    int left = 0;
  };
  flow.pair.cable.filter([from, state = State{.left = times}](sim::End end, std::span<const std::byte> frame) mutable {
    const std::size_t payload = end == sim::End::left ? payload_of(frame) : 0;
    if (payload == 0) return sim::Verdict::pass;
    if (!state.victim) {
      state.sent += payload;
      if (state.sent > from) state.victim = sequence_of(frame);
    }
    if (!state.victim || sequence_of(frame) != *state.victim || state.left == 0) return sim::Verdict::pass;
    --state.left;
    return sim::Verdict::drop;
  });
}

}  // namespace

TEST_CASE("a lost tail is repaired without the retransmission timer", "[scenario][RFC8985-7.3-1]") {
  const auto lose_tail = [](bool probes) {
    Flow flow{path(10ms, {.recovery = {.tail_loss_probe = probes}}), 30'000};
    drop_at(flow, 29'999, 1);
    const Duration took = flow.finish();
    CHECK(flow.info().retransmissions >= 1);
    return std::pair{took, flow.info()};
  };
  const auto [fast, with] = lose_tail(true);
  CHECK(with.timeouts == 0);
  CHECK(with.tail_probes >= 1);
  const auto [slow, without] = lose_tail(false);
  CHECK(without.timeouts >= 1);
  CHECK(slow > fast);
}

TEST_CASE("a retransmission that is lost again is repaired without the retransmission timer", "[scenario][RFC8985-4-3]") {
  const auto lose_twice = [](bool rack) {
    Flow flow{path(10ms, {.recovery = {.rack = rack}}), 2'000'000};
    drop_at(flow, 300'000, 2);
    (void)flow.finish();
    CHECK(flow.info().retransmissions >= 2);
    return flow.info().timeouts;
  };
  CHECK(lose_twice(true) == 0);
  CHECK(lose_twice(false) >= 1);  // counting cannot see it
}

TEST_CASE("a timeout that was only a delay is undone, one of a real outage is not", "[scenario]") {
  const tcp::Config quick{.min_rto = 200ms, .recovery = {.tail_loss_probe = false}};
  Flow late{path(10ms, quick), 2'000'000};
  late.pair.world.run_for(100ms);
  late.pair.cable.set_faults({.delay = 300ms});  // the path has become longer, all at once
  (void)late.finish();
  CHECK(late.info().timeouts >= 1);
  CHECK(late.info().undos >= 1);
  Flow cut{path(10ms, quick), 2'000'000};
  cut.pair.world.run_for(100ms);
  cut.pair.cable.cut(true);
  cut.pair.world.run_for(300ms);
  cut.pair.cable.cut(false);
  (void)cut.finish();
  CHECK(cut.info().timeouts >= 1);
  CHECK(cut.info().undos == 0);
}

TEST_CASE("heavy reordering is learned, and then costs no retransmissions", "[scenario][RFC8985-3.3.2-2]") {
  const auto reorder = [](bool rack) {
    Flow flow{path(10ms, {.recovery = {.rack = rack}}), 5'000'000};
    flow.pair.cable.set_faults(sim::End::left, {.reordering = 0.2, .reordering_delay = 4ms});
    REQUIRE(flow.pair.world.run_until([&] { return flow.server && flow.server->incoming.size() > 1'000'000; }, 1h));
    const auto learned = flow.info().retransmissions;
    (void)flow.finish();
    CHECK(flow.info().reordering > 0);
    return flow.info().retransmissions - learned;
  };
  CHECK(reorder(true) == 0);
  CHECK(reorder(false) > 20);  // counting three segments is fooled again and again
}

TEST_CASE("10 MB at 5 % loss and reordering arrive byte for byte, with SACK in less time than without", "[scenario][RFC2018-5-1]") {
  const auto transfer = [](bool sack) {
    PairConfig config = path(5ms, {.sack = sack});
    config.cable.faults = {.loss = 0.05, .reordering = 0.05};
    Flow flow{config, 10'000'000};
    const Duration took = flow.finish();
    CHECK(flow.info().retransmissions > 300);
    return took;
  };
  const Duration with = transfer(true);
  const Duration without = transfer(false);
  CHECK(with < without);
}

namespace {

/// Counts what TCP hands down in more than one segment.
class BurstCount final : public Observer {
 public:
  void crossed(const Crossing& crossing) override {
    if (crossing.layer != LayerId::tcp || crossing.direction != Direction::down || crossing.packet == nullptr) return;
    if (crossing.packet->meta().gso != GsoKind::none) ++bursts;
  }
  std::size_t bursts = 0;
};

}  // namespace

TEST_CASE("loss costs no byte, with super-segments and without", "[scenario][RFC2018-5-1]") {
  for (const link::FaultConfig& faults : {link::FaultConfig{.loss = 0.001}, link::FaultConfig{.loss = 0.01, .duplication = 0.01},
                                          link::FaultConfig{.loss = 0.05, .corruption = 0.01, .reordering = 0.05}}) {
    for (const bool super_segments : {false, true}) {
      INFO("loss " << faults.loss << (super_segments ? " with" : " without") << " super-segments");
      BurstCount count;
      PairConfig config = path(5ms, {.split_below = super_segments});
      config.left.observer = &count;
      config.cable.faults = faults;
      Flow flow{config, 3'000'000};
      (void)flow.finish();  // byte for byte
      CHECK(flow.info().retransmissions > 0);
      CHECK((count.bursts > 100) == super_segments);
    }
  }
}

TEST_CASE("a receiver that gives up what it has reported gets it again", "[scenario][RFC2018-8-2]") {
  const auto hold_up = [](std::size_t memory) {
    PairConfig config = path(10ms, {.min_rto = 200ms});
    config.right.tcp.memory_limit = memory;
    Flow flow{config, 3'000'000};
    flow.pair.world.run_for(100ms);
    drop_at(flow, 300'000, 1'000);  // so much is reported beyond the gap while it lasts
    std::size_t most = 0;
    const bool beyond = flow.pair.world.run_until(
        [&] {
          most = std::max(most, flow.server ? flow.server->connection.info().out_of_order : 0);
          return most > 30'000;
        },
        10s);
    INFO("at most " << most << " beyond a gap, received " << flow.server->incoming.size() << " sent " << flow.client->sent);
    REQUIRE(beyond);
    // Another connection takes the memory, and nobody reads from it.
    tcp::Connection hoarder;
    auto hoard = flow.pair.right->tcp().listen(Port{9}, [&](tcp::Connection accepted) { hoarder = std::move(accepted); });
    REQUIRE(hoard);
    auto opened = flow.pair.left->tcp().connect({kRightAddress, Port{9}});
    REQUIRE(opened);
    const Talker filler{std::move(*opened), noise(2'000'000, 3)};
    const bool given_up = flow.pair.world.run_until([&] { return flow.server->connection.info().out_of_order == 0; }, 2s);
    flow.pair.cable.filter({});  // only now the gap can be filled
    hoarder.abort();
    (void)flow.finish();
    return given_up;
  };
  CHECK(hold_up(150'000));
  CHECK_FALSE(hold_up(100'000'000));
}
