#include "sack_flight.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::CaState;

namespace {
using Numbers = std::vector<std::uint32_t>;
tcp::Config counting() { return {.recovery = {.rack = false, .tail_loss_probe = false}}; }
}  // namespace

TEST_CASE("by counting: the hole is resent for three segments beyond it, not for two", "[tcp][RFC6675-4-1]") {
  SackFlight talk{10'000, counting()};
  talk.advance(40ms);
  talk.say_ack(0, {{1, 3}});
  talk.advance(100ms);
  CHECK(talk.peer.quiet());
  talk.say_ack(0, {{1, 4}});
  CHECK(talk.sent() == Numbers{0});
}

TEST_CASE("holes are resent in order, then new data follows", "[tcp][RFC6675-4-3][RFC6675-4-4][RFC2018-5-1]") {
  const bool rack = GENERATE(false, true);
  SackFlight talk{500'000, {.recovery = {.rack = rack}}};
  talk.advance(40ms);
  talk.say_ack(0, {{1, 2}, {3, 10}});
  auto sent = talk.sent();
  for (int i = 0; i < 4 && sent.size() < 3; ++i) {
    talk.advance(10ms);
    talk.say_ack(1, {{3, 10}});
    for (const auto number : talk.sent()) sent.push_back(number);
  }
  REQUIRE(sent.size() >= 3);
  CHECK(sent[0] == 0);
  CHECK(sent[1] == 2);
  CHECK(sent[2] >= 10);  // what was reported is not sent again
}

TEST_CASE("what is selectively acknowledged is kept until it is acknowledged in order", "[tcp][RFC6675-3-1][RFC2018-5-4]") {
  SackFlight talk{10'000};
  talk.advance(40ms);
  talk.say_ack(0, {{0, 10}});
  CHECK(talk.info().unacknowledged == 10'000);
  // The receiver throws all away: the timer brings it back, byte for byte.
  talk.advance(talk.info().rto);
  std::string text;
  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto all = talk.peer.hear();
    for (const auto& heard : all) {
      if (talk.number(heard) == text.size() / 1000) text += text_of(heard.payload);
    }
    if (text.size() == 10'000) break;
    talk.say_ack(static_cast<std::uint32_t>(text.size() / 1000));
  }
  CHECK(text == stream(10'000));
}

TEST_CASE("a timeout resends the first segment though it was reported", "[tcp][RFC2018-5-3]") {
  SackFlight talk{10'000};
  talk.advance(40ms);
  talk.say_ack(0, {{0, 4}});
  talk.advance(talk.info().rto);
  CHECK(talk.sent().at(0) == 0);
}

TEST_CASE("a timeout does not resend what was reported beyond a hole", "[tcp][RFC6675-5.1-2]") {
  SackFlight talk{10'000, {.recovery = {.tail_loss_probe = false}}};
  talk.advance(40ms);
  talk.say_ack(0, {{4, 6}});
  // The retransmission is lost, too, and nothing else is heard.
  Numbers sent;
  for (int i = 0; i < 30; ++i) {
    talk.advance(100ms);
    for (const auto number : talk.sent()) sent.push_back(number);
  }
  REQUIRE(talk.info().timeouts >= 1);
  REQUIRE(std::count(sent.begin(), sent.end(), 0U) >= 2);
  for (std::uint32_t next = 1; next < 10; ++next) {
    if (next == 4) next = 6;
    talk.say_ack(next, next < 4 ? std::initializer_list<SackFlight::Segments>{{4, 6}} : std::initializer_list<SackFlight::Segments>{});
    for (const auto number : talk.sent()) sent.push_back(number);
  }
  CHECK(std::count(sent.begin(), sent.end(), 4U) == 0);
  CHECK(std::count(sent.begin(), sent.end(), 5U) == 0);
  CHECK(std::count(sent.begin(), sent.end(), 3U) >= 1);
}

TEST_CASE("with SACK a duplicate without news lets nothing out", "[tcp][RFC5681-3.2-6][RFC6675-5-3]") {
  SackFlight talk;
  talk.advance(40ms);
  talk.say_ack(0);
  talk.say_ack(0);
  talk.say_ack(0);
  CHECK(talk.peer.quiet());
  CHECK_FALSE(talk.info().in_recovery);
  talk.say_ack(0, {{1, 2}});  // news: one segment has left the network
  CHECK(talk.sent() == Numbers{10});
  talk.say_ack(0, {{1, 2}});
  CHECK(talk.peer.quiet());
}

TEST_CASE("limited transmit stays within the window of the peer", "[tcp][RFC3042-2-1]") {
  const bool sack = GENERATE(true, false);
  SackFlight full{500'000, {.recovery = {.tail_loss_probe = false}}, sack, 10'000};
  REQUIRE(full.first.size() == 10);
  full.advance(40ms);
  full.say_ack(0, {{1, 2}});
  full.say_ack(0, {{1, 3}});
  CHECK(full.peer.quiet());
  SackFlight open{500'000, {.recovery = {.tail_loss_probe = false}}, sack};
  open.advance(40ms);
  open.say_ack(0, {{1, 2}});
  open.say_ack(0, {{1, 3}});
  CHECK(open.sent() == Numbers{10, 11});
}

TEST_CASE("limited transmit can be turned off", "[tcp][RFC3042-2-1]") {
  const bool sack = GENERATE(true, false);
  SackFlight talk{500'000, {.recovery = {.tail_loss_probe = false, .limited_transmit = false}}, sack};
  talk.advance(40ms);
  talk.say_ack(0, {{1, 2}});
  talk.say_ack(0, {{1, 3}});
  CHECK(talk.peer.quiet());
}

TEST_CASE("recovery begins and ends with what was outstanding", "[tcp][RFC6675-5-4][RFC6675-5-7]") {
  SackFlight talk;
  talk.advance(40ms);
  talk.say_ack(0, {{1, 4}});
  REQUIRE(talk.info().in_recovery);
  (void)talk.peer.hear();
  talk.advance(40ms);
  REQUIRE(talk.peer.say({.ack = talk.at(10) - 1U}));
  CHECK(talk.info().in_recovery);
  REQUIRE(talk.peer.say({.ack = talk.at(10)}));
  CHECK_FALSE(talk.info().in_recovery);
}

TEST_CASE("the first lost segment is resent however full the network is", "[tcp][RFC6675-5-6]") {
  SackFlight talk;
  talk.advance(40ms);
  talk.say_ack(0, {{1, 2}});
  talk.say_ack(0, {{1, 3}});
  REQUIRE(talk.sent() == Numbers{10, 11});
  talk.say_ack(0, {{1, 4}});
  const auto sent = talk.sent();
  REQUIRE(talk.info().cwnd <= talk.info().in_flight - talk.info().sacked);
  CHECK(sent == Numbers{0});
}

TEST_CASE("in recovery a segment leaves only when cwnd has room for it", "[tcp][RFC6675-5-8][RFC6675-5-9]") {
  SackFlight talk;
  talk.advance(40ms);
  talk.say_ack(0, {{1, 4}});
  REQUIRE(talk.sent().at(0) == 0);
  std::size_t later = 0;
  for (std::uint32_t end = 5; end <= 10; ++end) {
    talk.say_ack(0, {{1, end}});
    const auto before = talk.info();
    const std::uint32_t pipe = before.in_flight - before.sacked - before.lost;
    const auto sent = talk.sent();
    CHECK(sent.size() <= (before.cwnd > pipe ? (before.cwnd - pipe) / 1000 : 0));
    if (pipe + 1000 <= before.cwnd) CHECK_FALSE(sent.empty());
    later += sent.size();
  }
  CHECK(later > 0);
}

TEST_CASE("blocks that cannot be change nothing", "[tcp][POLICY-SACK-1]") {
  SackFlight talk;
  talk.advance(40ms);
  for (const auto& nonsense : {SackFlight::Segments{10, 12}, {20, 30}, {5, 4}, {6, 6}}) {
    talk.say_ack(0, {nonsense});
    CHECK(talk.info().sacked == 0);
  }
  CHECK_FALSE(talk.info().in_recovery);
  talk.say_ack(0, {{5, 6}});
  CHECK(talk.info().sacked == 1000);
}

TEST_CASE("a reported duplicate is no gap and is counted", "[tcp][RFC2883-5-1][RFC2883-5-2]") {
  SackFlight talk;
  talk.advance(40ms);
  talk.say_ack(5);
  (void)talk.peer.hear();
  talk.say_ack(5, {{1, 2}});
  CHECK(talk.info().dsacks == 1);
  CHECK(talk.info().sacked == 0);
  talk.say_ack(5, {{6, 7}});
  CHECK(talk.info().dsacks == 1);
  CHECK(talk.info().sacked == 1000);
  // An old segment, overtaken: its block lay beyond its own acknowledgment.
  REQUIRE(talk.peer.say({.ack = talk.at(2), .options = talk.sack_option({{3, 4}})}));
  CHECK(talk.info().dsacks == 1);
}

TEST_CASE("retransmissions that all turn out duplicates end the recovery", "[tcp][RFC2883-5-1]") {
  SackFlight talk;
  talk.advance(40ms);
  talk.say_ack(0, {{1, 4}});
  REQUIRE(talk.info().in_recovery);
  (void)talk.peer.hear();
  talk.advance(2ms);
  talk.say_ack(4);  // the original was late
  CHECK(talk.info().in_recovery);
  talk.say_ack(4, {{0, 1}});
  CHECK_FALSE(talk.info().in_recovery);
  CHECK(talk.info().undos == 1);
  CHECK(talk.info().ca_state == CaState::open);
}
