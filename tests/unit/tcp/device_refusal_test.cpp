#include <catch2/catch.hpp>

#include "option_talk.hpp"
#include "wire.hpp"

// A device that takes nothing: what it refuses has not been sent (Linux: a queue discipline that drops).
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("new data that the device refuses waits, and is tried again", "[tcp]") {
  Conversation talk{{.config = {.initial_rto = 1s, .min_rto = 200ms}}};
  talk.write(stream(100));
  (void)talk.peer.hear();
  talk.advance(100ms);
  talk.peer.acknowledge();  // a round trip of 100 ms is known
  talk.network.failure = Error::no_buffer_space;
  talk.write(stream(500));
  CHECK(talk.peer.quiet());
  CHECK(talk.info().in_flight == 0);
  CHECK(talk.info().unsent == 500);
  CHECK(talk.info().bytes_sent == 100);
  talk.advance(talk.info().rto + 2100ms);  // after one timeout, and every half second from then on
  CHECK(talk.info().probes == 5);
  CHECK(talk.info().probe_backoffs == 0);
  CHECK(talk.info().timeouts == 0);
  talk.network.failure.reset();
  talk.advance(500ms);
  const auto heard = talk.peer.hear_one();
  CHECK(heard.payload.size() == 500);
  CHECK(talk.info().in_flight == 500);
  CHECK(talk.info().retransmissions == 0);
  CHECK(talk.info().probes == 0);
}

TEST_CASE("a device that takes nothing for the user's timeout ends the connection", "[tcp]") {
  Conversation talk{{.settings = {.user_timeout = 3s}}};
  talk.write(stream(100));
  (void)talk.peer.hear();
  talk.advance(100ms);
  talk.peer.acknowledge();
  const Duration rto = talk.info().rto;
  talk.network.failure = Error::no_buffer_space;
  talk.write(stream(500));
  (void)talk.peer.hear();
  talk.advance(rto + 2900ms);  // the time counts from the first attempt that only the device has spoilt
  CHECK(talk.connection.state() == State::established);
  talk.advance(200ms);
  CHECK(talk.connection.state() == State::closed);
  CHECK(talk.app.error == Error::timed_out);
}

TEST_CASE("a retransmission that the device refuses is none", "[tcp]") {
  OptionTalk talk;
  talk.write(stream(4 * 1448));
  const auto first = talk.hear();
  REQUIRE(first.size() == 4);
  talk.network.failure = Error::no_buffer_space;
  talk.advance(5s);  // a probe, and timeouts
  CHECK(talk.hear().empty());
  CHECK(talk.info().retransmissions == 0);
  CHECK(talk.info().retransmitted == 0);
  CHECK(talk.info().lost > 0);
  talk.network.failure.reset();
  talk.advance(60s);
  const auto again = talk.hear();
  REQUIRE_FALSE(again.empty());
  CHECK(again[0].seq == first[0].seq);
  CHECK(talk.info().retransmissions == again.size());
}

TEST_CASE("what a connection sends may leave when its pull is over", "[tcp]") {
  Conversation talk;
  std::vector<bool> deferred;
  talk.network.while_sending = [&] { deferred.push_back(talk.lab.scheduler.defers()); };
  talk.write(stream(100));
  (void)talk.peer.hear();
  CHECK(deferred == std::vector{true});
  talk.peer.acknowledge();
  (void)talk.peer.say({.flags = Flags::ack | Flags::fin});
  (void)talk.peer.hear();
  CHECK(deferred == std::vector{true, true});  // an acknowledgment of its own
  CHECK_FALSE(talk.lab.scheduler.defers());
}
