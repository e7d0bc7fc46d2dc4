#include "sack_flight.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::CaState;

namespace {
using Numbers = std::vector<std::uint32_t>;
}  // namespace

TEST_CASE("without SACK only the third duplicate brings a retransmission", "[tcp][RFC8985-4-1]") {
  SackFlight talk{500'000, {.recovery = {.limited_transmit = false}}, false};
  REQUIRE(talk.first.size() == 10);
  talk.advance(40ms);
  talk.say_ack(0, {{1, 10}});
  CHECK(talk.peer.quiet());
  talk.advance(100ms);
  CHECK(talk.peer.quiet());  // no reordering timer, no probe
  talk.say_ack(0);
  CHECK(talk.peer.quiet());
  talk.say_ack(0);
  CHECK(talk.sent().at(0) == 0);
}

TEST_CASE("three segments beyond a hole bring the retransmission at once", "[tcp][RFC8985-3.3.2-1][RFC6675-5-2]") {
  SackFlight talk;
  REQUIRE(talk.first.size() == 10);
  talk.advance(40ms);
  talk.say_ack(0, {{1, 4}});
  CHECK(talk.info().in_recovery);
  CHECK(talk.info().ca_state == CaState::recovery);
  const auto sent = talk.sent();
  REQUIRE_FALSE(sent.empty());
  CHECK(sent[0] == 0);
  CHECK(talk.info().sacked == 3000);
}

TEST_CASE("two segments beyond a hole wait for the reordering timer", "[tcp][RFC8985-6.2-6][RFC8985-3.3.2-2]") {
  SackFlight talk{10'000};
  talk.advance(40ms);
  talk.say_ack(0, {{1, 3}});
  CHECK(talk.info().ca_state == CaState::disorder);
  CHECK(talk.peer.quiet());
  talk.advance(9ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.sent() == Numbers{0});
  CHECK(talk.info().in_recovery);
  CHECK(talk.info().timeouts == 0);
}

TEST_CASE("a late segment within the window brings no retransmission", "[tcp][RFC8985-3.3.2-2]") {
  SackFlight talk{10'000};
  talk.advance(40ms);
  talk.say_ack(0, {{1, 3}});
  talk.advance(9ms);
  talk.say_ack(10);
  talk.advance(5s);
  CHECK(talk.peer.quiet());
  CHECK(talk.info().retransmissions == 0);
  CHECK(talk.info().reordering == 3000);
  CHECK(talk.info().ca_state == CaState::open);
}

TEST_CASE("a lost tail is repaired by a probe, not by the retransmission timer", "[tcp][RFC8985-7.2-1][RFC8985-7.2-2][RFC8985-7.3-1]") {
  SackFlight talk{3000};
  REQUIRE(talk.first.size() == 3);
  talk.advance(81ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);  // 2 * SRTT and a margin for acknowledging, as Linux has it
  CHECK(talk.sent() == Numbers{2});
  CHECK(talk.info().tail_probes == 1);
  talk.advance(40ms);
  talk.say_ack(0, {{2, 3}});
  CHECK(talk.sent() == Numbers{0});  // one segment has left the network, one may enter
  talk.advance(40ms);
  talk.say_ack(1, {{2, 3}});
  CHECK(talk.sent() == Numbers{1});
  talk.advance(40ms);
  talk.say_ack(3);
  CHECK(talk.info().timeouts == 0);
  CHECK(talk.info().in_flight == 0);
}

TEST_CASE("an acknowledgment that is read when the probe was due moves it", "[tcp][RFC8985-7.2-1]") {
  // A driver reads the device first, then lets timers expire, then has connections send.
  for (const bool acknowledged : {false, true}) {
    CAPTURE(acknowledged);
    SackFlight talk{3000};
    talk.lab.scheduler.set_time(talk.lab.scheduler.now() + 83ms);
    if (acknowledged) talk.say_ack(1);
    talk.lab.scheduler.advance(talk.lab.scheduler.now());
    talk.lab.scheduler.run_ready();
    CHECK(talk.info().tail_probes == (acknowledged ? 0 : 1));
    talk.advance(100ms);
    CHECK(talk.info().tail_probes == 1);
  }
}

TEST_CASE("a single segment waits for a delayed ACK, too", "[tcp][RFC8985-7.2-2]") {
  SackFlight talk{1000, {.recovery = {.probe_ack_delay = 100ms}}};
  talk.advance(179ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.sent() == Numbers{0});
}

TEST_CASE("the probe is new data when there is some and the peer has room", "[tcp][RFC8985-7.3-1]") {
  SackFlight talk{100'000};
  REQUIRE(talk.first.size() == 10);
  talk.advance(82ms);
  CHECK(talk.sent() == Numbers{10});  // beyond cwnd
  SackFlight narrow{100'000, {}, true, 10'000};
  REQUIRE(narrow.first.size() == 10);
  narrow.advance(82ms);
  CHECK(narrow.sent() == Numbers{9});  // never beyond the window
}

TEST_CASE("a probe of data and FIN sends both again", "[tcp][RFC8985-7.3-1]") {
  SackFlight talk{0};
  talk.write(stream(3000));
  REQUIRE(talk.connection.shutdown());
  const auto all = talk.peer.hear();
  REQUIRE(all.back().has(Flags::fin));
  talk.advance(82ms);
  const auto probe = talk.peer.hear_one();
  CHECK(probe.has(Flags::fin));
  CHECK(probe.end() == all.back().end());
}

TEST_CASE("after a probe the retransmission timer starts anew, and no second probe comes", "[tcp][RFC8985-7.3-2][RFC8985-7.3-3]") {
  SackFlight talk{3000};
  talk.advance(82ms);
  REQUIRE(talk.sent() == Numbers{2});
  const Duration rto = talk.info().rto;
  talk.advance(rto - 1ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.sent() == Numbers{0});
  CHECK(talk.info().timeouts == 1);
  CHECK(talk.info().tail_probes == 1);
}

TEST_CASE("no probe before a round trip was measured; the retransmission timer is left", "[tcp][RFC8985-7.2-3]") {
  Conversation talk{{.config = {.initial_rto = 3s}}, State::syn_sent};
  talk.advance(3s);
  REQUIRE(talk.peer.hear_one().flags == kSyn);
  REQUIRE(talk.peer.say({.flags = kSynAck, .options = mss_option(1000, true)}));
  REQUIRE(talk.peer.hear_one().pure_ack());
  REQUIRE_FALSE(talk.info().srtt);
  talk.write("lost");
  (void)talk.peer.hear_one();
  const Duration rto = talk.info().rto;
  const auto before = talk.info().timeouts;
  talk.advance(rto - 1ms);  // past the second at which a probe would be due
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(text_of(talk.peer.hear_one().payload) == "lost");
  CHECK(talk.info().tail_probes == 0);
  CHECK(talk.info().timeouts == before + 1);
}

TEST_CASE("a loss that a probe repaired reduces the window, once", "[tcp][RFC8985-7.4-2]") {
  SackFlight talk{10'000};
  talk.advance(40ms);
  talk.say_ack(9);
  talk.advance(400ms);
  REQUIRE(talk.sent() == Numbers{9});
  const auto before = talk.info();
  talk.advance(40ms);
  talk.say_ack(10);
  CHECK(talk.info().ssthresh == before.ssthresh);
  talk.write(stream(5000));
  REQUIRE_FALSE(talk.peer.hear().empty());
  talk.advance(40ms);
  talk.say_ack(15);
  CHECK(talk.info().ssthresh < before.ssthresh);
  const auto ssthresh = talk.info().ssthresh;
  talk.write(stream(1000));
  REQUIRE_FALSE(talk.peer.hear().empty());
  talk.advance(40ms);
  talk.say_ack(16);
  CHECK(talk.info().ssthresh == ssthresh);
}

TEST_CASE("a probe that was not needed does not", "[tcp][RFC8985-7.4-3]") {
  SackFlight talk{10'000};
  talk.advance(40ms);
  talk.say_ack(9);
  talk.advance(400ms);
  REQUIRE(talk.sent() == Numbers{9});
  const auto before = talk.info();
  talk.say_ack(10);
  talk.say_ack(10, {{9, 10}});
  talk.write(stream(5000));
  REQUIRE_FALSE(talk.peer.hear().empty());
  talk.advance(40ms);
  talk.say_ack(15);
  CHECK(talk.info().ssthresh == before.ssthresh);
  CHECK(talk.info().dsacks == 1);
}

TEST_CASE("probes can be turned off", "[tcp][RFC8985-7.2-1]") {
  SackFlight talk{3000, {.recovery = {.tail_loss_probe = false}}};
  talk.advance(talk.info().rto - 1ms);
  CHECK(talk.peer.quiet());
  talk.advance(1ms);
  CHECK(talk.sent() == Numbers{0});
}

TEST_CASE("a closed window is probed by its own timer alone", "[tcp][RFC8985-7.2-1]") {
  SackFlight talk{3000};
  REQUIRE(talk.peer.say({.ack = talk.at(0), .window = std::uint16_t{0}}));
  talk.advance(500ms);
  CHECK(talk.peer.quiet());
  CHECK(talk.info().tail_probes == 0);
}

TEST_CASE("at a timeout the young ones are not sent again", "[tcp][RFC8985-6.3-1]") {
  SackFlight talk{10'000, {.recovery = {.tail_loss_probe = false, .frto = false}}};
  talk.advance(40ms);
  talk.say_ack(2);  // the timer starts anew
  talk.advance(talk.info().rto - 20ms);
  talk.write(stream(2000));
  REQUIRE(talk.sent() == Numbers{10, 11});
  talk.advance(20ms);
  REQUIRE(talk.info().timeouts == 1);
  CHECK(talk.info().lost + talk.info().retransmitted == 8000);  // 2 to 9; 10 and 11 are young
}
