#include "loss_recovery_fixture.hpp"

using namespace tapir;
using namespace tapir::test;
using tcp::CaState;

namespace {
/// A bench on which segment 1 overtook segment 0, both sent once; all is acknowledged.
struct Reordered : RecoveryBench {
  Reordered() {
    send(0, 2);
    advance(40ms);
    (void)ack(0, {{1, 2}});
    REQUIRE_FALSE(recovery.rack().reordering_seen());
    (void)ack(2);
    REQUIRE(recovery.rack().reordering_seen());
    REQUIRE(recovery.queue().empty());
  }
  /// Segment `first` of three is declared lost too early: it is sent again, and reported as a duplicate.
  void false_alarm(std::uint32_t first) {
    send(first, first + 3);
    advance(40ms);
    (void)ack(first, {{first + 1, first + 3}});
    while (recovery.reordering_deadline()) {
      now = *recovery.reordering_deadline();
      (void)recovery.on_reordering_timer(now);
    }
    REQUIRE(resend() == 1);
    advance(1ms);
    (void)ack(first + 3);                        // the original
    (void)ack(first + 3, {{first, first + 1}});  // the copy
  }
};
}  // namespace

TEST_CASE("three segments beyond a hole, nothing ever reordered: the hole is lost at once", "[tcp][RFC8985-3.3.2-1]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  CHECK(bench.ack(0, {{1, 2}}).lost == 0);
  CHECK(bench.ack(0, {{1, 3}}).lost == 0);
  CHECK(bench.recovery.state() == CaState::disorder);
  const auto third = bench.ack(0, {{1, 4}});
  CHECK(third.lost == 1000);
  CHECK(third.entered);
  CHECK(bench.lost(0));
  CHECK(bench.lost_segments() == 1);  // what was sent behind the last one delivered still may arrive
  CHECK(bench.recovery.state() == CaState::recovery);
  CHECK(bench.recovery.queue().in_network() == 6000);
}

TEST_CASE("one acknowledgment of three segments is enough", "[tcp][RFC8985-3.3.2-1][RFC6675-5-2]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  CHECK(bench.ack(0, {{1, 4}}).entered);
}

TEST_CASE("below that the reordering timer decides, after a quarter of the shortest round trip",
          "[tcp][RFC8985-3.3.2-2][RFC8985-6.2-5][RFC8985-6.2-6]") {
  RecoveryBench bench;
  bench.send(0, 1);
  bench.advance(1ms);
  bench.send(1, 3);
  bench.advance(39ms);
  CHECK(bench.ack(0).acked == 0);
  bench.advance(1ms);
  CHECK(bench.ack(0, {{1, 2}}).lost == 0);  // sent 40 ms ago: segment 0, sent 41 ms ago, has 9 ms left
  REQUIRE(bench.recovery.reordering_deadline());
  const TimePoint due = *bench.recovery.reordering_deadline();
  CHECK(due == bench.now + 9ms);
  bench.now = due - 1ns;
  CHECK(bench.recovery.on_reordering_timer(bench.now).lost == 0);
  CHECK(bench.recovery.reordering_deadline() == due);
  bench.now = due;
  const auto outcome = bench.recovery.on_reordering_timer(bench.now);
  CHECK(outcome.lost == 1000);
  CHECK(outcome.entered);
  CHECK_FALSE(bench.recovery.reordering_deadline());
  CHECK(bench.lost(0));
  CHECK_FALSE(bench.lost(2));
}

TEST_CASE("a segment that comes late but in the window is not lost", "[tcp][RFC8985-3.3.2-2]") {
  RecoveryBench bench;
  bench.send(0, 3);
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 2}});
  bench.advance(9ms);
  CHECK(bench.ack(2).lost == 0);
  CHECK(bench.recovery.state() == CaState::open);
  CHECK(bench.recovery.rack().reordering() == 2000);
  CHECK_FALSE(bench.recovery.reordering_deadline());
}

