#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

ConnectOptions keep_alive(std::chrono::seconds seconds) { return {.client_id = "c", .keep_alive = seconds}; }

}  // namespace

TEST_CASE("an idle client asks before its keep alive is over", "[mqtt][MQTT311-3.1.2-23]") {
  SessionLab lab{keep_alive(10s)};
  lab.connect();
  for (int round = 0; round < 5; ++round) {
    const auto idle_since = lab.now;
    const auto deadline = lab.session.next_deadline();
    REQUIRE(deadline);
    CHECK(*deadline <= idle_since + 10s);
    lab.advance(*deadline - lab.now - 1ms);
    CHECK(lab.quiet());
    lab.advance(1ms);
    CHECK(lab.sent() == hex("c0 00"));
    lab.receive("d0 00");
  }
  CHECK_FALSE(lab.has_events());
}

TEST_CASE("any packet puts the next PINGREQ off", "[mqtt][MQTT311-3.1.2-23]") {
  SessionLab lab{keep_alive(10s)};
  lab.connect();
  lab.advance(8s);
  REQUIRE(lab.publish("t", "", kQoS1));
  lab.receive("40 02 0001");
  (void)lab.sent();
  lab.advance(8s);
  CHECK(lab.sent().empty());
  lab.advance(2s);
  CHECK(lab.sent() == hex("c0 00"));
}

TEST_CASE("keep alive 0 turns it off", "[mqtt][MQTT311-3.1.2-N1]") {
  SessionLab lab{keep_alive(0s)};
  lab.connect();
  CHECK_FALSE(lab.session.next_deadline());
  lab.advance(1h);
  CHECK(lab.quiet());
  CHECK(lab.session.is_connected());
}

TEST_CASE("a PINGREQ without answer ends the connection at the limit", "[mqtt][MQTT311-3.1.2-N2]") {
  SessionLab lab{keep_alive(10s), SessionLimits{.ping_timeout = 3s}};
  lab.connect();
  lab.advance(9s);
  REQUIRE(lab.sent() == hex("c0 00"));
  lab.advance(2999ms);
  CHECK_FALSE(lab.has_events());
  lab.advance(1ms);
  CHECK(lab.broken_off() == mqtt::Error::keep_alive_timeout);
}

TEST_CASE("bytes on their way put the limit off", "[mqtt]") {
  SessionLab lab{keep_alive(10s), SessionLimits{.ping_timeout = 3s}};
  lab.connect();
  lab.advance(9s);
  REQUIRE(lab.sent() == hex("c0 00"));
  lab.advance(2s);
  lab.session.transport_progress(lab.now, 1);  // a long packet of ours is still being acknowledged
  lab.advance(2s);
  lab.receive("30 05 00");  // a long packet of theirs is still coming
  lab.advance(2s);
  CHECK_FALSE(lab.has_events());
  lab.advance(1s);
  CHECK(lab.broken_off() == mqtt::Error::keep_alive_timeout);
}

TEST_CASE("a server that is silent is asked even while messages leave", "[mqtt]") {
  SessionLab lab{keep_alive(10s), SessionLimits{.ping_timeout = 3s}};
  lab.connect();
  bool asked = false;
  for (int second = 0; second < 15 && !lab.has_events(); ++second) {
    const auto bytes = lab.sent();
    asked = asked || std::ranges::search(bytes, hex("c0 00")).size() == 2;
    REQUIRE(lab.publish("t", "x", kQoS0));
    CHECK(lab.take<event::Sent>());
    lab.advance(1s);
  }
  CHECK(asked);
  CHECK(lab.broken_off() == mqtt::Error::keep_alive_timeout);
}
