#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A connection whose handshake took `rtt`.
void establish(Conversation& talk, Duration rtt) {
  talk.advance(rtt);
  REQUIRE(talk.peer.say({.flags = kSynAck, .options = mss_option(1000)}));
  REQUIRE(talk.peer.hear_one().pure_ack());
}
}  // namespace

TEST_CASE("before any sample the timeout is a second", "[tcp][RFC6298-2-1]") {
  Conversation talk{{}, State::syn_sent};
  talk.advance(999ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.peer.hear_one().flags == kSyn);
}

TEST_CASE("the timeout follows the samples, and a retransmission gives none", "[tcp][RFC9293-MUST-18][RFC6298-2-2][RFC6298-3-1]") {
  Conversation talk{{}, State::syn_sent};
  establish(talk, 800ms);
  CHECK(talk.info().srtt == Duration{800ms});
  CHECK(talk.info().rttvar == Duration{400ms});
  CHECK(talk.info().rto == 2400ms);
  talk.write("lost");
  const auto sent = talk.peer.hear_one();
  talk.advance(2399ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.peer.hear_one().seq == sent.seq);
  talk.advance(50ms);
  talk.peer.acknowledge();
  CHECK(talk.info().srtt == Duration{800ms});
  CHECK(talk.info().rttvar == Duration{400ms});
  // The next segment, sent once, gives one.
  talk.write("arrives");
  (void)talk.peer.hear_one();
  talk.advance(400ms);
  talk.peer.acknowledge();
  CHECK(talk.info().srtt == Duration{750ms});
  CHECK(talk.info().rttvar == Duration{400ms});
  CHECK(talk.info().rto == 2350ms);
}

TEST_CASE("the floor is a second, or the one configured", "[tcp][RFC6298-2-6]") {
  for (const auto& [floor, expected] : {std::pair{Duration{1s}, Duration{1s}}, {Duration{200ms}, Duration{200ms}}}) {
    Conversation talk{{.config = {.min_rto = floor}}, State::syn_sent};
    establish(talk, 10ms);
    for (int i = 0; i < 20; ++i) {
      talk.write("x");
      (void)talk.peer.hear_one();
      talk.advance(10ms);
      talk.peer.acknowledge();
    }
    talk.write("lost");
    (void)talk.peer.hear_one();
    talk.advance(expected - 1ms);
    CHECK(talk.peer.quiet());
    talk.advance(1ms);
    CHECK_FALSE(talk.peer.quiet());
  }
}

TEST_CASE("every round trip gives a sample", "[tcp][RFC6298-3-2]") {
  Conversation talk{{.settings = {.send_buffer = 2'000'000}}, State::syn_sent};
  establish(talk, 100ms);
  talk.write(stream(2'000'000));
  auto last = talk.info().srtt;
  for (int i = 1; i <= 20; ++i) {
    (void)talk.peer.hear();
    talk.advance(100ms + i * 10ms);
    (void)talk.peer.hear();
    talk.peer.acknowledge();
    CHECK(talk.info().srtt > last);
    last = talk.info().srtt;
  }
}

TEST_CASE("the timer never fires early", "[tcp][RFC6298-1-1][RFC6298-5-1]") {
  sim::SeededRandom random{6};
  for (int run = 0; run < 10; ++run) {
    Conversation talk{{.settings = {.nagle = false, .user_timeout = 1h}}, State::syn_sent};
    establish(talk, 1ms * random.below(900));
    int retransmissions = 0;
    for (int i = 0; i < 30; ++i) {
      talk.write(stream(200));
      auto sent_at = talk.lab.scheduler.now();
      const SeqNum seq = talk.peer.hear_one().seq;
      const Duration rtt = 1ms * random.below(700);
      int losses = random.below(4) == 0 ? 1 + static_cast<int>(random.below(3)) : 0;
      for (; losses > 0; --losses) {
        talk.advance(talk.info().rto - 1ns - (talk.lab.scheduler.now() - sent_at));
        REQUIRE(talk.peer.quiet());
        talk.advance(1ns);
        REQUIRE(talk.peer.hear_one().seq == seq);
        sent_at = talk.lab.scheduler.now();
        ++retransmissions;
      }
      talk.advance(std::min(rtt, talk.info().rto - 1ms));
      (void)talk.peer.hear();
      talk.peer.acknowledge();
      REQUIRE(talk.info().in_flight == 0);
    }
    CHECK(retransmissions > 0);
  }
}

TEST_CASE("sending starts the timer, a second segment does not postpone it", "[tcp][RFC6298-5-2]") {
  Conversation talk{{.settings = {.nagle = false}}};
  talk.advance(10s);
  talk.write("first");
  const auto first = talk.peer.hear_one();
  talk.advance(600ms);
  talk.write("second");
  (void)talk.peer.hear_one();
  talk.advance(399ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.peer.hear_one().seq == first.seq);
}

TEST_CASE("the timer stops when everything is acknowledged", "[tcp][RFC6298-5-3]") {
  Conversation talk;
  talk.write("data");
  (void)talk.peer.hear_one();
  talk.advance(900ms);
  talk.peer.acknowledge();
  talk.advance(20s);
  CHECK(talk.peer.quiet());
  CHECK(talk.info().timeouts == 0);
}

TEST_CASE("an acknowledgment of new data restarts the timer", "[tcp][RFC6298-5-4]") {
  Conversation talk;
  talk.write(stream(2920));
  const auto sent = talk.peer.hear();
  REQUIRE(sent.size() == 2);
  talk.advance(600ms);
  REQUIRE(talk.peer.say({.ack = sent[0].end()}));
  const Duration rto = talk.info().rto;
  talk.advance(rto - 1ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.peer.hear_one().seq == sent[1].seq);
}

TEST_CASE("after a SYN timed out the first data waits three seconds", "[tcp][RFC6298-5-8]") {
  Conversation talk{{}, State::syn_sent};
  talk.advance(1s);
  CHECK(talk.peer.hear_one().flags == kSyn);
  establish(talk, 10ms);
  CHECK_FALSE(talk.info().srtt);  // Karn
  talk.write("lost");
  const auto sent = talk.peer.hear_one();
  talk.advance(2999ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.peer.hear_one().seq == sent.seq);
}

TEST_CASE("the gaps saturate at the cap", "[tcp][RFC6298-2-7]") {
  Conversation talk{{.settings = {.user_timeout = 10h}}};
  talk.write("lost");
  (void)talk.peer.hear_one();
  std::vector<Duration> at;
  for (Duration now{}; now < 10min; now += 100ms) {
    talk.advance(100ms);
    if (!talk.peer.quiet()) at.push_back(now);
  }
  REQUIRE(at.size() > 10);
  CHECK(at.back() - at[at.size() - 2] == 60s);
}