TEST_CASE("reordering is a segment, sent once, delivered below the highest delivered", "[tcp][RFC8985-6.2-4]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 4}});
  REQUIRE(bench.resend() == 1);
  bench.advance(40ms);
  (void)bench.ack(4);  // a retransmission fills a hole: no reordering
  CHECK_FALSE(bench.recovery.rack().reordering_seen());
  (void)bench.ack(4, {{6, 7}});
  (void)bench.ack(4, {{5, 7}});
  CHECK(bench.recovery.rack().reordering_seen());
}

TEST_CASE("once reordering was seen, three segments beyond the hole are not enough", "[tcp][RFC8985-3.3.2-2]") {
  Reordered bench;
  bench.send(2, 12);
  bench.advance(40ms);
  CHECK(bench.ack(2, {{3, 8}}).lost == 0);
  REQUIRE(bench.recovery.reordering_deadline());
  CHECK(*bench.recovery.reordering_deadline() == bench.now + 10ms);
}

TEST_CASE("reported duplicates widen the window, once a round, up to SRTT",
          "[tcp][RFC8985-4-4][RFC8985-3.3.2-3][RFC8985-3.3.2-5][RFC8985-3.3.2-6]") {
  Reordered bench;
  CHECK(bench.recovery.reordering_window() == 10ms);
  bench.false_alarm(2);
  CHECK(bench.recovery.duplicates_reported() == 1);
  CHECK(bench.recovery.reordering_window() == 20ms);
  bench.false_alarm(5);
  CHECK(bench.recovery.reordering_window() == 30ms);
  for (std::uint32_t first = 8; first < 50; first += 3) bench.false_alarm(first);
  CHECK(bench.recovery.reordering_window() == *bench.rtt.srtt());
}

TEST_CASE("two duplicates in one round count once", "[tcp][RFC8985-3.3.2-3]") {
  Reordered bench;
  bench.send(2, 12);
  bench.advance(40ms);
  (void)bench.ack(2, {{4, 12}});
  bench.now = *bench.recovery.reordering_deadline();
  REQUIRE(bench.recovery.on_reordering_timer(bench.now).lost == 2000);
  REQUIRE(bench.resend() == 2);
  bench.send(12, 14);
  (void)bench.ack(12);
  (void)bench.ack(12, {{2, 3}});
  (void)bench.ack(12, {{3, 4}});
  CHECK(bench.recovery.duplicates_reported() == 2);
  CHECK(bench.recovery.rack().window_multiplier() == 2);
}

TEST_CASE("the widened window falls back after sixteen recoveries without a duplicate", "[tcp][RFC8985-3.3.2-4]") {
  Reordered bench;
  bench.false_alarm(2);
  REQUIRE(bench.recovery.rack().window_multiplier() == 2);
  std::uint32_t first = 5;
  for (int recovery = 1; recovery <= 16; ++recovery, first += 3) {
    CHECK(bench.recovery.rack().window_multiplier() == 2);
    bench.send(first, first + 3);
    bench.advance(40ms);
    (void)bench.ack(first, {{first + 1, first + 3}});
    bench.now = *bench.recovery.reordering_deadline();
    REQUIRE(bench.recovery.on_reordering_timer(bench.now).entered);
    REQUIRE(bench.resend() == 1);
    bench.advance(40ms);
    REQUIRE(bench.ack(first + 3).left);
  }
  CHECK(bench.recovery.rack().window_multiplier() == 1);
}

