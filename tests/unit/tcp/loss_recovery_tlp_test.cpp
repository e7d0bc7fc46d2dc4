#include "loss_recovery_fixture.hpp"

using namespace tapir;
using namespace tapir::test;
using tcp::CaState;

namespace {
/// Three segments, the last of which may be lost; the probe timer is scheduled.
struct Tail : RecoveryBench {
  explicit Tail(const tcp::LossRecovery::Config& config = {}) : RecoveryBench{true, config} {
    send(0, 3);
    recovery.schedule_probe(now, now + 1s);
  }
  /// The timer expires, and the last segment is sent again.
  void probe() {
    REQUIRE(recovery.probe_deadline());
    now = *recovery.probe_deadline();
    REQUIRE(recovery.on_probe_timer());
    recovery.on_sent(at(2), at(3), now, true);
    recovery.schedule_probe(now, now + 1s);
  }
};
}  // namespace

TEST_CASE("new data arms the probe timer", "[tcp][RFC8985-7.2-1][RFC8985-7.2-2]") {
  Tail bench;
  CHECK(bench.recovery.probe_deadline() == bench.now + 82ms);  // 2 * SRTT and a margin
  bench.advance(40ms);
  (void)bench.ack(1);
  bench.recovery.schedule_probe(bench.now, bench.now + 1s);
  CHECK(bench.recovery.probe_deadline() == bench.now + 82ms);  // anew
  (void)bench.ack(2);
  bench.recovery.schedule_probe(bench.now, bench.now + 1s);
  CHECK(bench.recovery.probe_deadline() == bench.now + 280ms);  // one segment: the peer may delay its ACK
  (void)bench.ack(3);
  bench.recovery.schedule_probe(bench.now, {});
  CHECK_FALSE(bench.recovery.probe_deadline());
}

TEST_CASE("no probe while something is selectively acknowledged, or in recovery, or when it is off", "[tcp][RFC8985-7.2-1]") {
  Tail bench;
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 2}});
  bench.recovery.schedule_probe(bench.now, bench.now + 1s);
  CHECK_FALSE(bench.recovery.probe_deadline());
  bench.advance(50ms);
  REQUIRE(bench.recovery.on_reordering_timer(bench.now).entered);
  (void)bench.resend();
  bench.recovery.schedule_probe(bench.now, bench.now + 1s);
  CHECK_FALSE(bench.recovery.probe_deadline());
  Tail off{{.tail_loss_probe = false}};
  CHECK_FALSE(off.recovery.probe_deadline());
}

TEST_CASE("the probe never waits longer than the retransmission timer", "[tcp][RFC8985-7.2-4]") {
  RecoveryBench bench;
  bench.send(0, 3);
  bench.recovery.schedule_probe(bench.now, bench.now + 50ms);
  CHECK(bench.recovery.probe_deadline() == bench.now + 50ms);
}

TEST_CASE("one probe at a time, and a round trip measured in between", "[tcp][RFC8985-7.3-2]") {
  Tail bench;
  bench.probe();
  CHECK_FALSE(bench.recovery.probe_deadline());  // unacknowledged: the retransmission timer is next
  bench.advance(40ms);
  // Acknowledged, but it was sent twice: that measures nothing.
  REQUIRE_FALSE(bench.ack(3).rtt);
  bench.send(3, 5);
  bench.recovery.schedule_probe(bench.now, bench.now + 1s);
  CHECK_FALSE(bench.recovery.probe_deadline());  // whether the probe or its original arrived is still open
  CHECK_FALSE(bench.recovery.on_probe_timer());
  bench.advance(40ms);
  REQUIRE(bench.ack(4).rtt);
  bench.recovery.schedule_probe(bench.now, bench.now + 1s);
  REQUIRE(bench.recovery.probe_deadline());
  CHECK(bench.recovery.on_probe_timer());
}

TEST_CASE("an acknowledgment past the probe without a report of a duplicate tells of a loss", "[tcp][RFC8985-7.4-1]") {
  Tail bench;
  bench.probe();
  bench.advance(40ms);
  CHECK_FALSE(bench.ack(3).tail_lost);
  bench.send(3, 4);
  bench.advance(40ms);
  const auto outcome = bench.ack(4);
  CHECK(outcome.tail_lost);
  CHECK_FALSE(outcome.entered);
  CHECK(bench.recovery.state() == CaState::open);
  // Once.
  bench.send(4, 5);
  bench.advance(40ms);
  CHECK_FALSE(bench.ack(5).tail_lost);
}

TEST_CASE("a report that the probe was a duplicate tells that nothing was lost", "[tcp][RFC8985-7.4-3]") {
  Tail bench;
  bench.probe();
  bench.advance(1ms);
  CHECK_FALSE(bench.ack(3).tail_lost);
  CHECK_FALSE(bench.ack(3, {{2, 3}}).tail_lost);
  bench.send(3, 4);
  bench.advance(40ms);
  CHECK_FALSE(bench.ack(4).tail_lost);
}

TEST_CASE("so does a duplicate acknowledgment of a receiver that reports none", "[tcp][RFC8985-7.4-1]") {
  Tail bench;
  bench.probe();
  bench.advance(1ms);
  (void)bench.ack(3);
  auto again = bench.report(3);
  again.duplicate = true;
  CHECK_FALSE(bench.recovery.on_ack(again).tail_lost);
  bench.send(3, 4);
  bench.advance(40ms);
  CHECK_FALSE(bench.ack(4).tail_lost);
}

TEST_CASE("a probe of new data tells of nothing by itself", "[tcp][RFC8985-7.4-1]") {
  Tail bench;
  bench.now = *bench.recovery.probe_deadline();
  REQUIRE(bench.recovery.on_probe_timer());
  bench.recovery.on_sent(bench.at(3), bench.at(4), bench.now, true);
  bench.advance(40ms);
  // It shows what was lost before it: the usual recovery.
  const auto outcome = bench.ack(2, {{3, 4}});
  CHECK_FALSE(outcome.tail_lost);
  CHECK(outcome.lost == 1000);
  CHECK(outcome.entered);
}

TEST_CASE("a probe that is the only survivor of its flight starts recovery", "[tcp][RFC8985-7.4-1]") {
  Tail bench;
  bench.probe();
  bench.advance(40ms);
  const auto outcome = bench.ack(0, {{2, 3}});
  CHECK(outcome.entered);
  CHECK(outcome.lost == 2000);
  CHECK(bench.resend() == 2);
  bench.advance(40ms);
  CHECK(bench.ack(3).left);
}
