#include "loss_recovery_fixture.hpp"

using namespace tapir;
using namespace tapir::test;
using tcp::CaState;

namespace {
const tcp::LossRecovery::Config kCounting{.rack = false, .tail_loss_probe = false};
}  // namespace

TEST_CASE("by counting: more than two full segments beyond a hole make it lost", "[tcp][RFC6675-4-1][RFC6675-5-2]") {
  RecoveryBench bench{true, kCounting};
  bench.send(0, 10);
  bench.advance(40ms);
  CHECK(bench.ack(0, {{1, 3}}).lost == 0);
  CHECK(bench.recovery.state() == CaState::disorder);
  const auto third = bench.ack(0, {{1, 4}});  // the second acknowledgment
  CHECK(third.lost == 1000);
  CHECK(third.entered);
}

TEST_CASE("by counting: three runs beyond a hole make it lost", "[tcp][RFC6675-4-1]") {
  RecoveryBench bench{true, kCounting};
  bench.recovery.on_mss_change(2000);  // so that the runs decide, not their bytes
  bench.send(0, 10);
  bench.advance(40ms);
  CHECK(bench.ack(0, {{1, 2}, {3, 4}}).lost == 0);
  CHECK(bench.ack(0, {{1, 2}, {3, 4}, {5, 6}}).lost == 1000);
  CHECK(bench.lost(0));
  CHECK_FALSE(bench.lost(2));
}

TEST_CASE("pipe", "[tcp][RFC6675-4-2]") {
  RecoveryBench bench{true, kCounting};
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{2, 6}});
  // Four arrived, two are lost, four may be on their way.
  CHECK(bench.recovery.queue().in_network() == 4000);
  bench.recovery.on_sent(bench.at(0), bench.at(1), bench.now);
  CHECK(bench.recovery.queue().in_network() == 5000);
  CHECK(bench.recovery.queue().retransmitted_bytes() == 1000);
  bench.recovery.on_sent(bench.at(1), bench.at(2), bench.now);
  bench.send(10, 11);
  CHECK(bench.recovery.queue().in_network() == 7000);
  bench.advance(40ms);
  (void)bench.ack(2, {{2, 6}});
  CHECK(bench.recovery.queue().in_network() == 5000);
}

TEST_CASE("the smallest lost number goes first, and each hole once", "[tcp][RFC6675-4-3]") {
  RecoveryBench bench{true, kCounting};
  bench.send(0, 12);
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 2}, {3, 10}});
  REQUIRE(bench.recovery.queue().next_lost() != nullptr);
  CHECK(bench.recovery.queue().next_lost()->begin == bench.at(0));
  bench.recovery.on_sent(bench.at(0), bench.at(1), bench.now);
  CHECK(bench.recovery.queue().next_lost()->begin == bench.at(2));
  bench.recovery.on_sent(bench.at(2), bench.at(3), bench.now);
  CHECK(bench.recovery.queue().next_lost() == nullptr);
  bench.advance(1ms);
  (void)bench.ack(0, {{1, 2}, {3, 12}});
  CHECK(bench.recovery.queue().next_lost() == nullptr);  // counting cannot tell that a retransmission was lost
}

TEST_CASE("an acknowledgment of new data sets the count of duplicates to zero", "[tcp][RFC6675-5-1]") {
  RecoveryBench bench{true, kCounting};
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 2}});
  (void)bench.ack(0, {{1, 3}});
  (void)bench.ack(3);
  (void)bench.ack(3, {{4, 5}});
  CHECK_FALSE(bench.ack(3, {{4, 6}}).entered);
  CHECK(bench.ack(3, {{4, 7}}).entered);
}

TEST_CASE("recovery ends with what was outstanding when it began", "[tcp][RFC6675-5-4][RFC6675-5-7]") {
  const bool rack = GENERATE(false, true);
  RecoveryBench bench{true, {.rack = rack}};
  bench.send(0, 10);
  bench.advance(40ms);
  REQUIRE(bench.ack(0, {{1, 4}}).entered);
  CHECK(bench.recovery.recovery_point() == bench.at(10));
  REQUIRE(bench.resend() == 1);
  bench.send(10, 14);
  bench.advance(40ms);
  auto almost = bench.report(10);
  almost.ack = bench.at(10) - 1;
  CHECK_FALSE(bench.recovery.on_ack(almost).left);
  CHECK(bench.recovery.state() == CaState::recovery);
  CHECK(bench.ack(10).left);
  CHECK(bench.recovery.state() == CaState::open);
  // The next loss starts a new one.
  CHECK(bench.ack(10, {{11, 14}}).entered);
}

TEST_CASE("the first retransmission of a recovery is free, the others are not", "[tcp][RFC6675-5-6]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  CHECK_FALSE(bench.recovery.retransmission_is_free());
  (void)bench.ack(0, {{2, 5}});
  CHECK(bench.recovery.retransmission_is_free());
  bench.recovery.on_sent(bench.at(0), bench.at(1), bench.now);
  CHECK_FALSE(bench.recovery.retransmission_is_free());
}

TEST_CASE("limited transmit", "[tcp]") {
  RecoveryBench plain{false};
  plain.send(0, 4);
  plain.advance(40ms);
  CHECK(plain.recovery.limited_transmit_allowance() == 0);
  (void)plain.ack(0);
  CHECK(plain.recovery.limited_transmit_allowance() == 1000);
  (void)plain.ack(0);
  CHECK(plain.recovery.limited_transmit_allowance() == 2000);
  plain.send(4, 6);
  CHECK(plain.recovery.limited_bytes() == 2000);
  (void)plain.ack(0);
  CHECK(plain.recovery.limited_transmit_allowance() == 0);
  // With SACK what arrived makes room by itself.
  RecoveryBench sack;
  sack.send(0, 4);
  sack.advance(40ms);
  (void)sack.ack(0, {{1, 2}});
  CHECK(sack.recovery.limited_transmit_allowance() == 0);
  CHECK(sack.recovery.in_flight() == 3000);
  RecoveryBench off{true, {.limited_transmit = false}};
  off.send(0, 4);
  off.advance(40ms);
  (void)off.ack(0, {{1, 2}});
  CHECK(off.recovery.in_flight() == 4000);
}