TEST_CASE("each transmission is stored with its time", "[tcp][RFC8985-4-2][RFC8985-4-3][RFC8985-6.1-1]") {
  RecoveryBench bench;
  bench.send(0, 1);
  bench.advance(1ms);
  bench.send(1, 2);
  const auto& queue = bench.recovery.queue();
  CHECK(queue.find(bench.at(1))->last_sent - queue.find(bench.at(0))->last_sent == 1ms);
  CHECK(queue.find(bench.at(0))->end == bench.at(1));
  bench.recovery.on_timeout(bench.now);
  bench.advance(7ms);
  bench.recovery.on_sent(bench.at(0), bench.at(1), bench.now);
  CHECK(queue.find(bench.at(0))->last_sent == bench.now);
  CHECK(queue.find(bench.at(0))->transmissions == 2);
  CHECK(queue.find(bench.at(1))->transmissions == 1);
}

TEST_CASE("RACK.segment is the one sent last of those delivered", "[tcp][RFC8985-6.2-2]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 4}});
  REQUIRE(bench.resend() == 1);
  const TimePoint resent = bench.now;
  bench.advance(40ms);
  (void)bench.ack(4, {});
  REQUIRE(bench.recovery.rack().latest());
  CHECK(bench.recovery.rack().latest()->at == resent);  // though its number is the lowest
  CHECK(bench.recovery.rack().latest()->end == bench.at(1));
}

TEST_CASE("an acknowledgment of the original says nothing of the retransmission", "[tcp][RFC8985-6.2-3]") {
  SECTION("by a round trip shorter than possible") {
    RecoveryBench bench;
    bench.send(0, 10);
    bench.advance(40ms);
    (void)bench.ack(0, {{1, 4}});
    const auto before = bench.recovery.rack().latest()->at;
    REQUIRE(bench.resend() == 1);
    bench.advance(39ms);
    (void)bench.ack(4);
    CHECK(bench.recovery.rack().latest()->at == before);
  }
  SECTION("by the echoed timestamp") {
    RecoveryBench bench;
    bench.send(0, 10);
    bench.advance(40ms);
    (void)bench.ack(0, {{1, 4}});
    const auto before = bench.recovery.rack().latest()->at;
    REQUIRE(bench.resend() == 1);
    const TimePoint resent = bench.now;
    bench.advance(60ms);
    (void)bench.ack_echoing(resent - 39ms, 4);
    CHECK(bench.recovery.rack().latest()->at == before);
  }
  SECTION("but one of the retransmission does") {
    RecoveryBench bench;
    bench.send(0, 10);
    bench.advance(40ms);
    (void)bench.ack(0, {{1, 4}});
    REQUIRE(bench.resend() == 1);
    const TimePoint resent = bench.now;
    bench.advance(60ms);
    (void)bench.ack_echoing(resent + 1ms, 4);
    CHECK(bench.recovery.rack().latest()->at == resent);
  }
}

TEST_CASE("a retransmission that is lost again is found lost by what was sent after it", "[tcp][RFC8985-4-3]") {
  RecoveryBench bench;
  bench.send(0, 10);
  bench.advance(40ms);
  (void)bench.ack(0, {{1, 4}});
  REQUIRE(bench.resend() == 1);
  bench.advance(1ms);
  bench.send(10, 12);
  bench.advance(39ms);
  CHECK(bench.ack(0, {{1, 10}}).lost == 0);  // sent before the retransmission: no news of it
  CHECK_FALSE(bench.lost(0));
  bench.advance(1ms);
  const auto outcome = bench.ack(0, {{1, 11}});
  CHECK(outcome.lost == 1000);
  CHECK_FALSE(outcome.entered);  // the same recovery
  CHECK(bench.lost(0));
  CHECK(bench.resend() == 1);
  bench.advance(40ms);
  CHECK(bench.ack(12).left);
}

TEST_CASE("at a timeout only the first segment and the old ones are lost", "[tcp][RFC8985-6.3-1]") {
  RecoveryBench bench;
  bench.send(0, 2);
  bench.advance(300ms);
  bench.send(2, 4);
  bench.advance(20ms);
  bench.recovery.on_timeout(bench.now);
  CHECK(bench.recovery.state() == CaState::loss);
  CHECK(bench.lost(0));
  CHECK(bench.lost(1));
  CHECK_FALSE(bench.lost(2));
  CHECK_FALSE(bench.lost(3));
  // And all, when all are old.
  RecoveryBench old;
  old.send(0, 4);
  old.advance(300ms);
  old.recovery.on_timeout(old.now);
  CHECK(old.lost_segments() == 4);
}

