#include "loss_recovery_fixture.hpp"

using namespace tapir;
using namespace tapir::test;
using tcp::CaState;

namespace {
/// Ten segments of which the first was declared lost and sent again.
struct Retransmitted : RecoveryBench {
  explicit Retransmitted(bool sack = true) : RecoveryBench{sack} {
    send(0, 10);
    advance(40ms);
    if (sack) {
      REQUIRE(ack(0, {{1, 4}}).entered);
    } else {
      (void)ack(0);
      (void)ack(0);
      REQUIRE(ack(0).entered);
    }
    REQUIRE(resend() == 1);
    resent = now;
  }
  TimePoint resent;
};

/// Ten segments nothing of which was heard for a while: the timer expired and the first went again.
struct TimedOut : RecoveryBench {
  explicit TimedOut(bool sack, const tcp::LossRecovery::Config& config = {}) : RecoveryBench{sack, config} {
    send(0, 10);
    advance(300ms);
    recovery.on_timeout(now);
    rtt.back_off();
    REQUIRE(recovery.state() == CaState::loss);
    recovery.on_sent(at(0), at(1), now);
    resent = now;
  }
  TimePoint resent;
};
}  // namespace

TEST_CASE("when every retransmission is reported as a duplicate, nothing was lost", "[tcp][RFC2883-5-1]") {
  Retransmitted bench;
  bench.advance(1ms);
  const auto late = bench.ack(4);
  CHECK_FALSE(late.undone);
  CHECK(bench.recovery.state() == CaState::recovery);
  const auto report = bench.ack(4, {{0, 1}});
  CHECK(report.undone);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK(bench.recovery.undos() == 1);
  CHECK(bench.recovery.queue().lost_bytes() == 0);
}

TEST_CASE("the report may come after the recovery", "[tcp][RFC2883-5-1]") {
  Retransmitted bench;
  bench.advance(1ms);
  const auto all = bench.ack(10);
  CHECK(all.left);
  CHECK_FALSE(all.undone);
  bench.send(10, 11);
  CHECK(bench.ack(10, {{0, 1}}).undone);
  // Once.
  CHECK_FALSE(bench.ack(10, {{0, 1}}).undone);
  CHECK(bench.recovery.undos() == 1);
}

TEST_CASE("one duplicate of two retransmissions proves nothing", "[tcp][RFC2883-5-1]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  REQUIRE(bench.ack(0, {{2, 5}}).entered);
  REQUIRE(bench.resend() == 2);
  bench.advance(40ms);
  (void)bench.ack(10);
  CHECK_FALSE(bench.ack(10, {{0, 1}}).undone);
  CHECK(bench.ack(10, {{1, 2}}).undone);
}

TEST_CASE("duplicates that the network made are none of ours", "[tcp][RFC2883-5-1]") {
  RecoveryBench bench;
  bench.send(0, 4);
  bench.advance(40ms);
  (void)bench.ack(1);
  CHECK_FALSE(bench.ack(1, {{0, 1}}).undone);
  CHECK(bench.recovery.duplicates_reported() == 1);
  CHECK(bench.recovery.rack().window_multiplier() == 1);
}

TEST_CASE("an acknowledgment that echoes the original ends the recovery that was none", "[tcp]") {
  const bool sack = GENERATE(true, false);
  Retransmitted bench{sack};
  bench.advance(5ms);
  const auto outcome = bench.ack_echoing(bench.resent - 1ms, 4);
  CHECK(outcome.undone);
  CHECK_FALSE(outcome.entered);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK(bench.recovery.queue().lost_bytes() == 0);
  // The retransmission echoed: the loss was real.
  Retransmitted real{sack};
  real.advance(40ms);
  CHECK_FALSE(real.ack_echoing(real.resent + 1ms, 4).undone);
  CHECK(real.recovery.state() == CaState::recovery);
}

TEST_CASE("the echo of a retransmission from the recovery before is not one of the original", "[tcp]") {
  const bool again = GENERATE(true, false);
  RecoveryBench bench;
  bench.send(0, 5);
  bench.advance(40ms);
  REQUIRE(bench.ack(0, {{1, 4}}).entered);
  bench.send(5, 12);  // from 5 on: beyond the point at which the recovery ends
  bench.resend();
  bench.advance(20ms);
  (void)bench.ack(0, {{6, 9}, {1, 5}});
  const TimePoint first = bench.now;
  if (again) REQUIRE(bench.resend() >= 1);  // segment 5, while the recovery lasts
  bench.advance(20ms);
  const auto over = bench.ack_echoing(bench.now - 19ms, 5, {{6, 9}, {10, 12}});
  REQUIRE_FALSE(over.undone);
  REQUIRE(bench.recovery.state() == CaState::recovery);  // a new one, for 9
  REQUIRE(bench.resend() >= 1);
  bench.advance(5ms);
  // The acknowledgment of segment 5 echoes what left when it did: before the retransmission of 9.
  CHECK(bench.ack_echoing(first + 1ms, 9, {{10, 12}}).undone == !again);
}

