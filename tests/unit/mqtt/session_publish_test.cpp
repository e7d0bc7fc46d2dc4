#include <catch2/catch.hpp>

#include <set>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("a message of QoS 0 is sent once, with DUP 0 and no identifier", "[mqtt][MQTT311-4.3.1-1][MQTT311-2.3.1-5]") {
  SessionLab lab;
  lab.connect();
  const auto connect_bytes = 14U;  // 2 + 10 + 2: CONNECT with an empty client identifier
  const auto token = lab.publish("t", "x", kQoS0);
  const auto sent = lab.take<event::Sent>();
  REQUIRE(sent);
  CHECK(sent->token == *token);
  CHECK(sent->output_end == connect_bytes + 6);
  REQUIRE(lab.publish("t", "x", kQoS0, true));
  CHECK(lab.sent() == hex("30 04 0001 74 78  31 04 0001 74 78"));
}

TEST_CASE("a message of QoS 1 is unacknowledged until PUBACK", "[mqtt][MQTT311-4.3.2-1][MQTT311-2.3.1-1]") {
  SessionLab lab;
  lab.connect();
  const auto token = lab.publish("t", "x", kQoS1);
  CHECK(lab.sent() == hex("32 06 0001 74 0001 78"));
  CHECK(lab.session.in_flight() == 1);
  lab.receive("40 02 0001");
  CHECK(lab.take<event::Delivered>()->token == *token);
  CHECK(lab.session.in_flight() == 0);
  lab.receive("40 02 0001");  // once more: nothing waits for it
  CHECK(lab.quiet());
  CHECK(lab.session.is_connected());
}

TEST_CASE("a message of QoS 2 goes through PUBREC, PUBREL and PUBCOMP", "[mqtt][MQTT311-4.3.3-1][MQTT311-3.6.1-1]") {
  SessionLab lab;
  lab.connect();
  const auto token = lab.publish("t", "x", kQoS2);
  CHECK(lab.sent() == hex("34 06 0001 74 0001 78"));
  lab.receive("50 02 0001");
  CHECK(lab.sent() == hex("62 02 0001"));
  CHECK_FALSE(lab.has_events());
  lab.receive("50 02 0001");
  CHECK(lab.sent() == hex("62 02 0001"));
  lab.receive("70 02 0001");
  CHECK(lab.take<event::Delivered>()->token == *token);
  CHECK(lab.session.in_flight() == 0);
  lab.receive("50 02 0063");  // of an exchange that is not known: the server may end it
  CHECK(lab.sent() == hex("62 02 0063"));
}

TEST_CASE("acknowledgments of the wrong kind end the connection", "[mqtt]") {
  const std::pair<QoS, const char*> table[] = {
      {kQoS1, "50 02 0001"}, {kQoS1, "70 02 0001"}, {kQoS2, "40 02 0001"}, {kQoS2, "70 02 0001"}, {kQoS1, "90 03 0001 00"}};
  for (const auto& [qos, digits] : table) {
    SessionLab lab{persistent()};
    lab.connect();
    REQUIRE(lab.publish("t", "x", qos));
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
    CHECK(lab.session.in_flight() == 1);  // it was not delivered
  }
}

TEST_CASE("PUBREL follow the order of PUBREC", "[mqtt][MQTT311-4.6.0-4]") {
  SessionLab lab;
  lab.connect();
  for (int i = 0; i < 9; ++i) REQUIRE(lab.publish("t", "", kQoS2));
  (void)lab.sent();
  lab.receive("50 02 0009 50 02 0005");
  CHECK(lab.sent() == hex("62 02 0009 62 02 0005"));
}

TEST_CASE(
    "what must not be published is refused",
    "[mqtt][MQTT311-3.3.1-4][MQTT311-3.3.2-1][MQTT311-3.3.2-2][MQTT311-1.5.3-N1][MQTT311-4.7.1-1][MQTT311-1.5.3-1][MQTT311-1.5.3-2]") {
  SessionLab lab;
  lab.connect();
  for (const auto& topic : {std::string{"a/+"}, std::string{"a/#"}, std::string{}, std::string{"\xed\xa0\x80"}, std::string("a\0b", 3),
                            std::string(65536, 'a')}) {
    CHECK(lab.publish(topic, "x", kQoS0).error() == mqtt::Error::invalid_topic);
  }
  CHECK(lab.publish("t", "x", static_cast<QoS>(3)).error() == tapir::Error::invalid_argument);
  const Payload huge{std::vector<std::byte>(kMaxRemainingLength)};
  CHECK(lab.publish("t", huge, kQoS0).error() == tapir::Error::message_too_large);
  CHECK(lab.quiet());
  CHECK(lab.publish(std::string(65535, 'a'), "x", kQoS0));
  CHECK(lab.sent().size() == 1 + 3 + 2 + 65535 + 1);
}