TEST_CASE("the first segment is lost at a timeout however young it is", "[tcp][RFC8985-6.3-1]") {
  RecoveryBench bench;
  bench.send(0, 4);
  bench.advance(1ms);
  bench.recovery.on_timeout(bench.now);
  CHECK(bench.lost(0));
  CHECK(bench.lost_segments() == 1);
}

TEST_CASE("the shortest round trip is that of late", "[tcp][RFC8985-6.2-1]") {
  tcp::RttEstimator rtt;
  TimePoint now{};
  rtt.on_sample(10ms, 1, now);
  CHECK(rtt.min_rtt() == Duration{10ms});
  for (int i = 0; i < 299; ++i) rtt.on_sample(50ms, 1, now += 1s);
  CHECK(rtt.min_rtt() == Duration{10ms});
  for (int i = 0; i < 302; ++i) rtt.on_sample(50ms, 1, now += 1s);
  CHECK(rtt.min_rtt() == Duration{50ms});
  rtt.on_sample(20ms, 1, now += 1s);
  CHECK(rtt.min_rtt() == Duration{20ms});
  rtt.on_sample(30ms, 1, now += 700s);  // nothing at all was measured for two windows
  CHECK(rtt.min_rtt() == Duration{30ms});
}

TEST_CASE("without SACK three duplicates decide, and time does not", "[tcp][RFC8985-4-1]") {
  RecoveryBench bench{false};
  bench.send(0, 10);
  bench.advance(40ms);
  CHECK(bench.ack(0, {{1, 10}}).lost == 0);  // blocks that nobody agreed on
  CHECK(bench.recovery.queue().sacked_bytes() == 0);
  CHECK(bench.ack(0).lost == 0);
  CHECK_FALSE(bench.recovery.reordering_deadline());
  CHECK_FALSE(bench.recovery.probe_deadline());
  const auto third = bench.ack(0);
  CHECK(third.entered);
  CHECK(third.lost == 1000);
  CHECK(bench.lost(0));
}

TEST_CASE("the log of transmissions does not grow with the connection", "[tcp]") {
  RecoveryBench bench;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    bench.send(i, i + 1);
    bench.advance(1ms);
    if (i >= 40) (void)bench.ack(i - 39);
    CHECK(bench.recovery.logged_transmissions() <= 42);
  }
}

TEST_CASE("a block that holds no whole segment tells of none", "[tcp][sack]") {
  // RFC 2018 section 5: segments that are wholly contained within a block.
  RecoveryBench bench;
  bench.send(0, 4);
  bench.advance(40ms);
  const auto sack = [&](tcp::SeqNum begin, tcp::SeqNum end) {
    auto report = bench.report(0);
    REQUIRE(report.sack.push_back({begin, end}));
    return bench.recovery.on_ack(report);
  };
  SECTION("the last octet of one") {
    CHECK(sack(bench.at(4) - 1U, bench.at(4)).sacked == 0);
    CHECK(bench.recovery.queue().sacked_bytes() == 0);
    CHECK(bench.recovery.state() == tcp::CaState::open);
  }
  SECTION("one that gave up some room for options") { CHECK(sack(bench.at(3), bench.at(4) - 36U).sacked == 964); }
  SECTION("a whole one") { CHECK(sack(bench.at(3), bench.at(4)).sacked == 1000); }
  SECTION("a small one") {
    bench.recovery.on_sent(bench.at(4), bench.at(4) + 1U, bench.now);
    CHECK(sack(bench.at(4), bench.at(4) + 1U).sacked == 1);
  }
}