TEST_CASE("an acknowledgment of nothing new proves nothing by its echo", "[tcp]") {
  Retransmitted bench;
  bench.advance(5ms);
  CHECK_FALSE(bench.ack_echoing(bench.resent - 1ms, 0, {{1, 5}}).undone);
  CHECK(bench.recovery.state() == CaState::recovery);
}

TEST_CASE("what an undo takes back is judged again", "[tcp]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  REQUIRE(bench.ack(0, {{2, 5}}).lost == 2000);
  bench.recovery.on_sent(bench.at(0), bench.at(1), bench.now);  // only the first goes again
  const TimePoint resent = bench.now;
  bench.advance(5ms);
  REQUIRE(bench.ack_echoing(resent - 1ms, 1, {{2, 5}}).undone);
  CHECK_FALSE(bench.lost(1));
  bench.advance(100ms);
  (void)bench.ack(1, {{2, 6}});
  if (bench.recovery.reordering_deadline()) {
    bench.now = *bench.recovery.reordering_deadline();
    (void)bench.recovery.on_reordering_timer(bench.now);
  }
  CHECK(bench.lost(1));
}

TEST_CASE("a timeout whose original is echoed was spurious, and the timer is as before", "[tcp]") {
  const bool sack = GENERATE(true, false);
  TimedOut bench{sack};
  const Duration before = bench.rtt.config().min_rto;
  REQUIRE(bench.rtt.rto() > before);
  bench.advance(5ms);
  const auto outcome = bench.ack_echoing(bench.resent - 1ms, 1);
  CHECK(outcome.undone);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK(bench.recovery.queue().lost_bytes() == 0);
  CHECK(bench.rtt.backoffs() == 0);
  CHECK(outcome.restart_timer);
}

TEST_CASE("a spurious timeout counts as one sample, not as the measure of all to come", "[tcp]") {
  TimedOut bench{false};
  bench.advance(5ms);
  auto said = bench.report(1);
  said.echo_before = bench.resent - 1ms;
  said.echo_rtt = 305ms;  // when it was the ACK that was lost, this is the timeout and a round trip
  REQUIRE(bench.recovery.on_ack(said).undone);
  CHECK(bench.rtt.srtt() < Duration{80ms});
  CHECK(bench.rtt.rto() < 500ms);
}

TEST_CASE("a real timeout recovers by retransmissions", "[tcp]") {
  const bool sack = GENERATE(true, false);
  TimedOut bench{sack, {.frto = false}};
  bench.advance(40ms);
  CHECK_FALSE(bench.ack_echoing(bench.resent + 1ms, 1).undone);
  CHECK(bench.recovery.state() == CaState::loss);
  CHECK(bench.resend() == 9);
  bench.advance(40ms);
  (void)bench.ack(10);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK(bench.rtt.backoffs() == 1);  // no valid sample yet (Karn)
}

TEST_CASE("F-RTO without SACK: two acknowledgments that advance, the second past all that was sent again", "[tcp]") {
  TimedOut bench{false};
  bench.advance(5ms);
  const auto first = bench.ack(1);
  CHECK_FALSE(first.undone);
  CHECK(bench.recovery.prefers_new_data());
  bench.send(10, 12);
  CHECK(bench.recovery.prefers_new_data());  // until the next acknowledgment
  bench.advance(1ms);
  const auto second = bench.ack(2);
  CHECK(second.undone);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK_FALSE(bench.recovery.prefers_new_data());
  CHECK(bench.recovery.queue().lost_bytes() == 0);
}

TEST_CASE("F-RTO without SACK: a duplicate after the new data means a loss", "[tcp]") {
  TimedOut bench{false};
  bench.advance(40ms);
  (void)bench.ack(1);
  REQUIRE(bench.recovery.prefers_new_data());
  bench.send(10, 12);
  bench.advance(40ms);
  CHECK_FALSE(bench.ack(1).undone);
  CHECK_FALSE(bench.recovery.prefers_new_data());
  CHECK(bench.recovery.state() == CaState::loss);
  CHECK(bench.resend() == 9);
}

TEST_CASE("F-RTO: a duplicate first means a loss", "[tcp]") {
  TimedOut bench{false};
  bench.advance(40ms);
  (void)bench.ack(0);
  (void)bench.ack(1);
  CHECK_FALSE(bench.recovery.prefers_new_data());
}

