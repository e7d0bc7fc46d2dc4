#include <catch2/catch.hpp>

#include "ecn_wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::EcnMode;

TEST_CASE("an echo halves the window, and nothing is sent again", "[tcp][ecn][RFC3168-6.1.2-2][RFC3168-6.1.2-3][RFC3168-5-1]") {
  EcnFlight talk;
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[0].end()}));
  CHECK(talk.info().cwnd == 5 * kMss);
  CHECK(talk.info().ssthresh == 5 * kMss);
  CHECK(talk.peer.quiet());
  CHECK(talk.info().retransmissions == 0);
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().delivered_ce_segments == 1);
  EcnFlight loss;  // the same flight, a loss instead
  for (int i = 0; i < 3; ++i) REQUIRE(loss.peer.say({.ack = loss.first[0].seq}));
  CHECK(loss.info().ssthresh == 5 * kMss);
  CHECK(loss.info().delivered_ce_segments == 0);

  EcnFlight cubic{{.config = {.congestion_control = "cubic", .ecn = EcnMode::on}}};
  REQUIRE(cubic.peer.say({.flags = kAck | Flags::ece, .ack = cubic.first[0].end()}));
  CHECK(cubic.info().cwnd == 7 * kMss);
  CHECK(cubic.info().ssthresh == 7 * kMss);
}

TEST_CASE("one window of data is answered once", "[tcp][ecn][RFC3168-6.1.2-4][RFC3168-6.1.2-3]") {
  EcnFlight talk;
  std::uint32_t cwnd = talk.info().cwnd;
  for (std::size_t i = 0; i < 10; ++i) {
    REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[i].end()}));
    CHECK(talk.info().cwnd <= cwnd);
    cwnd = talk.info().cwnd;
  }
  CHECK(cwnd == 5 * kMss);
  const auto next = talk.peer.hear();
  REQUIRE(next.size() == 5);
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = next[0].end()}));  // of the next window
  CHECK(talk.info().cwnd == 2500);
}

TEST_CASE("the first new segment after a reduction says so", "[tcp][ecn][RFC3168-6.1.2-6]") {
  EcnFlight talk;
  for (const auto& heard : talk.first) CHECK_FALSE(heard.has(Flags::cwr));
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[9].end()}));
  const auto next = talk.peer.hear();
  REQUIRE(next.size() == 5);
  CHECK(next[0].has(Flags::cwr));
  CHECK(ecn(next[0]) == kEct0);
  for (std::size_t i = 1; i < next.size(); ++i) CHECK_FALSE(next[i].has(Flags::cwr));
  REQUIRE(talk.peer.say({.ack = next[4].end()}));
  const auto later = talk.peer.hear();
  CHECK_FALSE(later.empty());
  for (const auto& heard : later) CHECK_FALSE(heard.has(Flags::cwr));
}

TEST_CASE("a super-segment does not spread the word of a reduction", "[tcp][ecn][RFC3168-6.1.2-6]") {
  EcnOptions options;
  options.config.split_below = true;
  EcnWire wire{options};
  wire.open_with();
  wire.write(100'000);
  const auto first = wire.peer.hear();
  REQUIRE(first.size() < 10);
  REQUIRE(wire.peer.say({.flags = kAck | Flags::ece}));
  const auto next = wire.peer.hear();
  REQUIRE(next.size() >= 2);
  CHECK(next[0].has(Flags::cwr));
  CHECK(next[0].payload.size() == kMss);
  CHECK_FALSE(next[1].has(Flags::cwr));
}

TEST_CASE("a loss is told of by CWR, too, and not by what is sent again", "[tcp][ecn][RFC3168-6.1.2-7][RFC3168-6.1.5-1][RFC3168-6.1.1-5]") {
  EcnFlight talk;
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[9].end()}));
  const auto next = talk.peer.hear();
  REQUIRE(next.size() == 5);
  REQUIRE(next[0].has(Flags::cwr));
  // It is lost.
  for (int i = 0; i < 3; ++i) REQUIRE(talk.peer.say({.ack = next[0].seq}));
  const auto again = talk.peer.hear();
  REQUIRE_FALSE(again.empty());
  REQUIRE(again[0].seq == next[0].seq);
  CHECK_FALSE(again[0].has(Flags::cwr));
  CHECK(ecn(again[0]) == 0);
  REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
  const auto fresh = talk.peer.hear();
  REQUIRE_FALSE(fresh.empty());
  CHECK(ecn(fresh.back()) == kEct0);

  EcnFlight timeout;
  timeout.advance(1s);
  const auto resent = timeout.peer.hear_one();
  CHECK(resent.seq == timeout.first[0].seq);
  CHECK(ecn(resent) == 0);
  CHECK_FALSE(resent.has(Flags::cwr));
}

