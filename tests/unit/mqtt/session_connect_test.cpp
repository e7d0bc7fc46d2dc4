#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("CONNECT is the first packet, and the only one of a connection", "[mqtt][MQTT311-3.1.0-1][MQTT311-3.1.0-2]") {
  SessionLab lab{ConnectOptions{.client_id = "s1"}};
  REQUIRE(lab.publish("t", "x", kQoS1));
  CHECK(lab.sent().empty());
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 0e 0004 4d515454 04 02 003c 0002 7331"));
  const auto again = lab.session.connected(lab.now);
  REQUIRE_FALSE(again);
  CHECK(again.error() == tapir::Error::already_connected);
  lab.receive("20 02 00 00");
  REQUIRE(lab.session.connected(lab.now).error() == tapir::Error::already_connected);
  CHECK(lab.sent() == hex("32 06 0001 74 0001 78"));
}

TEST_CASE("what CONNECT cannot say is refused by configure",
          "[mqtt][MQTT311-3.1.2-14][MQTT311-3.1.2-22][MQTT311-3.1.3-4][MQTT311-3.1.3-7][MQTT311-3.1.3-10][MQTT311-3.1.3-11]") {
  Session session;
  const std::string surrogate = "\xed\xa0\x80";
  CHECK_FALSE(session.configure({.client_id = surrogate}));
  CHECK(session.configure({.client_id = "", .clean_session = false}).error() == mqtt::Error::missing_client_id);
  CHECK(session.configure({.client_id = "", .clean_session = true}));
  CHECK_FALSE(session.configure({.client_id = "a", .user_name = surrogate}));
  CHECK_FALSE(session.configure({.client_id = "a", .password = "secret"}));
  CHECK(session.configure({.client_id = "a", .user_name = "", .password = "secret"}));
  CHECK(session.configure({.client_id = "a", .will = Will{.topic = surrogate}}).error() == mqtt::Error::invalid_topic);
  CHECK(session.configure({.client_id = "a", .will = Will{.topic = "a/#"}}).error() == mqtt::Error::invalid_topic);
  CHECK_FALSE(session.configure({.client_id = "a", .will = Will{.topic = "t", .qos = static_cast<QoS>(3)}}));
  CHECK_FALSE(session.configure({.client_id = "a", .will = Will{.topic = "t", .payload = Payload{std::string(65536, 'x')}}}));
  CHECK(session.configure({.client_id = "a", .will = Will{.topic = "t", .payload = Payload{std::string(65535, 'x')}, .qos = kQoS2}}));
  CHECK_FALSE(session.configure({.client_id = "a", .keep_alive = 65536s}));
  CHECK_FALSE(session.configure({.client_id = "a", .keep_alive = -1s}));
  CHECK(session.configure({.client_id = "a", .keep_alive = 65535s}));
}

TEST_CASE("an accepted connection reports whether the session was present", "[mqtt]") {
  SessionLab lab{persistent()};
  lab.open();
  lab.receive("20 02 01 00");
  const auto connected = lab.take<event::Connected>();
  REQUIRE(connected);
  CHECK(connected->session_present);
  CHECK(lab.session.is_connected());
}

TEST_CASE("return codes 1 to 5 refuse by name", "[mqtt][MQTT311-3.1.2-2][MQTT311-3.1.3-9][MQTT311-3.2.2-N2][MQTT311-3.2.2-4]") {
  const std::pair<const char*, mqtt::Error> table[] = {{"20 02 00 01", mqtt::Error::unsupported_protocol_version},
                                                       {"20 02 00 02", mqtt::Error::identifier_rejected},
                                                       {"20 02 00 03", mqtt::Error::server_unavailable},
                                                       {"20 02 00 04", mqtt::Error::bad_credentials},
                                                       {"20 02 00 05", mqtt::Error::not_authorized},
                                                       {"20 02 01 05", mqtt::Error::not_authorized}};
  for (const auto& [digits, error] : table) {
    SessionLab lab;
    lab.open();
    lab.receive(digits);
    const auto refused = lab.take<event::Refused>();
    REQUIRE(refused);
    CHECK(refused->error == error);
    CHECK_FALSE(lab.session.is_connected());
    CHECK(lab.quiet());
  }
  SessionLab lab;
  lab.open();
  lab.receive("20 02 00 06");
  CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
}

TEST_CASE("anything before CONNACK, and a second CONNACK, ends the connection", "[mqtt][MQTT311-3.2.0-1]") {
  SessionLab lab;
  lab.open();
  lab.receive("30 03 0001 61");
  CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  CHECK(lab.quiet());

  SessionLab second;
  second.connect();
  second.receive("20 02 00 00");
  CHECK(second.broken_off() == mqtt::Error::protocol_violation);
}