TEST_CASE("F-RTO: with all acknowledged at once there is nothing to find out", "[tcp]") {
  TimedOut bench{false};
  bench.advance(40ms);
  CHECK_FALSE(bench.ack(10).undone);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK_FALSE(bench.recovery.prefers_new_data());
}

TEST_CASE("F-RTO: without new data the usual recovery goes on", "[tcp]") {
  TimedOut bench{false};
  bench.advance(40ms);
  (void)bench.ack(1);
  REQUIRE(bench.recovery.prefers_new_data());
  CHECK(bench.recovery.new_data_is_impossible());
  CHECK_FALSE(bench.recovery.prefers_new_data());
  CHECK_FALSE(bench.recovery.new_data_is_impossible());
}

TEST_CASE("F-RTO with SACK: what was never sent again arrives, in order or not", "[tcp]") {
  TimedOut in_order{true};
  in_order.advance(5ms);
  CHECK(in_order.ack(2).undone);
  TimedOut beyond{true};
  beyond.advance(5ms);
  CHECK(beyond.ack(0, {{4, 5}}).undone);
  // The retransmission alone says nothing.
  TimedOut real{true};
  real.advance(40ms);
  CHECK_FALSE(real.ack(1).undone);
  CHECK(real.recovery.prefers_new_data());
  real.send(10, 12);
  real.advance(40ms);
  CHECK_FALSE(real.ack(1, {{10, 11}}).undone);
  CHECK_FALSE(real.recovery.prefers_new_data());
  CHECK(real.lost_segments() == 9);
}

TEST_CASE("F-RTO can be turned off", "[tcp]") {
  TimedOut bench{true, {.frto = false}};
  bench.advance(5ms);
  CHECK_FALSE(bench.ack(2).undone);
  CHECK(bench.recovery.state() == CaState::loss);
}

TEST_CASE("a receiver that threw away what it had reported gets everything again", "[tcp][RFC2018-5-3][RFC2018-5-4]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{0, 10}});
  CHECK(bench.recovery.queue().outstanding() == 10'000);  // none of it is forgotten
  CHECK(bench.recovery.queue().sacked_bytes() == 10'000);
  bench.advance(1s);
  bench.recovery.on_timeout(bench.now);
  CHECK(bench.recovery.queue().sacked_bytes() == 0);
  CHECK(bench.lost_segments() == 10);
  CHECK(bench.resend() == 10);
  bench.advance(40ms);
  CHECK(bench.ack(10).acked == 10'000);
}

TEST_CASE("what was reported is not sent again after a timeout when the first segment is missing", "[tcp][RFC6675-5.1-2]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{4, 5}});
  bench.advance(1s);
  bench.recovery.on_timeout(bench.now);
  CHECK(bench.recovery.queue().sacked_bytes() == 1000);
  CHECK_FALSE(bench.lost(4));
  CHECK(bench.lost_segments() == 9);
}

TEST_CASE("losses found after a timeout start no second recovery", "[tcp][RFC6675-5.1-1]") {
  RecoveryBench bench{true, {.frto = false}};
  bench.send(0, 10);
  bench.advance(300ms);
  bench.send(10, 14);
  bench.advance(1ms);
  bench.recovery.on_timeout(bench.now);
  (void)bench.resend();
  bench.advance(40ms);
  const auto outcome = bench.ack(1, {{11, 14}});
  CHECK(outcome.lost == 1000);
  CHECK_FALSE(outcome.entered);
  CHECK(bench.recovery.state() == CaState::loss);
  (void)bench.resend();
  bench.advance(40ms);
  (void)bench.ack(14);
  CHECK(bench.recovery.state() == CaState::open);
  // Beyond it, a loss does.
  bench.send(14, 20);
  bench.advance(40ms);
  CHECK(bench.ack(14, {{15, 20}}).entered);
}

TEST_CASE("a tail loss probe that was needless takes no answer to an earlier loss back", "[tcp]") {
  Retransmitted bench;
  bench.advance(40ms);
  const auto repaired = bench.ack(10);
  REQUIRE(repaired.left);
  bench.advance(10s);
  bench.send(10, 11);
  bench.advance(400ms);
  bench.recovery.on_sent(bench.at(10), bench.at(11), bench.now, true);
  bench.advance(10ms);
  CHECK_FALSE(bench.ack(11).undone);
  const auto report = bench.ack(11, {{10, 11}});
  CHECK_FALSE(report.undone);
  CHECK(bench.recovery.undos() == 0);
  CHECK(bench.recovery.duplicates_reported() == 1);
}