TEST_CASE("CWR tells of every reduction, once and with new data, whatever leaves without ECT meanwhile", "[tcp][ecn][RFC3168-6.1.1-5]") {
  EcnFlight talk;
  SeqNum highest = talk.first.back().end();
  bool due = false;
  const auto look = [&] {
    for (const auto& heard : talk.peer.hear()) {
      const bool fresh = !heard.payload.empty() && heard.seq >= highest;
      CHECK(ecn(heard) == (fresh ? kEct0 : 0));
      CHECK(heard.has(Flags::cwr) == (fresh && due));
      if (!fresh) continue;
      due = false;
      highest = heard.end();
    }
  };
  const auto acknowledged = [&](Flags flags = kAck) {
    REQUIRE(talk.peer.say({.flags = flags, .ack = highest}));
    look();
  };
  const auto marked = [&] {
    due = true;
    acknowledged(kAck | Flags::ece);
    CHECK_FALSE(due);
    acknowledged();
  };
  marked();
  // A loss: the retransmission is not ECN-capable.
  const SeqNum una = talk.info().snd_una;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(talk.peer.say({.ack = una}));
    look();
  }
  due = true;
  REQUIRE(talk.peer.say({.ack = una}));
  look();
  REQUIRE(talk.info().fast_retransmits == 1);
  acknowledged();
  CHECK_FALSE(due);
  acknowledged();
  // A timeout, after which all that is outstanding goes again.
  due = true;
  talk.advance(1s);
  REQUIRE(talk.info().timeouts == 1);
  look();
  CHECK(due);
  acknowledged();
  CHECK_FALSE(due);
  // The stack has no use for ECN any more: that is for connections to come.
  auto config = talk.options.config;
  config.ecn = EcnMode::off;
  talk.tcp.set_config(config);
  marked();
  acknowledged();
}

