#include <catch2/catch.hpp>

#include "mss.hpp"
#include "tcp/loss_recovery.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A first flight of ten segments, not one acknowledged.
struct Flight : Conversation {
  Flight() : Conversation{{.config = {.congestion_control = "newreno"}, .settings = {.send_buffer = 1'000'000}, .peer_mss = kMss}} {
    write(stream(500'000));
    REQUIRE(peer.hear().size() == 10);
    una = info().snd_una;
    end = info().snd_nxt;
  }
  /// An acknowledgment up to segment `segments` of the first flight.
  void acknowledge(std::uint32_t segments) { REQUIRE(peer.say({.ack = una + segments * kMss})); }
  void duplicates(int count) {
    for (int i = 0; i < count; ++i) REQUIRE(peer.say({.ack = info().snd_una}));
  }
  SeqNum una;
  SeqNum end;
};
}  // namespace

TEST_CASE("recovery can begin in the first window", "[tcp][RFC6582-3.2-1]") {
  Flight talk;
  talk.acknowledge(1);  // the second segment is lost
  (void)talk.peer.hear();
  talk.duplicates(3);
  CHECK(talk.info().in_recovery);
  CHECK(talk.peer.hear().at(0).seq == talk.una + kMss);
  Flight first;  // and with the very first segment lost
  first.duplicates(3);
  CHECK(first.info().in_recovery);
}

TEST_CASE("an ACK of what was outstanding at entry ends recovery, one below does not", "[tcp][RFC6582-3.2-3][RFC6582-3.2-5]") {
  Flight talk;
  talk.duplicates(3);
  REQUIRE(talk.info().in_recovery);
  const SeqNum recover = talk.end;  // limited transmit may have moved SND.NXT on before
  (void)talk.peer.hear();
  const SeqNum highest = talk.info().snd_nxt;
  talk.acknowledge(3);  // partial: segment 4 is lost, too
  CHECK(talk.info().in_recovery);
  const auto again = talk.peer.hear();
  REQUIRE_FALSE(again.empty());
  CHECK(again[0].seq == talk.una + 3 * kMss);  // at once
  CHECK(again[0].payload.size() == kMss);
  REQUIRE(talk.peer.say({.ack = recover - 1U}));
  CHECK(talk.info().in_recovery);
  REQUIRE(talk.peer.say({.ack = highest}));
  CHECK_FALSE(talk.info().in_recovery);
}

TEST_CASE("a partial ACK deflates by its amount and adds a segment back", "[tcp][RFC6582-3.2-6]") {
  Flight talk;
  talk.duplicates(3);
  (void)talk.peer.hear();
  const auto before = talk.info().cwnd;
  talk.acknowledge(3);
  CHECK(talk.info().cwnd == before - 2 * kMss);
}

TEST_CASE("only the first partial ACK restarts the timer", "[tcp][RFC6582-3.2-7]") {
  Flight talk;
  talk.advance(500ms);
  talk.duplicates(3);
  (void)talk.peer.hear();
  talk.advance(100ms);
  talk.acknowledge(1);  // the first: the timer runs from here
  (void)talk.peer.hear();
  const Duration rto = talk.info().rto;
  talk.advance(300ms);
  talk.acknowledge(2);
  (void)talk.peer.hear();
  talk.advance(300ms);
  talk.acknowledge(3);
  (void)talk.peer.hear();
  CHECK(talk.info().timeouts == 0);
  talk.advance(rto - 601ms);
  CHECK(talk.info().timeouts == 0);
  talk.advance(1ms);
  CHECK(talk.info().timeouts == 1);
}

TEST_CASE("after a timeout duplicates below recover start nothing", "[tcp][RFC6582-3.2-2][RFC6582-3.2-8]") {
  Flight talk;
  talk.duplicates(3);
  (void)talk.peer.hear();
  REQUIRE(talk.info().in_recovery);
  talk.advance(talk.info().rto);
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().timeouts == 1);
  (void)talk.peer.hear();
  const auto ssthresh = talk.info().ssthresh;
  const auto fast = talk.info().fast_retransmits;
  talk.acknowledge(2);
  (void)talk.peer.hear();
  talk.duplicates(5);
  (void)talk.peer.hear();
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().fast_retransmits == fast);
  CHECK(talk.info().ssthresh == ssthresh);
  // Beyond it they do.
  for (int i = 0; i < 40 && talk.info().snd_una < talk.end + 20 * kMss; ++i) {
    REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
    (void)talk.peer.hear();
  }
  REQUIRE(talk.info().in_flight >= 4 * kMss);
  talk.duplicates(3);
  CHECK(talk.info().in_recovery);
}

TEST_CASE("recover does not lie ahead when half of the numbers were used without a loss", "[tcp][RFC6582-3.2-1]") {
  for (const std::uint64_t before : {0ULL, 1'000'000'000ULL, 2'200'000'000ULL, 4'000'000'000ULL, 4'400'000'000ULL}) {
    INFO(before);
    constexpr std::uint32_t kBlock = 1'000'000;
    tcp::RttEstimator rtt{{.min_rto = 200ms}};
    const SeqNum iss{1000};
    tcp::LossRecovery recovery{{}, rtt, iss};
    recovery.on_mss_change(kMss);
    TimePoint now{};
    SeqNum next = iss + 1;
    recovery.on_sent(iss, next, now);
    const auto ack = [&](bool duplicate) {
      now += 1ms;
      return recovery.on_ack({.now = now, .arrived = now, .ack = next, .duplicate = duplicate, .max_window = 10 * kBlock});
    };
    (void)ack(false);
    recovery.on_established(false);
    for (std::uint64_t sent = 0; sent < before; sent += kBlock) {
      recovery.on_sent(next, next + kBlock, now);
      next += kBlock;
      REQUIRE_FALSE(ack(false).entered);
    }
    for (std::uint32_t i = 0; i < 10; ++i) recovery.on_sent(next + i * kMss, next + (i + 1) * kMss, now);
    CHECK_FALSE(ack(true).entered);
    CHECK_FALSE(ack(true).entered);
    CHECK(ack(true).entered);
  }
}
