#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("SUBACK's codes belong to the filters in order", "[mqtt][MQTT311-3.9.3-1][MQTT311-3.8.1-1]") {
  SessionLab lab;
  lab.connect();
  const auto token = lab.session.subscribe({{"a", kQoS0}, {"b/#", kQoS1}, {"+", kQoS2}}, lab.now);
  REQUIRE(token);
  CHECK(lab.sent() == hex("82 10 0001 0001 61 00 0003 622f23 01 0001 2b 02"));
  lab.receive("90 05 0001 00 80 02");
  const auto subscribed = lab.take<event::Subscribed>();
  REQUIRE(subscribed);
  CHECK(subscribed->token == *token);
  CHECK(subscribed->codes == std::vector{SubscribeCode::granted_qos_0, SubscribeCode::failure, SubscribeCode::granted_qos_2});
  CHECK(lab.session.in_flight() == 0);
}

TEST_CASE("UNSUBSCRIBE is answered by UNSUBACK", "[mqtt][MQTT311-3.10.1-1][MQTT311-3.10.3-1]") {
  SessionLab lab;
  lab.connect();
  const auto token = lab.session.unsubscribe({"a", "b/#"}, lab.now);
  REQUIRE(token);
  CHECK(lab.sent() == hex("a2 0a 0001 0001 61 0003 622f23"));
  lab.receive("b0 02 0001");
  CHECK(lab.take<event::Unsubscribed>()->token == *token);
}

TEST_CASE("SUBACK with another number of codes, and a code that does not exist, end the connection",
          "[mqtt][MQTT311-3.9.3-N1][MQTT311-3.9.3-2]") {
  for (const auto* digits : {"90 03 0001 00", "90 05 0001 00 00 00", "90 04 0001 00 03"}) {
    SessionLab lab;
    lab.connect();
    const auto token = lab.session.subscribe({{"a", kQoS0}, {"b", kQoS0}}, lab.now);
    lab.receive(digits);
    CHECK(lab.take<event::Failed>()->token == *token);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  }
}

TEST_CASE("SUBACK and UNSUBACK that nobody waits for end the connection", "[mqtt][MQTT311-2.3.1-N1]") {
  for (const auto* digits : {"90 03 0063 00", "b0 02 0063"}) {
    SessionLab lab;
    lab.connect();
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
    CHECK(lab.quiet());
  }
  SessionLab crossed;
  crossed.connect();
  REQUIRE(crossed.session.unsubscribe({"a"}, crossed.now));
  crossed.receive("90 03 0001 00");
  CHECK(crossed.take<event::Failed>());
  CHECK(crossed.broken_off() == mqtt::Error::protocol_violation);
}

TEST_CASE(
    "what must not be subscribed to is refused",
    "[mqtt][MQTT311-3.8.3-1][MQTT311-3.8.3-3][MQTT311-3.8.3-4][MQTT311-3.10.3-1][MQTT311-3.10.3-2][MQTT311-4.7.1-2][MQTT311-4.7.1-3]") {
  SessionLab lab;
  lab.connect();
  CHECK(lab.session.subscribe({}, lab.now).error() == tapir::Error::invalid_argument);
  CHECK(lab.session.unsubscribe({}, lab.now).error() == tapir::Error::invalid_argument);
  for (const auto* filter : {"\xed\xa0\x80", "a#", "a/#/b", "a+", "+a", ""}) {
    CHECK(lab.session.subscribe({{"ok", kQoS0}, {filter, kQoS0}}, lab.now).error() == mqtt::Error::invalid_filter);
    CHECK(lab.session.unsubscribe({filter}, lab.now).error() == mqtt::Error::invalid_filter);
  }
  CHECK(lab.session.subscribe({{"a", static_cast<QoS>(3)}}, lab.now).error() == tapir::Error::invalid_argument);
  CHECK(lab.quiet());
  for (const auto* filter : {"#", "a/#", "+", "a/+/b"}) CHECK(lab.session.subscribe({{filter, kQoS0}}, lab.now));
}

TEST_CASE("subscribing needs a connection", "[mqtt]") {
  SessionLab lab;
  CHECK(lab.session.subscribe({{"a", kQoS0}}, lab.now).error() == tapir::Error::not_connected);
  lab.connect();
  CHECK(lab.session.subscribe({{"a", kQoS0}}, lab.now));
}

TEST_CASE("a subscription made on Connected goes ahead of queued messages", "[mqtt]") {
  SessionLab lab;
  REQUIRE(lab.publish("t", "x", kQoS0));
  lab.connect();
  REQUIRE(lab.session.subscribe({{"t", kQoS0}}, lab.now));
  CHECK(lab.sent() == hex("82 06 0001 0001 74 00  30 04 0001 74 78"));
}
