#include <catch2/catch.hpp>

#include "mss.hpp"
#include "tcp/new_reno.hpp"
#include "tcp/prr.hpp"

using namespace tapir;
using tapir::test::kMss;
using tcp::Prr;

namespace {
/// A NewReno flow with a window of 20 segments that finds a loss by SACK: the three segments behind the first have arrived.
struct Recovering {
  Recovering() : reno{{.mss = kMss, .initial_ssthresh = 20 * kMss, .cwnd = 20 * kMss}} {
    reno.on_loss({.flight_size = 20 * kMss, .cause = tcp::Congestion::loss, .in_flight = 16 * kMss, .recover_fs = 20 * kMss});
  }
  /// One more segment was selectively acknowledged.
  void sacked() {
    in_flight -= kMss;
    reno.on_ack({.delivered_bytes = kMss, .flight_size = 20 * kMss, .in_flight = in_flight, .in_recovery = true});
  }
  /// Sends what the window allows; segments.
  std::uint32_t send() {
    std::uint32_t count = 0;
    for (; in_flight + kMss <= reno.cwnd(); ++count) {
      reno.on_sent({.bytes = kMss, .in_flight = in_flight, .retransmission = count == 0});
      in_flight += kMss;
    }
    return count;
  }
  tcp::NewReno reno;
  std::uint32_t in_flight = 16 * kMss;
};
}  // namespace

TEST_CASE("PRR starts with nothing delivered and nothing sent", "[tcp][prr][RFC6937-3-1]") {
  Prr prr;
  CHECK_FALSE(prr.active());
  prr.begin(10 * kMss, 20 * kMss);
  (void)prr.on_ack(5 * kMss, 30 * kMss, false, kMss);
  prr.on_sent(kMss);
  prr.begin(7 * kMss, 14 * kMss);
  CHECK(prr.active());
  CHECK(prr.delivered() == 0);
  CHECK(prr.out() == 0);
  CHECK(prr.recover_fs() == 14 * kMss);
}

TEST_CASE("PRR adds up what is delivered and what is sent", "[tcp][prr][RFC6937-3-2][RFC6937-3-6]") {
  Prr prr;
  prr.begin(10 * kMss, 20 * kMss);
  for (const std::uint32_t bytes : {1000U, 3000U, 500U}) (void)prr.on_ack(bytes, 15 * kMss, false, kMss);
  CHECK(prr.delivered() == 4500);
  for (const std::uint32_t bytes : {1000U, 700U}) prr.on_sent(bytes);
  CHECK(prr.out() == 1700);
}

TEST_CASE("above the goal PRR sends in proportion to what is delivered", "[tcp][prr][RFC6937-3-3]") {
  Prr prr;
  prr.begin(10 * kMss, 20 * kMss);
  // CEIL(prr_delivered * ssthresh / RecoverFS) - prr_out, by hand: half of what is delivered.
  CHECK(prr.on_ack(kMss, 19 * kMss, true, kMss) == 500);
  prr.on_sent(kMss);
  CHECK(prr.on_ack(kMss, 18 * kMss, true, kMss) == 0);
  CHECK(prr.on_ack(kMss, 17 * kMss, true, kMss) == 500);
  CHECK(prr.on_ack(kMss, 16 * kMss, true, kMss) == 1000);
  CHECK(prr.on_ack(1, 16 * kMss, true, kMss) == 1001);  // rounded up: 4001 / 2 = 2000.5

  Prr cubic;  // beta 0.7
  cubic.begin(7 * kMss, 10 * kMss);
  CHECK(cubic.on_ack(3 * kMss, 8 * kMss, true, kMss) == 2100);
}

TEST_CASE("below the goal PRR is conservative unless an ACK is safe", "[tcp][prr][RFC6937-3-4][RFC6937-3-5]") {
  Prr prr;
  prr.begin(10 * kMss, 20 * kMss);
  CHECK(prr.on_ack(3 * kMss, 2 * kMss, false, kMss) == 3 * kMss);  // prr_delivered - prr_out
  prr.on_sent(3 * kMss);
  CHECK(prr.on_ack(kMss, 4 * kMss, false, kMss) == kMss);
  prr.on_sent(2 * kMss);                                           // more than was delivered
  CHECK(prr.on_ack(kMss, 5 * kMss, false, kMss) == kMss);          // at least DeliveredData
  CHECK(prr.on_ack(kMss, 5 * kMss, true, kMss) == 2 * kMss);       // SafeACK: a segment more
  CHECK(prr.on_ack(5 * kMss, 9 * kMss + 400, true, kMss) == 600);  // no further than ssthresh
  CHECK(prr.on_ack(kMss, 10 * kMss, true, kMss) == 0);             // there
}

TEST_CASE("PRR lets the fast retransmit out", "[tcp][prr]") {
  Prr prr;
  prr.begin(2 * kMss, 100 * kMss);
  CHECK(prr.on_ack(0, 2 * kMss, false, kMss) == kMss);
  prr.on_sent(kMss);
  CHECK(prr.on_ack(0, 2 * kMss, false, kMss) == 0);  // once
}

TEST_CASE("in recovery the window is the flight and what PRR adds", "[tcp][prr][RFC6937-3-8][RFC6937-3-7][RFC9438-4.6-1]") {
  Recovering flow;
  CHECK(flow.reno.ssthresh() == 10 * kMss);
  CHECK(flow.reno.cwnd() == 17 * kMss);  // the fast retransmit
  flow.reno.on_ack({.delivered_bytes = 3 * kMss, .flight_size = 20 * kMss, .in_flight = 16 * kMss, .in_recovery = true});
  CHECK(flow.reno.cwnd() == 16 * kMss + 1500);  // 3 delivered, half of that
  std::uint32_t sent = flow.send();
  CHECK(sent == 1);
  for (int i = 0; i < 16; ++i) {
    flow.sacked();
    sent += flow.send();
  }
  // 19 of 20 were delivered and ten were sent instead: the flight has come down to the goal.
  CHECK(sent == 10);
  CHECK(flow.in_flight == 10 * kMss);
  CHECK(flow.reno.cwnd() == 10 * kMss);
  flow.reno.on_recovered({.acked_bytes = 20 * kMss, .flight_size = 9 * kMss});
  CHECK(flow.reno.cwnd() == 10 * kMss);
}

TEST_CASE("after heavy loss the window does not grow beyond the goal in recovery", "[tcp][prr][RFC6937-3-7]") {
  Recovering flow;
  flow.in_flight = 2 * kMss;  // the rest is lost
  for (int i = 0; i < 30; ++i) {
    if (flow.in_flight == 0) break;
    flow.in_flight -= kMss;
    flow.reno.on_ack(
        {.acked_bytes = kMss, .delivered_bytes = kMss, .flight_size = 20 * kMss, .in_flight = flow.in_flight, .in_recovery = true});
    const std::uint32_t sent = flow.send();
    CHECK(sent <= 3);  // delivered, a segment of slow start, and what was left over
    CHECK(flow.reno.cwnd() <= 10 * kMss);
  }
  CHECK(flow.in_flight == 10 * kMss);
}
