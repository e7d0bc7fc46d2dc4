#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("an unacknowledged message of a kept session is sent again with DUP and its identifier",
          "[mqtt][MQTT311-3.1.2-4][MQTT311-3.3.1-1][MQTT311-4.4.0-1][MQTT311-2.3.1-3][MQTT311-4.1.0-1][MQTT311-4.1.0-2]") {
  SessionLab lab{persistent()};
  lab.connect();
  const auto token = lab.publish("t", "x", kQoS1);
  CHECK(lab.sent() == hex("32 06 0001 74 0001 78"));
  lab.session.transport_lost(lab.now);
  CHECK(lab.session.in_flight() == 1);
  CHECK(lab.quiet());
  lab.connect(true);
  CHECK(lab.sent() == hex("3a 06 0001 74 0001 78"));
  REQUIRE(lab.publish("t", "y", kQoS1));
  CHECK(lab.sent() == hex("32 06 0001 74 0002 79"));  // not 1, which is in use
  lab.receive("40 02 0001");
  CHECK(lab.take<event::Delivered>()->token == *token);
}

TEST_CASE("messages are sent again even if the server has lost the session", "[mqtt][MQTT311-4.4.0-1]") {
  SessionLab lab{persistent()};
  lab.connect();
  REQUIRE(lab.publish("t", "x", kQoS1));
  lab.session.transport_lost(lab.now);
  lab.connect(false);
  CHECK(lab.sent() == hex("3a 06 0001 74 0001 78"));
}

TEST_CASE("after PUBREC only PUBREL is sent again", "[mqtt][MQTT311-4.3.3-1][MQTT311-4.4.0-1]") {
  SessionLab lab{persistent()};
  lab.connect();
  const auto token = lab.publish("t", "x", kQoS2);
  lab.receive("50 02 0001");
  (void)lab.sent();
  for (int i = 0; i < 3; ++i) {
    lab.session.transport_lost(lab.now);
    lab.connect(true);
    CHECK(lab.sent() == hex("62 02 0001"));
  }
  lab.receive("70 02 0001");
  CHECK(lab.take<event::Delivered>()->token == *token);
}

TEST_CASE("3.1: PUBREL has DUP when it comes again, in both directions", "[mqtt]") {  // MQTT 3.1 section 2.1
  auto options = persistent();
  options.version = ProtocolVersion::v3_1;
  SessionLab lab{options};
  lab.connect();
  const auto token = lab.publish("t", "x", kQoS2);
  (void)lab.sent();
  lab.receive("50 02 0001  34 05 0001 61 0007");
  CHECK(lab.sent() == hex("62 02 0001 50 02 0007"));
  CHECK(lab.take<event::MessageReceived>());
  lab.receive("50 02 0001");
  CHECK(lab.sent() == hex("6a 02 0001"));
  lab.session.transport_lost(lab.now);
  lab.connect();
  CHECK(lab.sent() == hex("6a 02 0001"));
  lab.receive("70 02 0001  6a 02 0007");
  CHECK(lab.take<event::Delivered>()->token == *token);
  CHECK(lab.sent() == hex("70 02 0007"));
  lab.receive("62 02 0007");
  CHECK(lab.sent() == hex("70 02 0007"));
}

TEST_CASE("messages are sent again in their original order", "[mqtt][MQTT311-4.6.0-1]") {
  SessionLab lab{persistent()};
  lab.connect();
  for (const auto* payload : {"a", "b", "c", "d", "e", "f"}) REQUIRE(lab.publish("t", payload, kQoS1));
  lab.receive("40 02 0002");
  CHECK(lab.take<event::Delivered>());
  REQUIRE(lab.publish("t", "g", kQoS1));
  (void)lab.sent();
  lab.session.transport_lost(lab.now);
  lab.connect(true);
  CHECK(lab.sent() == hex("3a06000174000161 3a06000174000363 3a06000174000464 3a06000174000565 3a06000174000666 3a06000174000767"));
}

