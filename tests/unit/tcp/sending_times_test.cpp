#include <catch2/catch.hpp>

#include "tcp/sending_times.hpp"
#include "wire.hpp"

// What Linux' tcp_info calls tcpi_busy_time, tcpi_rwnd_limited and tcpi_sndbuf_limited.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using Phase = tcp::SendingTimes::Phase;

TEST_CASE("each phase has its time, and the limited ones are busy, too", "[tcp]") {
  tcp::SendingTimes times;
  const TimePoint start{5s};
  CHECK(times.busy(start) == 0s);
  times.enter(Phase::busy, start);
  times.enter(Phase::busy, start + 1s);  // nothing changes
  times.enter(Phase::window_limited, start + 2s);
  CHECK(times.busy(start + 3s) == 3s);
  CHECK(times.in(Phase::window_limited, start + 3s) == 1s);
  times.enter(Phase::buffer_limited, start + 5s);
  times.enter(Phase::idle, start + 6s);
  CHECK(times.busy(start + 60s) == 6s);
  CHECK(times.in(Phase::window_limited, start + 60s) == 3s);
  CHECK(times.in(Phase::buffer_limited, start + 60s) == 1s);
}

TEST_CASE("a peer's window without room for what waits is what limits", "[tcp]") {
  Conversation talk{{.peer_mss = 1000}};
  REQUIRE(talk.peer.say({.window = std::uint16_t{0}}));
  (void)talk.peer.hear();
  talk.advance(1s);
  CHECK(talk.info().busy == 0s);
  talk.write(stream(1000));
  (void)talk.peer.hear();
  talk.advance(100ms);
  CHECK(talk.info().window_limited == 100ms);
  REQUIRE(talk.peer.say({.window = std::uint16_t{60000}}));
  REQUIRE(talk.peer.hear().size() == 1);
  talk.advance(50ms);
  CHECK(talk.info().window_limited == 100ms);
  CHECK(talk.info().busy == 150ms);
  talk.peer.acknowledge();
  (void)talk.peer.hear();
  talk.advance(1s);
  CHECK(talk.info().busy == 150ms);
}

TEST_CASE("a window of which cwnd leaves nothing is not what limits", "[tcp]") {
  Conversation talk{{.settings = {.send_buffer = 100'000}, .peer_mss = 1000, .window = 10'000}};  // as large as the initial window
  talk.write(stream(50'000));
  REQUIRE(talk.peer.hear().size() == 10);
  talk.advance(100ms);
  CHECK(talk.info().window_limited == 0s);
  CHECK(talk.info().busy == 100ms);
}

TEST_CASE("a user who has more than the send buffer takes is what limits when all was sent", "[tcp]") {
  Conversation talk{{.settings = {.send_buffer = 2000}, .peer_mss = 1000}};
  const std::string much = stream(5000);
  REQUIRE(talk.connection.send(std::as_bytes(std::span{much})).value_or(0) == 2000);
  REQUIRE(talk.peer.hear().size() == 2);
  talk.advance(100ms);
  CHECK(talk.info().buffer_limited == 100ms);
  CHECK(talk.info().window_limited == 0s);
  talk.peer.acknowledge();
  (void)talk.peer.hear();
  CHECK(talk.app.writable > 0);
  talk.advance(1s);
  CHECK(talk.info().buffer_limited == 100ms);
  CHECK(talk.info().busy == 100ms);
}
