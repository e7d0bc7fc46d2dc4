#include <catch2/catch.hpp>

#include "mss.hpp"
#include "tcp/pacer.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::Pacer;

namespace {
TimePoint at(Duration time) { return TimePoint{} + time; }

/// Small exchanges that take `rtt`, until the estimate is near it.
void know_rtt(Conversation& talk, Duration rtt) {
  for (int i = 0; i < 30; ++i) {
    talk.write(stream(kMss));
    (void)talk.peer.hear();
    talk.advance(rtt);
    talk.peer.acknowledge();
  }
}
}  // namespace

TEST_CASE("segments leave at the distance that the rate gives", "[tcp][pacing]") {
  Pacer pacer;
  pacer.set_rate(1'000'000);
  CHECK(pacer.may_send(at(1s)));
  TimePoint now = at(1s);
  for (int i = 0; i < 5; ++i) pacer.on_sent(1000, now);  // 5 ms, of which one was owed
  CHECK_FALSE(pacer.may_send(now));
  CHECK(pacer.next() == at(1s) + 4ms);
  CHECK_FALSE(pacer.may_send(at(1s) + 4ms - 1ns));
  CHECK(pacer.may_send(at(1s) + 4ms));
  double sent = 0;
  for (; now < at(2s); now = std::max(pacer.next(), now)) {
    pacer.on_sent(1500, now);
    sent += 1500;
  }
  CHECK(sent == Approx(1'000'000).epsilon(0.01));
}

