#include <catch2/catch.hpp>

#include <vector>

#include "mss.hpp"
#include "tcp/cubic.hpp"
#include "tcp/hystart.hpp"
#include "tcp/new_reno.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tapir::test::kMss;
using tcp::Hystart;
using tcp::SeqNum;

namespace {
/// Rounds of so many acknowledgments each, all with the same delay.
struct Rounds {
  void round(Duration rtt, int acks = 8) {
    const SeqNum last = window_end;
    for (int i = 0; i < acks; ++i) {
      una = i + 1 == acks ? last : una + 1U;
      hystart.on_ack(una, nxt, rtt);
      window_end = nxt;
      nxt += kMss;
    }
  }
  Hystart hystart{};
  SeqNum una{0xffff'fff0U};  // numbers wrap
  SeqNum nxt = una + 8000U;
  SeqNum window_end = nxt;
};

/// A flow in slow start with `acks` acknowledgments a round.
template <class Algorithm>
struct Flow {
  explicit Flow(const tcp::CongestionParameters& parameters = {.mss = kMss}) : control{parameters} { control.on_established(0); }
  void round(Duration rtt, int acks = 10) {
    const SeqNum last = window_end;
    for (int i = 0; i < acks; ++i) {
      una = i + 1 == acks ? last : una + 1U;
      control.on_ack({.now = now, .acked_bytes = kMss, .snd_una = una, .snd_nxt = nxt, .rtt = rtt});
      window_end = nxt;
      nxt += kMss;
    }
    now += rtt;
  }
  Algorithm control;
  SeqNum una{1};
  SeqNum nxt{10'001};
  SeqNum window_end = nxt;
  TimePoint now{};
};
}  // namespace

TEST_CASE("HyStart++ has the constants of RFC 9406", "[tcp][hystart][RFC9406-4.3-1]") {
  constexpr Hystart::Config config;
  STATIC_REQUIRE(config.min_rtt_threshold == 4ms);
  STATIC_REQUIRE(config.max_rtt_threshold == 16ms);
  STATIC_REQUIRE(config.min_rtt_divisor == 8);
  STATIC_REQUIRE(config.samples == 8);
  STATIC_REQUIRE(config.growth_divisor == 4);
  STATIC_REQUIRE(config.css_rounds == 5);
}

TEST_CASE("a growth divisor below 2 is refused", "[tcp][hystart][RFC9406-4.3-2]") {
  CHECK(Hystart{{.growth_divisor = 1}}.config().growth_divisor == 2);
  CHECK(Hystart{{.growth_divisor = 0}}.config().growth_divisor == 2);
  CHECK(Hystart{{.growth_divisor = 3}}.config().growth_divisor == 3);
}

TEST_CASE("a round is over when what was outstanding at its start is acknowledged", "[tcp][hystart][RFC9406-4.2-1]") {
  Hystart hystart;
  hystart.on_ack(SeqNum{1000}, SeqNum{5000}, 10ms);
  hystart.on_ack(SeqNum{4999}, SeqNum{9000}, 10ms);
  CHECK(hystart.rounds() == 0);
  hystart.on_ack(SeqNum{5000}, SeqNum{9500}, 10ms);
  CHECK(hystart.rounds() == 1);
  hystart.on_ack(SeqNum{9499}, SeqNum{20'000}, 10ms);
  CHECK(hystart.rounds() == 1);
  hystart.on_ack(SeqNum{9600}, SeqNum{20'000}, 10ms);
  CHECK(hystart.rounds() == 2);
}

TEST_CASE("the threshold is an eighth of the delay, 4 to 16 ms", "[tcp][hystart][RFC9406-4.2-4][RFC9406-4.2-5]") {
  struct Case {
    Duration last, threshold;
  };
  for (const auto& [last, threshold] : {Case{8ms, 4ms}, {32ms, 4ms}, {80ms, 10ms}, {128ms, 16ms}, {800ms, 16ms}}) {
    Rounds below;
    below.round(last);
    below.round(last + threshold - 1us);
    CHECK(below.hystart.phase() == Hystart::Phase::slow_start);
    Rounds at;
    at.round(last);
    at.round(last + threshold);
    CHECK(at.hystart.phase() == Hystart::Phase::conservative);
  }
}

TEST_CASE("eight samples of a round are needed, and its own only count", "[tcp][hystart][RFC9406-4.2-2][RFC9406-4.2-4]") {
  Rounds few;
  few.round(80ms);
  few.round(100ms, 7);
  CHECK(few.hystart.phase() == Hystart::Phase::slow_start);
  few.round(100ms, 7);  // 7 and 7 are two rounds; now the last one's minimum is 100 ms, too
  few.round(100ms, 8);
  CHECK(few.hystart.phase() == Hystart::Phase::slow_start);
  few.round(113ms, 8);
  CHECK(few.hystart.phase() == Hystart::Phase::conservative);

  Rounds one_low;  // the minimum counts
  one_low.round(80ms);
  one_low.hystart.on_ack(one_low.una, one_low.nxt, 80ms);
  one_low.round(100ms);
  CHECK(one_low.hystart.phase() == Hystart::Phase::slow_start);

  Rounds without_last;  // the first round has nothing to compare with
  without_last.round(100ms, 50);
  CHECK(without_last.hystart.phase() == Hystart::Phase::slow_start);
}

TEST_CASE("conservative slow start lasts five rounds, the one it begins in counted", "[tcp][hystart][RFC9406-4.2-8]") {
  Rounds rounds;
  rounds.round(80ms);
  for (int i = 0; i < 5; ++i) {
    CHECK(rounds.hystart.phase() != Hystart::Phase::over);
    rounds.round(100ms);
  }
  CHECK(rounds.hystart.phase() == Hystart::Phase::over);
}

TEST_CASE("a delay below the baseline brings slow start back", "[tcp][hystart][RFC9406-4.2-7]") {
  Rounds rounds;
  rounds.round(80ms);
  rounds.round(100ms);
  REQUIRE(rounds.hystart.phase() == Hystart::Phase::conservative);
  rounds.round(100ms);
  CHECK(rounds.hystart.phase() == Hystart::Phase::conservative);
  rounds.round(99ms);
  CHECK(rounds.hystart.phase() == Hystart::Phase::slow_start);
  CHECK(rounds.hystart.growth(1000) == 1000);
  rounds.round(112ms);  // 99 + 99/8 = 111.4: it can begin again
  CHECK(rounds.hystart.phase() == Hystart::Phase::conservative);
}

TEST_CASE("conservative slow start grows by a quarter", "[tcp][hystart][RFC9406-4.2-6]") {
  Flow<tcp::Cubic> flow;
  flow.round(80ms);
  CHECK(flow.control.cwnd() == 20 * kMss);
  flow.round(80ms, 20);
  CHECK(flow.control.cwnd() == 40 * kMss);
  flow.round(100ms, 8);  // the eighth sample decides, before it grows
  CHECK(flow.control.cwnd() == 40 * kMss + 7 * kMss + kMss / 4);
  const auto before = flow.control.cwnd();
  flow.round(100ms, 40);
  CHECK(flow.control.cwnd() == before + 40 * kMss / 4);
}

TEST_CASE("when the delay stays high, slow start ends without a loss", "[tcp][hystart][RFC9406-4.2-8][RFC9438-4.10-2]") {
  Flow<tcp::Cubic> flow;
  flow.round(80ms);
  for (int i = 0; i < 5; ++i) {
    CHECK(flow.control.in_slow_start());
    flow.round(100ms);
  }
  CHECK_FALSE(flow.control.in_slow_start());
  // The last acknowledgment belongs to congestion avoidance already.
  CHECK(flow.control.ssthresh() <= flow.control.cwnd());
  CHECK(flow.control.cwnd() < flow.control.ssthresh() + kMss);
}

TEST_CASE("slow start grows by L segments at most for one ACK", "[tcp][hystart][RFC9406-4.2-3]") {
  tcp::Cubic cubic{{.mss = kMss}};
  cubic.on_ack({.acked_bytes = 10 * kMss});
  CHECK(cubic.cwnd() == 18 * kMss);
  cubic.on_ack({.acked_bytes = 3 * kMss});
  CHECK(cubic.cwnd() == 21 * kMss);
  tcp::Cubic paced{{.mss = kMss, .paced = true}};  // no limit: pacing spreads it
  paced.on_ack({.acked_bytes = 10 * kMss});
  CHECK(paced.cwnd() == 20 * kMss);
  tcp::Cubic chosen{{.mss = kMss, .slow_start_limit = 2}};
  chosen.on_ack({.acked_bytes = 10 * kMss});
  CHECK(chosen.cwnd() == 12 * kMss);
}

TEST_CASE("a loss or a mark ends slow start", "[tcp][hystart][RFC9406-4.2-9]") {
  for (const auto cause : {tcp::Congestion::loss, tcp::Congestion::ecn, tcp::Congestion::duplicate_acks}) {
    for (const bool conservative : {false, true}) {
      Flow<tcp::Cubic> flow;
      flow.round(80ms);
      if (conservative) flow.round(100ms);
      flow.control.on_loss({.flight_size = 20 * kMss, .cause = cause, .in_flight = 16 * kMss});
      if (cause != tcp::Congestion::ecn) flow.control.on_recovered({.acked_bytes = 20 * kMss, .flight_size = 14 * kMss});
      CHECK(flow.control.ssthresh() == 14 * kMss);
      CHECK_FALSE(flow.control.in_slow_start());
    }
  }
}

TEST_CASE("only the first slow start is watched", "[tcp][hystart][RFC9406-4.3-3]") {
  Flow<tcp::Cubic> flow{{.mss = kMss}};
  for (int i = 0; i < 3; ++i) flow.round(80ms, 50);
  flow.control.on_rto({.now = flow.now, .flight_size = 100 * kMss});
  REQUIRE(flow.control.ssthresh() == 70 * kMss);
  flow.round(80ms, 20);
  flow.round(200ms, 20);
  flow.round(200ms, 20);
  CHECK(flow.control.cwnd() == 61 * kMss);  // one segment an ACK, whatever the delay
}

TEST_CASE("HyStart++ can be switched off, and NewReno has none", "[tcp][hystart]") {
  Flow<tcp::Cubic> off{{.mss = kMss, .hystart = false}};
  Flow<tcp::NewReno> reno;
  for (int i = 0; i < 10; ++i) {
    off.round(i == 0 ? 80ms : 200ms);
    reno.round(i == 0 ? 80ms : 200ms);
  }
  CHECK(off.control.cwnd() == 110 * kMss);
  CHECK(reno.control.cwnd() == 110 * kMss);
}