TEST_CASE("identifiers are never 0 and never in use", "[mqtt][MQTT311-2.3.1-1][MQTT311-2.3.1-2]") {
  SessionLab lab{SessionLimits{.max_in_flight = 65535, .output_high_water = 1U << 30U}};
  lab.connect();
  const auto publish_one = [&] {
    REQUIRE(lab.publish("t", "", kQoS1));
    const auto bytes = lab.sent();
    REQUIRE(bytes.size() == 7);
    return static_cast<unsigned>(std::to_integer<unsigned>(bytes[5]) << 8U | std::to_integer<unsigned>(bytes[6]));
  };
  std::set<unsigned> used;
  for (int i = 0; i < 65534; ++i) used.insert(publish_one());
  CHECK(used.size() == 65534);
  CHECK(*used.begin() >= 1);

  // Free 0x1234 only: with one more unused identifier the next two are known, whatever the order.
  lab.receive("40 02 1234");
  const auto left = [&] {
    for (unsigned id = 1; id <= 65535; ++id) {
      if (!used.contains(id)) return id;
    }
    return 0U;
  }();
  const std::set<unsigned> expected{0x1234U, left};
  const auto first = publish_one();
  const auto second = publish_one();
  CHECK(std::set<unsigned>{first, second} == expected);

  REQUIRE(lab.publish("t", "", kQoS1));  // all 65,535 are in use now
  CHECK(lab.sent().empty());
  CHECK(lab.session.queued() == 1);
  CHECK(lab.session.subscribe({{"t", kQoS0}}, lab.now).error() == mqtt::Error::session_full);
  lab.receive("40 02 0001");
  CHECK(lab.sent() == hex("32 05 0001 74 0001"));
}

TEST_CASE("70000 messages one after the other never bear identifier 0", "[mqtt][MQTT311-2.3.1-1]") {
  SessionLab lab;
  lab.connect();
  for (unsigned i = 0; i < 70'000; ++i) {
    REQUIRE(lab.publish("t", "", kQoS1));
    auto bytes = lab.sent();
    REQUIRE(bytes.size() == 7);
    const Bytes puback{std::byte{0x40}, std::byte{2}, bytes[5], bytes[6]};
    REQUIRE(std::to_integer<unsigned>(bytes[5]) + std::to_integer<unsigned>(bytes[6]) > 0);
    lab.session.input(puback, lab.now);
    REQUIRE(lab.take<event::Delivered>());
  }
}

TEST_CASE("messages beyond the limit in flight wait for an acknowledgment", "[mqtt]") {
  SessionLab lab{SessionLimits{.max_in_flight = 2}};
  lab.connect();
  for (const auto* payload : {"a", "b", "c"}) REQUIRE(lab.publish("t", payload, kQoS1));
  CHECK(lab.sent() == hex("32 06 0001 74 0001 61  32 06 0001 74 0002 62"));
  CHECK(lab.session.queued() == 1);
  lab.receive("40 02 0002");
  CHECK(lab.sent() == hex("32 06 0001 74 0003 63"));
}

TEST_CASE("the queue is bounded in messages and in bytes, but takes one message of any size", "[mqtt]") {
  SessionLab lab{SessionLimits{.max_queued = 2, .max_queued_bytes = 10}};
  REQUIRE(lab.publish("t", Payload{std::string(100, 'x')}, kQoS1));
  CHECK(lab.publish("t", "", kQoS1).error() == tapir::Error::no_buffer_space);

  SessionLab small{SessionLimits{.max_queued = 2, .max_queued_bytes = 10}};
  REQUIRE(small.publish("t", "12345", kQoS1));
  CHECK(small.publish("t", "123456", kQoS1).error() == tapir::Error::no_buffer_space);
  REQUIRE(small.publish("t", "12345", kQoS0));
  CHECK(small.publish("t", "", kQoS1).error() == tapir::Error::no_buffer_space);
  small.connect();
  CHECK(small.sent() == hex("32 0a 0001 74 0001 3132333435  30 08 0001 74 3132333435"));
  CHECK(small.session.queued() == 0);
}

TEST_CASE("messages wait while the transport takes no output", "[mqtt]") {
  SessionLab lab{SessionLimits{.max_queued = 5, .output_high_water = 50}};
  lab.connect();
  const Payload payload{std::string(40, 'x')};
  CHECK(lab.publish("t", payload, kQoS0));
  CHECK(lab.publish("t", payload, kQoS0));
  CHECK(lab.session.pending_output() == 90);
  for (int i = 0; i < 5; ++i) CHECK(lab.publish("t", payload, kQoS0));
  CHECK(lab.session.pending_output() == 90);
  CHECK(lab.publish("t", payload, kQoS0).error() == tapir::Error::no_buffer_space);
  CHECK(lab.sent().size() == 7 * 45);
}

TEST_CASE("queued messages can be withdrawn", "[mqtt]") {
  SessionLab lab;
  const auto token = lab.publish("t", "x", kQoS1);
  lab.session.fail_queued(tapir::Error::operation_canceled);
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *token);
  lab.connect();
  CHECK(lab.quiet());
}

TEST_CASE("a large payload is handed out without a copy", "[mqtt]") {
  SessionLab lab;
  lab.connect();
  const Payload payload{std::string(100'000, 'x')};
  REQUIRE(lab.publish("t", payload, kQoS0));
  const auto head = lab.session.take_output(lab.now);
  REQUIRE(head);
  CHECK(Bytes{head->bytes().begin(), head->bytes().end()} == hex("30 a3 8d 06 0001 74"));  // 100003 = 35 + 13 * 128 + 6 * 16384
  const auto body = lab.session.take_output(lab.now);
  REQUIRE(body);
  CHECK(body->bytes().data() == payload.bytes().data());
}
