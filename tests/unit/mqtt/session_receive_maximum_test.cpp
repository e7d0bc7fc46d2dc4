#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// How many unacknowledged messages of QoS 1 and 2 a server of 5.0 takes (section 4.9).
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("5.0: the server's Receive Maximum holds back messages and nothing else",
          "[mqtt][MQTT5-3.3.4-7][MQTT5-3.3.4-8][MQTT5-4.9.0-1][MQTT5-4.9.0-2][MQTT5-4.9.0-3][MQTT5-4.9.0-N1]") {
  SessionLab lab{with_v5()};
  lab.connect5({{property::receive_maximum, 2}});
  for (const auto* payload : {"1", "2", "3", "4"}) REQUIRE(lab.publish("t", payload, kQoS2));
  CHECK(packets_of(lab.sent()).size() == 2);
  REQUIRE(lab.session.subscribe({{"a"}}, lab.now));
  lab.receive("32 06 0001 61 0009 00  62 02 0008");
  CHECK(lab.take<event::MessageReceived>());
  CHECK(lab.sent() == hex("82 07 0003 00 0001 61 00  40 02 0009  70 03 0008 92"));
  lab.advance(55s);
  CHECK(lab.sent() == hex("c0 00"));
  lab.receive("50 02 0001");
  CHECK(lab.sent() == hex("62 02 0001"));  // PUBREC frees nothing yet
  lab.receive("70 02 0001");
  CHECK(only_publish(lab.sent()).payload == Payload{"3"});
  lab.receive("40 02 0063 40 02 0062");  // acknowledgments of nothing do not raise the quota
  CHECK(lab.sent().empty());
  lab.receive("50 03 0002 80");
  CHECK(only_publish(lab.sent()).payload == Payload{"4"});
}

TEST_CASE("5.0: the Receive Maximum of a new connection holds for what is sent again",
          "[mqtt][MQTT5-3.3.4-7][MQTT5-4.4.0-1][MQTT5-4.6.0-1]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  for (const auto* payload : {"1", "2", "3"}) REQUIRE(lab.publish("t", payload, kQoS1));
  (void)lab.sent();
  lab.session.transport_lost(lab.now);
  lab.connect5({{property::receive_maximum, 1}}, true);
  for (const auto id : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}}) {
    const auto again = only_publish(lab.sent());
    CHECK(again.duplicate);
    CHECK(again.id == PacketId{id});
    lab.receive5(Puback{.id = PacketId{id}});
  }
  CHECK(lab.sent().empty());
}

TEST_CASE("5.0: what an earlier connection had sent frees no place on this one", "[mqtt][MQTT5-3.3.4-7][MQTT5-4.9.0-1][MQTT5-4.9.0-N1]") {
  SessionLab lab{kept_v5()};
  lab.connect5({{property::receive_maximum, 3}});
  for (int i = 0; i < 3; ++i) REQUIRE(lab.publish("t", "old", kQoS2));
  lab.receive("50 02 0001 50 02 0002");  // of these only PUBREL is sent again, the third is a PUBLISH still
  (void)lab.sent();
  lab.session.transport_lost(lab.now);
  for (int i = 0; i < 10; ++i) REQUIRE(lab.publish("t", "new", kQoS1));
  lab.connect5({{property::receive_maximum, 3}}, true);
  std::size_t publishes = 0;
  const auto count = [&] {
    for (const auto& packet : packets_of(lab.sent())) publishes += std::holds_alternative<Publish>(packet) ? 1 : 0;
    return publishes;
  };
  CHECK(count() == 3);
  lab.receive("70 02 0001 70 02 0002");
  CHECK(lab.take<event::Delivered>());
  CHECK(lab.take<event::Delivered>());
  CHECK(count() == 3);
  lab.receive("50 02 0003 70 02 0003");  // its PUBLISH went out on this connection
  CHECK(count() == 4);
  for (std::size_t i = 0; i < 9; ++i) {
    lab.receive5(Puback{.id = PacketId{static_cast<std::uint16_t>(4 + i)}});
    CHECK(count() == std::min<std::size_t>(5 + i, 11));
  }
  lab.receive("40 02 000d");
  CHECK(lab.session.in_flight() == 0);
  for (int i = 0; i < 4; ++i) REQUIRE(lab.publish("t", "last", kQoS1));
  CHECK(count() == 14);  // the whole quota, and not more
}

TEST_CASE("5.0: a server that names no Receive Maximum takes 65535 messages, and so does a client",
          "[mqtt][MQTT5-3.1.2-N7][MQTT5-4.9.0-1][MQTT5-3.3.4-7]") {
  SessionLab lab{with_v5(), SessionLimits{.max_in_flight = 65535, .max_queued = 10, .output_high_water = 1U << 30U}};
  lab.connect5();
  for (int i = 0; i < 65535; ++i) REQUIRE(lab.publish("t", "", kQoS1));
  CHECK(lab.session.queued() == 0);
  REQUIRE(lab.publish("t", "", kQoS1));
  CHECK(lab.session.queued() == 1);
  CHECK(lab.session.in_flight() == 65535);
  (void)lab.sent();
  lab.receive("40 02 0001");
  CHECK(only_publish(lab.sent()).id == PacketId{1});

  SessionLab receiver{with_v5()};
  receiver.connect5();
  for (unsigned id = 1; id <= 65535; ++id) {
    receiver.receive5(Publish{.qos = kQoS2, .topic = "a", .id = PacketId{static_cast<std::uint16_t>(id)}});
    REQUIRE(receiver.take<event::MessageReceived>());
  }
  CHECK(receiver.session.is_connected());
  CHECK(receiver.session.unreleased() == 65535);
}