TEST_CASE("a window of one segment waits for the timer", "[tcp][ecn][RFC3168-6.1.2-5][RFC9438-4.6-5]") {
  for (const char* algorithm : {"newreno", "cubic"}) {
    EcnOptions options;
    options.config.congestion_control = algorithm;
    options.config.initial_window_segments = 1;
    EcnWire wire{options};
    wire.open_with();
    wire.write(100'000);
    const auto first = wire.peer.hear_one();
    REQUIRE(wire.info().cwnd == kMss);
    wire.advance(100ms);
    REQUIRE(wire.peer.say({.flags = kAck | Flags::ece, .ack = first.end()}));
    CHECK(wire.info().cwnd == kMss);
    const Duration rto = wire.info().rto;
    CHECK(rto >= 1s);
    wire.advance(rto - 110ms);
    CHECK(wire.peer.quiet());
    wire.advance(200ms);
    const auto next = wire.peer.hear_one();
    CHECK(next.seq == first.end());
    CHECK(next.has(Flags::cwr));
  }
}

TEST_CASE("a mark outside the window is ignored", "[tcp][ecn][RFC3168-6.1.5-2]") {
  EcnWire wire;
  wire.open_with();
  CHECK_FALSE(wire.say({.seq = wire.peer.nxt - 2000U, .payload = stream(kMss)}, kCe));
  CHECK(wire.peer.hear_one().pure_ack());
  CHECK_FALSE(wire.say({.seq = wire.peer.nxt + 70'000U, .payload = stream(kMss)}, kCe));
  CHECK(wire.peer.hear_one().pure_ack());
  REQUIRE(wire.say({.seq = wire.peer.nxt + 1000U, .payload = stream(kMss)}, kCe));  // within it, although not in order
  CHECK(wire.peer.hear_one().flags == (kAck | Flags::ece));
}

TEST_CASE("window probes carry neither ECT nor CWR", "[tcp][ecn][RFC3168-6.1.6-1]") {
  EcnFlight talk;
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .window = std::uint16_t{0}}));
  CHECK(talk.peer.quiet());
  talk.advance(talk.info().rto + 100ms);
  const auto probe = talk.peer.hear_one();
  REQUIRE(probe.payload.size() == 1);
  CHECK(ecn(probe) == 0);
  CHECK_FALSE(probe.has(Flags::cwr));
}

TEST_CASE("a mark on a window probe counts", "[tcp][ecn][RFC3168-6.1.6-2]") {
  EcnOptions options;
  options.settings.receive_buffer = kMss;
  EcnWire wire{options};
  wire.open_with();
  REQUIRE(wire.say({.payload = stream(kMss)}, kEct0));
  wire.advance(500ms);
  REQUIRE(wire.peer.hear_one().window == 0);
  (void)wire.say({.seq = wire.peer.nxt, .payload = "x"}, kCe);
  CHECK(wire.peer.hear_one().flags == (kAck | Flags::ece));
}

TEST_CASE("an answer to marks shows as the state CWR, until what was sent after it is acknowledged", "[tcp][ecn][RFC9293-SHLD-8]") {
  EcnFlight talk;
  CHECK(talk.info().ecn);
  CHECK(talk.info().ca_state == tcp::CaState::open);
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[0].end()}));
  CHECK(talk.info().ca_state == tcp::CaState::cwr);
  CHECK(talk.info().cwnd == 5 * kMss);
  REQUIRE(talk.peer.say({.ack = talk.first[9].end()}));
  CHECK(talk.info().ca_state == tcp::CaState::cwr);
  const auto next = talk.peer.hear();
  REQUIRE(next.size() > 1);
  CHECK(next[0].has(Flags::cwr));
  REQUIRE(talk.peer.say({.ack = next[0].end()}));
  CHECK(talk.info().ca_state == tcp::CaState::open);
  EcnFlight loss;  // which is a recovery
  for (int i = 0; i < 3; ++i) REQUIRE(loss.peer.say({.ack = loss.first[0].seq}));
  CHECK(loss.info().ca_state == tcp::CaState::recovery);
}

TEST_CASE("a reduction spread over a round trip, where Linux' way is asked for", "[tcp][ecn]") {
  // With the rules of RFC 9937: what is delivered may be replaced while less is in flight than the goal, the goal itself comes at the end.
  EcnFlight talk{{.config = {.congestion_control = "cubic", .gradual_ecn = true, .ecn = EcnMode::on}}};
  const std::size_t sent = talk.first.size();
  REQUIRE(talk.peer.say({.flags = kAck | Flags::ece, .ack = talk.first[6].end()}));  // three are left in the network
  CHECK(talk.info().ssthresh == 7 * kMss);
  CHECK(talk.info().ca_state == tcp::CaState::cwr);
  CHECK(talk.info().cwnd == 7 * kMss);  // three and what was delivered, the goal at most
  REQUIRE(talk.peer.say({.ack = talk.first[sent - 1].end()}));
  CHECK(talk.info().cwnd == 7 * kMss);

  EcnFlight one{{.config = {.congestion_control = "cubic", .gradual_ecn = true, .ecn = EcnMode::on}}};
  REQUIRE(one.peer.say({.flags = kAck | Flags::ece, .ack = one.first[0].end()}));
  CHECK(one.info().cwnd ==
        9 * kMss + kMss * 7 / 10);  // nine in the network, and of the one that was delivered as much as the goal is of the window
  for (std::size_t i = 1; i < 9; ++i) {
    REQUIRE(one.peer.say({.flags = kAck | Flags::ece, .ack = one.first[i].end()}));
    CHECK(one.info().cwnd >= 7 * kMss);
    CHECK(one.info().cwnd <= 10 * kMss);
  }
  REQUIRE(one.peer.say({.ack = one.first[9].end()}));
  CHECK(one.info().cwnd == 7 * kMss);
}