TEST_CASE("a session present after a clean connect ends the connection", "[mqtt][MQTT311-3.2.2-N3]") {
  SessionLab lab{ConnectOptions{.client_id = "c", .clean_session = true}};
  lab.open();
  lab.receive("20 02 01 00");
  CHECK(lab.broken_off() == mqtt::Error::protocol_violation);

  SessionLab kept{persistent()};  // here it is welcome, even when nothing is stored on this side
  kept.open();
  kept.receive("20 02 01 00");
  CHECK(kept.take<event::Connected>());
}

TEST_CASE("a server that does not answer CONNECT is given up", "[mqtt][MQTT311-3.1.4-N1]") {
  SessionLab lab{SessionLimits{.connack_timeout = 5s}};
  lab.open();
  CHECK(lab.session.next_deadline() == lab.now + 5s);
  lab.advance(4999ms);
  CHECK(lab.quiet());
  lab.advance(1ms);
  const auto error = lab.broken_off();
  CHECK(error == mqtt::Error::connack_timeout);
  CHECK(error == std::errc::timed_out);
  CHECK_FALSE(lab.session.next_deadline());
}

TEST_CASE("packets that only a server may get end the connection", "[mqtt][MQTT311-4.8.0-1]") {
  for (const auto* digits : {"c0 00", "82 06 0001 0001 61 00", "10 0d 0004 4d515454 04 02 003c 0001 61", "a2 05 0001 0001 61", "e0 00"}) {
    SessionLab lab;
    lab.connect();
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
    CHECK_FALSE(lab.session.is_connected());
    lab.receive("32 05 0001 61 0001");
    CHECK(lab.quiet());
  }
}

TEST_CASE("malformed packets end the connection",
          "[mqtt][MQTT311-2.2.2-2][MQTT311-1.5.3-1][MQTT311-1.5.3-2][MQTT311-3.3.1-4][MQTT311-3.12.1-N1]") {
  for (const auto* digits : {"21 02 00 00", "9f 03 0001 00", "36 05 0001 61 0001", "30 05 0003 eda080", "30 05 0003 610061", "d0 01 00",
                             "60 02 0001", "30 ff ff ff ff 7f"}) {
    SessionLab lab;
    lab.connect();
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::malformed_packet);
    CHECK(lab.quiet());
  }
}

TEST_CASE("a packet larger than the configured limit ends the connection", "[mqtt]") {
  SessionLab lab{SessionLimits{.max_packet_size = 100}};
  lab.connect();
  lab.receive("30 63");
  CHECK(lab.broken_off() == mqtt::Error::packet_too_large);
}

TEST_CASE("DISCONNECT is the last packet", "[mqtt][MQTT311-3.14.1-1][MQTT311-3.14.4-2]") {
  SessionLab lab;
  CHECK(lab.session.disconnect(lab.now).error() == tapir::Error::not_connected);
  lab.connect();
  REQUIRE(lab.session.disconnect(lab.now));
  const auto over = lab.take<event::Disconnected>();
  REQUIRE(over);
  CHECK_FALSE(over->error);
  CHECK(lab.publish("t", "x", kQoS0).error() == tapir::Error::not_connected);
  CHECK(lab.session.subscribe({{"t", kQoS0}}, lab.now).error() == tapir::Error::not_connected);
  lab.receive("32 05 0001 61 0001");
  lab.advance(1h);
  CHECK(lab.sent() == hex("e0 00"));
  CHECK(lab.quiet());
}

TEST_CASE("with send_before_connack messages follow CONNECT at once and count when it is accepted", "[mqtt][MQTT311-3.1.4-N2]") {
  SessionLab lab{ConnectOptions{.client_id = "s1"}, SessionLimits{.send_before_connack = true}};
  const auto token = lab.publish("t", "x", kQoS0);
  const auto acknowledged = lab.publish("t", "y", kQoS1);
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 0e 0004 4d515454 04 02 003c 0002 7331  30 04 0001 74 78  32 06 0001 74 0001 79"));
  CHECK_FALSE(lab.has_events());

  SECTION("accepted") {
    lab.receive("20 02 00 00 40 02 0001");
    CHECK(lab.take<event::Connected>());
    CHECK(lab.take<event::Sent>()->token == *token);
    CHECK(lab.take<event::Delivered>()->token == *acknowledged);
  }
  SECTION("refused: both are reported unsent") {
    lab.receive("20 02 00 05");
    CHECK(lab.take<event::Failed>()->token == *token);
    const auto failed = lab.take<event::Failed>();
    CHECK(failed->token == *acknowledged);
    CHECK(failed->error == mqtt::Error::not_authorized);
    CHECK(lab.take<event::Refused>());
  }
  CHECK(lab.quiet());
}

TEST_CASE("without the option nothing is sent before CONNACK", "[mqtt][MQTT311-3.1.4-N2]") {
  SessionLab lab{ConnectOptions{.client_id = "s1"}};
  REQUIRE(lab.publish("t", "x", kQoS0));
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 0e 0004 4d515454 04 02 003c 0002 7331"));
}