TEST_CASE("PUBREL are sent again in the order of the PUBREC", "[mqtt][MQTT311-4.6.0-4]") {
  SessionLab lab{persistent()};
  lab.connect();
  for (int i = 0; i < 3; ++i) REQUIRE(lab.publish("t", "", kQoS2));
  lab.receive("50 02 0003 50 02 0001");
  lab.session.transport_lost(lab.now);
  lab.connect(true);
  CHECK(lab.sent() == hex("3c 05 0001 74 0002  62 02 0003 62 02 0001"));
}

TEST_CASE("a clean session ends with its connection", "[mqtt][MQTT311-3.1.2-6]") {
  SessionLab lab{ConnectOptions{.client_id = "c", .clean_session = true}};
  lab.connect();
  const auto token = lab.publish("t", "x", kQoS1);
  lab.receive("34 05 0001 61 0007");
  CHECK(lab.take<event::MessageReceived>());
  lab.session.transport_lost(lab.now);
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *token);
  CHECK(failed->error == mqtt::Error::session_lost);
  lab.connect();
  CHECK(lab.quiet());
  CHECK(lab.session.unreleased() == 0);
}

TEST_CASE("connecting clean discards a kept session", "[mqtt][MQTT311-3.1.2-6]") {
  SessionLab lab{persistent()};
  lab.connect();
  REQUIRE(lab.publish("t", "x", kQoS1));
  lab.session.transport_lost(lab.now);
  REQUIRE(lab.session.configure({.client_id = "c", .clean_session = true}));
  lab.open();
  CHECK(lab.take<event::Failed>());
  lab.receive("20 02 00 00");
  CHECK(lab.take<event::Connected>());
  CHECK(lab.quiet());
}

TEST_CASE("sessions belong to their client identifiers", "[mqtt][MQTT311-3.1.3-2]") {
  SessionLab a{persistent("a")};
  SessionLab b{persistent("b")};
  a.connect();
  b.connect();
  REQUIRE(a.publish("t", "x", kQoS1));
  a.session.transport_lost(a.now);
  b.session.transport_lost(b.now);
  b.connect(true);
  CHECK(b.quiet());
  REQUIRE(a.session.configure(persistent("b")));  // another identifier: a's message is not b's
  CHECK(a.take<event::Failed>());
  a.connect(true);
  CHECK(a.quiet());
}

TEST_CASE("a received QoS 2 message stays known over a disconnection while the server keeps the session", "[mqtt][MQTT311-4.1.0-1]") {
  SessionLab lab{persistent()};
  lab.connect();
  lab.receive("34 05 0001 61 0007");
  CHECK(lab.take<event::MessageReceived>());
  lab.session.transport_lost(lab.now);

  SECTION("kept: it is the same message") {
    lab.connect(true);
    lab.receive("3c 05 0001 61 0007");
    CHECK_FALSE(lab.has_events());
    CHECK(lab.sent() == hex("50 02 0007"));
  }
  SECTION("lost: it is another message") {
    lab.connect(false);
    lab.receive("34 05 0001 61 0007");
    CHECK(lab.take<event::MessageReceived>());
  }
}

TEST_CASE("an unanswered SUBSCRIBE is no part of the session", "[mqtt]") {
  SessionLab lab{persistent()};
  lab.connect();
  const auto token = lab.session.subscribe({{"a", kQoS0}}, lab.now);
  lab.session.transport_lost(lab.now);
  CHECK(lab.take<event::Failed>()->token == *token);
  lab.connect(true);
  CHECK(lab.quiet());
}

TEST_CASE("an incomplete packet of a lost connection is forgotten", "[mqtt]") {
  SessionLab lab{persistent()};
  lab.connect();
  lab.receive("30 05 00");
  lab.session.transport_lost(lab.now);
  lab.connect(true);
  lab.receive("30 03 0001 61");
  CHECK(lab.take<event::MessageReceived>()->message.topic == "a");
}

TEST_CASE("messages that never left wait for the next connection, also of a clean session", "[mqtt]") {
  SessionLab lab;
  lab.open();
  REQUIRE(lab.publish("t", "x", kQoS1));
  lab.session.transport_lost(lab.now);
  lab.connect();
  CHECK(lab.sent() == hex("32 06 0001 74 0001 78"));
}
