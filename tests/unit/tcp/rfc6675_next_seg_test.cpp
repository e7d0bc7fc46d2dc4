#include "sack_flight.hpp"

// What RFC 6675 sends again on a guess, and how far it takes the window down.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
using Numbers = std::vector<std::uint32_t>;

tcp::Config counting(std::uint32_t reordering = 3) {
  return {.recovery = {.reordering = reordering, .rack = false, .tail_loss_probe = false}, .congestion_control = "newreno"};
}

/// Lets the peer acknowledge `ack` and `blocks` again, and collects what leaves, for as long as something does.
Numbers all_sent(SackFlight& talk) {
  Numbers all;
  for (auto sent = talk.sent(); !sent.empty(); sent = talk.sent()) all.insert(all.end(), sent.begin(), sent.end());
  return all;
}
}  // namespace

TEST_CASE("with nothing new to send, a hole goes again before it is sure", "[tcp][RFC6675-4-5]") {
  SackFlight talk{10'000, counting(5)};
  talk.advance(40ms);
  talk.say_ack(0, {{1, 6}});
  REQUIRE(talk.info().in_recovery);
  CHECK(all_sent(talk) == Numbers{0});
  // Segment 6 has but three beyond it: not enough to be sure. The window takes it all the same.
  talk.say_ack(0, {{7, 10}, {1, 6}});
  CHECK(talk.info().lost == 0);
  CHECK(all_sent(talk).at(0) == 6);

  SECTION("but not while there is something new") {
    SackFlight busy{500'000, counting(5)};
    busy.advance(40ms);
    busy.say_ack(0, {{1, 6}});
    (void)all_sent(busy);
    busy.say_ack(0, {{7, 10}, {1, 6}});
    const auto sent = all_sent(busy);
    REQUIRE_FALSE(sent.empty());
    for (const auto number : sent) CHECK(number >= 10);
  }
}

TEST_CASE("one rescue retransmission ends with the last octet", "[tcp][RFC6675-4-6]") {
  SackFlight talk{10'000, counting()};
  REQUIRE(talk.first.size() == 10);
  talk.advance(40ms);
  talk.say_ack(0, {{1, 8}});  // 0 is lost, and so are the last two, of which nothing tells
  REQUIRE(talk.info().in_recovery);
  Numbers sent;
  std::size_t rescues = 0;
  for (int i = 0; i < 5; ++i) {
    for (const auto& heard : talk.peer.hear()) {
      sent.push_back(talk.number(heard));
      if (heard.end() == talk.una + 10'000U) {
        ++rescues;
        CHECK(heard.payload.size() == 1000);
      }
    }
    talk.advance(10ms);
    talk.say_ack(0, {{1, 8}});
  }
  REQUIRE(sent.size() == 2);
  CHECK(sent[0] == 0);
  CHECK(rescues == 1);
  CHECK(talk.info().timeouts == 0);

  SECTION("none by RACK, which has its own probe") {
    SackFlight rack{10'000};
    rack.advance(40ms);
    rack.say_ack(0, {{1, 8}});
    CHECK(all_sent(rack) == Numbers{0});
  }
}

TEST_CASE("a rescue that the device refused is still to come", "[tcp][RFC6675-4-6]") {
  const bool refused = GENERATE(false, true);
  SackFlight talk{10'000, counting()};
  talk.advance(40ms);
  if (refused) {
    talk.network.failure = Error::no_buffer_space;
    talk.network.taken_before_failure = 1;  // the retransmission
  }
  talk.say_ack(0, {{1, 8}});
  CHECK(talk.sent() == (refused ? Numbers{0} : Numbers{0, 9}));
  talk.network.failure.reset();
  talk.say_ack(0, {{1, 8}});
  CHECK(talk.sent() == (refused ? Numbers{9} : Numbers{}));  // once in a recovery
}

TEST_CASE("a recovery halves what was in flight, limited transmits not counted", "[tcp][RFC6675-5-5]") {
  SackFlight talk{500'000, counting()};
  REQUIRE(talk.first.size() == 10);
  talk.advance(40ms);
  talk.say_ack(0, {{1, 2}});
  talk.say_ack(0, {{1, 3}});
  REQUIRE(talk.sent() == Numbers{10, 11});  // limited transmit
  CHECK(talk.info().in_flight == 12'000);
  talk.say_ack(0, {{1, 4}});
  CHECK(talk.info().ssthresh == 5'000);
  CHECK(talk.sent().at(0) == 0);
  // The way down is that of RFC 9937; it ends at the half.
  talk.advance(40ms);
  talk.say_ack(12);
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().cwnd == 5'000);
}

TEST_CASE("SACK changes what is sent again, not by how much the window shrinks", "[tcp][RFC2018-5.1-1]") {
  const auto lose_first = [](bool sack) {
    SackFlight talk{500'000, counting(), sack};
    std::size_t sent = 0;
    talk.advance(40ms);
    for (std::uint32_t end = 2; end <= 10; ++end) {
      if (sack) {
        talk.say_ack(0, {{1, end}});
      } else {
        talk.say_ack(0);
      }
      const bool recovering = talk.info().in_recovery;
      const auto left = talk.sent();
      if (recovering) sent += left.size();
    }
    CHECK(sent >= 1);
    CHECK(sent <= 6);  // half of the ten segments that were in flight, and the first one
    talk.advance(40ms);
    talk.say_ack(10);
    const std::uint32_t ssthresh = talk.info().ssthresh;
    REQUIRE(talk.peer.say({.ack = talk.info().snd_nxt}));
    CHECK_FALSE(talk.info().in_recovery);
    CHECK(talk.info().cwnd <= ssthresh + 2000);
    return ssthresh;
  };
  CHECK(lose_first(true) == 5'000);
  CHECK(lose_first(false) == 5'000);
}