TEST_CASE("a late timer is made up for, silence is not", "[tcp][pacing]") {
  Pacer pacer;
  pacer.set_rate(1'000'000);
  pacer.on_sent(10'000, at(1s));
  pacer.on_sent(1000, at(1s) + 9ms + 600us);  // 600 us late
  CHECK(pacer.next() == at(1s) + 10ms);
  pacer.on_sent(1000, at(60s));
  pacer.on_sent(1000, at(60s));
  CHECK(pacer.next() == at(60s) + 1ms);
}

TEST_CASE("a rate that rises shortens a wait that has begun, one that falls does not lengthen it", "[tcp][pacing]") {
  Pacer pacer;
  pacer.set_rate(100);
  pacer.on_sent(1000, at(1s));
  CHECK(pacer.next() == at(11s) - Pacer::kQuantum);
  pacer.on_sent(500, at(2s));  // one that did not wait
  CHECK(pacer.next() == at(16s) - Pacer::kQuantum);
  pacer.set_rate(1000);
  CHECK(pacer.next() == at(1s) + 1500ms - Pacer::kQuantum);
  pacer.set_rate(10);
  CHECK(pacer.next() == at(16s) - Pacer::kQuantum);
  pacer.set_rate(1'000'000);
  pacer.on_sent(1000, at(20s));  // paid for by then: it counts alone
  CHECK(pacer.next() == at(20s) + 1ms - Pacer::kQuantum);
  pacer.set_rate(1);
  CHECK(pacer.may_send(at(20s)));
}

TEST_CASE("without a rate nothing waits, unless it is held", "[tcp][pacing]") {
  Pacer pacer;
  for (int i = 0; i < 100; ++i) pacer.on_sent(65'536, at(1s));
  CHECK(pacer.may_send(at(1s)));
  CHECK(pacer.quantum(kMss) == Pacer::kMostBytes);
  pacer.hold(at(2s));
  CHECK_FALSE(pacer.may_send(at(2s) - 1ns));
  CHECK(pacer.may_send(at(2s)));
}

TEST_CASE("one piece is what leaves in a millisecond, two segments to 64 KiB", "[tcp][pacing]") {
  Pacer pacer;
  pacer.set_rate(10'000'000);
  CHECK(pacer.quantum(kMss) == 10'000);
  pacer.set_rate(100'000);
  CHECK(pacer.quantum(kMss) == 2000);
  pacer.set_rate(10'000'000'000);
  CHECK(pacer.quantum(kMss) == 65'536);
  pacer.set_rate(0);
  CHECK(pacer.rate() == 1);
}

TEST_CASE("a connection with a highest rate keeps to it", "[tcp][pacing]") {
  Conversation talk{{.settings = {.max_pacing_rate = 100'000}, .peer_mss = kMss}};
  talk.write(stream(10 * kMss));
  // 100 kB/s: a segment each 10 ms.
  std::size_t heard = talk.peer.hear().size();
  CHECK(heard <= 2);
  for (int i = 0; i < 5; ++i) {
    talk.advance(10ms);
    const auto more = talk.peer.hear();
    CHECK(more.size() == 1);
    heard += more.size();
  }
  talk.advance(100ms);
  heard += talk.peer.hear().size();
  CHECK(heard == 10);
  CHECK(talk.info().timeouts == 0);
  Wire wire;
  CHECK(wire.tcp.connect({kPeerAddress, kPeerPort}, {.settings = {.max_pacing_rate = 0}}).error() == Error::invalid_argument);
}

TEST_CASE("a paced window is spread over the round trip", "[tcp][pacing][RFC7661-4-11]") {
  Conversation plain{{.peer_mss = kMss}};
  know_rtt(plain, 100ms);
  plain.write(stream(10 * kMss));
  CHECK(plain.peer.hear().size() == 10);

  Conversation paced{{.settings = {.pacing = true}, .peer_mss = kMss}};
  know_rtt(paced, 100ms);
  paced.advance(10s);  // idle: the restart is spread, too
  paced.write(stream(10 * kMss));
  std::size_t heard = paced.peer.hear().size();
  CHECK(heard <= 2);
  for (int i = 0; i < 20; ++i) {
    paced.advance(5ms);
    const auto more = paced.peer.hear().size();
    CHECK(more <= 2);
    heard += more;
  }
  CHECK(heard == 10);
}

TEST_CASE("retransmissions are paced, acknowledgments are not", "[tcp][pacing]") {
  Conversation talk{{.settings = {.max_pacing_rate = 10'000}, .peer_mss = kMss}};
  talk.write(stream(kMss));
  REQUIRE(talk.peer.hear().size() == 1);
  REQUIRE(talk.peer.say({.payload = "question"}));
  REQUIRE(talk.peer.say({.payload = "question"}));
  talk.advance(40ms);
  CHECK(talk.peer.hear_one().pure_ack());  // although a segment has 100 ms to wait
}

TEST_CASE("a user timeout does not count while the pace keeps back what is left", "[tcp][pacing]") {
  Conversation talk{{.settings = {.user_timeout = 5s, .max_pacing_rate = kMss / 10}, .peer_mss = kMss}};
  talk.write(stream(6 * kMss));
  std::size_t heard = 0;
  for (int i = 0; i < 100; ++i) {
    heard += talk.peer.hear().size();
    if (heard < 6) talk.peer.acknowledge();
    talk.advance(1s);
  }
  CHECK(heard >= 6);
  CHECK(talk.app.closed == 1);  // the last one is not acknowledged
  CHECK(talk.app.error == Error::timed_out);
}

TEST_CASE("as fq: a burst at first, and half of a segment's time is made up for", "[tcp][pacing]") {
  Pacer pacer{3000};
  pacer.set_rate(100'000);
  for (int i = 0; i < 3; ++i) {
    CHECK(pacer.may_send(at(1s)));
    pacer.on_sent(1000, at(1s));
  }
  pacer.on_sent(1000, at(2s));  // 10 ms, 5 of them long past
  CHECK(pacer.next() == at(2s) + 5ms);
  pacer.on_sent(1000, at(2s) + 5ms);  // in time
  CHECK(pacer.next() == at(2s) + 15ms);
  pacer.on_sent(1000, at(2s) + 17ms);  // 2 ms late
  CHECK(pacer.next() == at(2s) + 25ms);
}

TEST_CASE("what waits for its pace keeps no acknowledgment back", "[tcp][RFC9293-MUST-58]") {
  Conversation talk{{.settings = {.nagle = false, .max_pacing_rate = 1000}, .peer_mss = kMss}};
  talk.write(std::string(1000, 'a'));
  REQUIRE(talk.peer.hear_one().payload.size() == 1000);  // the next one in a second
  talk.write(std::string(100, 'b'));
  talk.advance(10ms);
  REQUIRE(talk.peer.quiet());
  REQUIRE(talk.peer.say({.payload = stream(1460)}));
  REQUIRE(talk.peer.say({.payload = stream(1460)}));
  CHECK(talk.peer.hear_one().pure_ack());
  talk.advance(1s);
  CHECK(talk.peer.hear_one().payload.size() == 100);
}
