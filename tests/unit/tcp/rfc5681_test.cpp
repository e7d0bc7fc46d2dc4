#include <catch2/catch.hpp>

#include <limits>

#include "mss.hpp"
#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
const ConversationOptions kBulk{.config = {.congestion_control = "newreno"}, .settings = {.send_buffer = 1'000'000}, .peer_mss = kMss};

/// A bulk sender with `flight` segments outstanding, not one acknowledged; the first has number una.
struct Flight : Conversation {
  explicit Flight(std::uint32_t segments = 10) : Conversation{kBulk} {
    write(stream(900'000));
    std::uint32_t sent = static_cast<std::uint32_t>(peer.hear().size());
    while (sent < segments) {  // slow start: each ACK of a segment lets two out
      REQUIRE(peer.say({.ack = info().snd_una + kMss}));
      (void)peer.hear();
      sent = info().in_flight / kMss;
    }
    REQUIRE(info().in_flight == segments * kMss);
    una = info().snd_una;
  }
  /// A duplicate acknowledgment.
  void duplicate() { REQUIRE(peer.say({.ack = info().snd_una})); }
  /// Acknowledges `segments` more.
  void acknowledge(std::uint32_t segments) { REQUIRE(peer.say({.ack = info().snd_una + segments * kMss})); }
  SeqNum una;
};
}  // namespace

TEST_CASE("the first flight is the initial window", "[tcp][RFC5681-3.1-2][RFC6928-2-1]") {
  for (const bool passive : {false, true}) {
    Conversation talk{{.passive = passive, .peer_mss = 1460}};
    talk.write(stream(100'000));
    std::size_t flight = 0;
    for (const auto& heard : talk.peer.hear()) flight += heard.payload.size();
    CHECK(flight == 14600);
    CHECK(talk.info().ssthresh == std::numeric_limits<std::uint32_t>::max());
  }
}

TEST_CASE("a smaller initial window may be configured", "[tcp][RFC6928-2-2]") {
  Conversation talk{{.config = {.initial_window_segments = 4}, .peer_mss = kMss}};
  talk.write(stream(100'000));
  CHECK(talk.peer.hear().size() == 4);
}

TEST_CASE("more than one lost SYN leaves one segment", "[tcp][RFC6928-2-3]") {
  for (const auto& [lost, segments] : {std::pair{1, 10U}, {2, 1U}}) {
    Conversation talk{{}, State::syn_sent};
    for (int i = 0; i < lost; ++i) talk.advance(1s * (1 << i));
    (void)talk.peer.hear();
    REQUIRE(talk.peer.say({.flags = kSynAck, .options = mss_option(kMss)}));
    (void)talk.peer.hear();
    talk.write(stream(100'000));
    CHECK(talk.peer.hear().size() == segments);
  }
}

TEST_CASE("no more is outstanding than both windows allow", "[tcp][RFC5681-2-1][RFC5681-3-1]") {
  sim::SeededRandom random{8};
  Conversation talk{kBulk};
  talk.write(stream(900'000));
  for (int i = 0; i < 300; ++i) {
    const auto before = talk.info();
    const SeqNum edge = before.snd_una + before.snd_wnd;
    for (const auto& heard : talk.peer.hear()) {
      const auto now = talk.info();
      CHECK(tcp::distance(now.snd_una, heard.end()) <= std::min(now.cwnd, now.snd_wnd));
      CHECK(heard.end() <= edge);
    }
    const auto flight = talk.info().in_flight;
    if (flight == 0) break;
    const auto acked = static_cast<std::uint32_t>(1 + random.below(flight));
    (void)talk.peer.say({.ack = talk.info().snd_una + acked,
                         .window = static_cast<std::uint16_t>(std::max<std::uint64_t>(flight - acked, 20'000 + random.below(45'000)))});
    CHECK(talk.info().cwnd - before.cwnd <= kMss);
  }
}

TEST_CASE("slow start doubles, beyond the threshold growth is linear", "[tcp][RFC5681-3.1-1][RFC9293-MUST-19]") {
  Flight talk{40};
  (void)talk.hear();
  talk.advance(2s);  // a timeout: the threshold is 20 segments
  CHECK(talk.info().ssthresh == 20 * kMss);
  CHECK(talk.peer.hear().size() == 1);
  REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
  std::vector<std::uint32_t> windows;
  for (int round = 0; round < 8; ++round) {
    (void)talk.peer.hear();
    const auto segments = talk.info().in_flight / kMss;
    windows.push_back(segments);
    for (std::uint32_t i = 0; i < segments; ++i) talk.acknowledge(1);
  }
  REQUIRE(windows.size() == 8);
  CHECK(windows[0] == 2);
  CHECK(windows[1] == 4);
  CHECK(windows[2] == 8);
  CHECK(windows[3] == 16);
  for (std::size_t i = 5; i < windows.size(); ++i) {
    CHECK(windows[i] >= 20);
    CHECK(windows[i] - windows[i - 1] <= 1);
  }
}

TEST_CASE("after a timeout one segment is sent until an ACK arrives", "[tcp][RFC5681-3.1-14][RFC5681-3.1-12][RFC5681-3.1-13]") {
  Flight talk{20};
  talk.advance(1s);
  auto again = talk.peer.hear();
  REQUIRE(again.size() == 1);
  CHECK(again[0].seq == talk.una);
  CHECK(again[0].payload.size() <= kMss);
  CHECK(talk.info().cwnd == kMss);
  CHECK(talk.info().ssthresh == 10 * kMss);
  talk.advance(2s);
  again = talk.peer.hear();
  CHECK(again.size() == 1);
  CHECK(talk.info().ssthresh == 10 * kMss);
  CHECK(talk.info().cwnd == kMss);
}

TEST_CASE("the third duplicate retransmits", "[tcp][RFC5681-3.2-3][RFC5681-3.2-7][RFC5681-3.2-8][RFC5681-3.1-5]") {
  Flight talk;
  const auto cwnd = talk.info().cwnd;
  for (int i = 0; i < 2; ++i) {
    talk.duplicate();
    const auto limited = talk.peer.hear();
    CHECK(limited.size() == 1);  // new data (RFC 3042)
    for (const auto& heard : limited) CHECK(heard.seq > talk.una);
  }
  CHECK(talk.info().fast_retransmits == 0);
  CHECK(talk.info().cwnd == cwnd);
  talk.duplicate();
  const auto heard = talk.peer.hear();
  REQUIRE_FALSE(heard.empty());
  CHECK(heard[0].seq == talk.una);
  CHECK(heard[0].payload.size() == kMss);
  CHECK(talk.info().in_recovery);
  CHECK(talk.info().ssthresh == 5 * kMss);  // the two segments of limited transmit not counted
  CHECK(talk.info().cwnd == 8 * kMss);
}

TEST_CASE("the first two duplicates each let a new segment out", "[tcp][RFC5681-3.2-4][RFC5681-3.2-5]") {
  Flight talk;
  const auto before = talk.info();
  for (std::uint32_t i = 0; i < 2; ++i) {
    talk.duplicate();
    const auto fresh = talk.peer.hear_one();
    CHECK(fresh.seq == before.snd_nxt + i * kMss);
    CHECK(fresh.payload.size() == kMss);
    CHECK(talk.info().cwnd == before.cwnd);
  }
}

TEST_CASE("what is no duplicate does not count", "[tcp][RFC5681-2-2]") {
  Flight talk;
  for (std::uint16_t i = 0; i < 6; ++i) {
    (void)talk.peer.say({.ack = talk.una, .window = static_cast<std::uint16_t>(60'000 + i)});  // window updates
    (void)talk.peer.say({.ack = talk.una, .payload = "data"});                                 // data
  }
  (void)talk.peer.hear();
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().retransmissions == 0);
  for (int i = 0; i < 3; ++i) talk.duplicate();
  CHECK(talk.peer.hear().at(0).seq == talk.una);
  Conversation idle;  // nothing outstanding
  for (int i = 0; i < 5; ++i) (void)idle.peer.say({});
  CHECK(idle.peer.quiet());
  CHECK_FALSE(idle.info().in_recovery);
}

TEST_CASE("further duplicates inflate the window and let new data out", "[tcp][RFC5681-3.2-9][RFC5681-3.2-11]") {
  Flight talk{20};
  for (int i = 0; i < 3; ++i) talk.duplicate();
  (void)talk.peer.hear();
  REQUIRE(talk.info().cwnd == 13 * kMss);
  for (std::uint32_t i = 1; i <= 4; ++i) {
    talk.duplicate();
    CHECK(talk.info().cwnd == (13 + i) * kMss);
  }
  CHECK(talk.peer.quiet());  // still more outstanding than the window
  for (int i = 0; i < 5; ++i) talk.duplicate();
  (void)talk.peer.hear();
  const auto snd_nxt = talk.info().snd_nxt;
  for (std::uint32_t i = 0; i < 3; ++i) {
    talk.duplicate();
    CHECK(talk.peer.hear_one().seq == snd_nxt + i * kMss);
  }
}

TEST_CASE("the ACK that ends recovery deflates the window", "[tcp][RFC5681-3.2-12][RFC5681-4.3-2]") {
  Flight talk{20};
  for (int i = 0; i < 10; ++i) talk.duplicate();
  (void)talk.peer.hear();
  REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
  CHECK_FALSE(talk.info().in_recovery);
  const auto start = talk.info();
  CHECK(start.ssthresh == 10 * kMss);
  CHECK(start.cwnd <= start.ssthresh);
  // From the threshold on it grows by a segment each round trip.
  for (int round = 0; round < 12; ++round) {
    (void)talk.peer.hear();
    const auto segments = talk.info().in_flight / kMss;
    const auto before = talk.info().cwnd;
    for (std::uint32_t i = 0; i < segments; ++i) talk.acknowledge(1);
    if (before >= start.ssthresh) CHECK(talk.info().cwnd - before <= kMss);
  }
  CHECK(talk.info().cwnd > start.ssthresh);
}

TEST_CASE("losses in two windows reduce twice", "[tcp][RFC5681-4.3-3]") {
  Flight talk{20};
  for (int i = 0; i < 3; ++i) talk.duplicate();
  (void)talk.peer.hear();
  CHECK(talk.info().ssthresh == 10 * kMss);
  REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
  for (int i = 0; i < 6; ++i) {  // up to the threshold again
    (void)talk.peer.hear();
    const auto segments = talk.info().in_flight / kMss;
    if (segments >= 10) break;
    for (std::uint32_t k = 0; k < segments; ++k) talk.acknowledge(1);
  }
  (void)talk.peer.hear();
  const auto flight = talk.info().in_flight;
  REQUIRE(flight >= 10 * kMss);
  for (int i = 0; i < 3; ++i) {
    talk.duplicate();
    (void)talk.peer.hear();
  }
  CHECK(talk.info().in_recovery);
  CHECK(talk.info().ssthresh == flight / 2);
  CHECK(talk.info().ssthresh <= 6 * kMss);
}

TEST_CASE("a lossy window is repaired with half its segments a round trip", "[tcp][RFC5681-4.3-1]") {
  Flight talk{20};
  // Segments 1, 5, 9, 13 and 17 of 20 are lost: the other 15 draw duplicates.
  std::size_t sent = 0;
  for (int i = 0; i < 15; ++i) {
    talk.duplicate();
    if (i >= 2) {
      sent += talk.peer.hear().size();
    } else {
      (void)talk.peer.hear();
    }
  }
  CHECK(sent <= 10);
  for (std::uint32_t hole = 4; hole <= 16; hole += 4) {  // each retransmission moves the acknowledgment to the next hole
    REQUIRE(talk.peer.say({.ack = talk.una + hole * kMss}));
    const auto round = talk.peer.hear();
    REQUIRE_FALSE(round.empty());
    CHECK(round[0].seq == talk.una + hole * kMss);
    CHECK(round.size() <= 10);
  }
  REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().timeouts == 0);
}

TEST_CASE("after idleness the restart window holds", "[tcp][RFC5681-4.1-1][RFC6928-2-4]") {
  Flight talk{40};
  while (talk.info().in_flight > 0) {
    REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
    (void)talk.peer.hear();
  }
  REQUIRE(talk.info().unacknowledged == 0);
  REQUIRE(talk.info().cwnd >= 40 * kMss);
  talk.advance(2 * talk.info().rto + 1ms);
  talk.write(stream(100'000));
  CHECK(talk.peer.hear().size() <= 10);
}
