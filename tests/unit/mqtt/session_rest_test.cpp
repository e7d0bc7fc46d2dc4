#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// A session that has nothing to do lets its working memory go, and goes on where it was.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

static_assert(sizeof(Session) <= 216);  // and the allocator's word: 224 bytes for an idle client, bench/mqtt/idle_session.cpp measures it

TEST_CASE("the end of a message in the stream counts over a rest", "[mqtt]") {
  SessionLab lab{ConnectOptions{.client_id = "c"}};
  REQUIRE(lab.session.connected(lab.now));
  const std::uint64_t connect = lab.sent().size();
  lab.receive("20 02 00 00");
  REQUIRE(lab.take<event::Connected>());
  for (const std::uint64_t count : {1U, 2U, 3U}) {
    CHECK(lab.quiet());
    REQUIRE(lab.publish("t", "x", kQoS0));
    CHECK(lab.take<event::Sent>()->output_end == connect + count * 6);
    CHECK(lab.sent() == hex("30 04 0001 74 78"));
  }
}

TEST_CASE("the server's Receive Maximum holds after a rest", "[mqtt][MQTT5-3.3.4-7]") {
  SessionLab lab{with_v5()};
  lab.connect5({{property::receive_maximum, 1}});
  for (const auto* const id : {"0001", "0003"}) {
    CHECK(lab.quiet());
    for (int i = 0; i < 2; ++i) REQUIRE(lab.publish("t", "x", kQoS1));
    CHECK(lab.sent() == hex(std::string{"32 07 0001 74 "} + id + " 00 78"));
    lab.receive(std::string{"40 02 "} + id);
    CHECK(lab.take<event::Delivered>());
    CHECK(lab.sent().size() == 9);  // the second one
    lab.receive(id == std::string{"0001"} ? "40 02 0002" : "40 02 0004");
    CHECK(lab.take<event::Delivered>());
  }
}

TEST_CASE("topic aliases of both directions outlive a rest", "[mqtt][MQTT5-3.3.2-10]") {
  SessionLab lab{with_v5({{property::topic_alias_maximum, 1}})};
  lab.connect5({{property::topic_alias_maximum, 1}});
  for (const auto* const bytes : {"30 08 0001 74 03 23 0001 78", "30 07 0000 03 23 0001 78"}) {
    CHECK(lab.quiet());
    REQUIRE(lab.publish("t", "x", kQoS0));
    CHECK(lab.sent() == hex(bytes));
    CHECK(lab.take<event::Sent>());
    lab.receive(bytes);
    CHECK(lab.take<event::MessageReceived>()->message.topic == "t");
  }
}

TEST_CASE("what is not complete is no rest", "[mqtt]") {
  SessionLab lab{ConnectOptions{.client_id = "c"}};
  lab.connect();
  SECTION("half a packet") {
    lab.receive("30 04 0001");
    CHECK(lab.quiet());
    lab.receive("74 78");
    CHECK(lab.take<event::MessageReceived>()->message.payload == Payload{"x"});
  }
  SECTION("a message of QoS 2 that is not released") {
    lab.receive("34 06 0001 74 0007 78");
    CHECK(lab.take<event::MessageReceived>());
    CHECK(lab.sent() == hex("50 02 0007"));
    CHECK(lab.quiet());
    lab.receive("3c 06 0001 74 0007 78");
    CHECK(lab.sent() == hex("50 02 0007"));
    CHECK_FALSE(lab.has_events());
  }
  SECTION("an acknowledgment that is awaited") {
    REQUIRE(lab.publish("t", "x", kQoS1));
    CHECK(lab.sent().size() == 8);
    CHECK(lab.quiet());
    CHECK(lab.session.in_flight() == 1);
    lab.receive("40 02 0001");
    CHECK(lab.take<event::Delivered>());
  }
}

TEST_CASE("limits and options that are not the default ones are kept", "[mqtt]") {
  const ConnectOptions options{
      .client_id = "a longer identifier than fits in itself",
      .clean_session = false,
      .keep_alive = 65535s,
      .will = Will{.topic = "w", .payload = "gone", .qos = kQoS1, .properties = {{property::will_delay_interval, 5}}},
      .user_name = "user",
      .password = "secret",
      .version = ProtocolVersion::v5_0,
      .properties = {{property::receive_maximum, 7}},
      .accept_unknown_session = true};
  Session session{{.connack_timeout = 3s}};
  REQUIRE(session.configure(options));
  const auto kept = session.options();
  CHECK(kept.client_id == options.client_id);
  CHECK(kept.clean_session == options.clean_session);
  CHECK(kept.keep_alive == options.keep_alive);
  CHECK(kept.will == options.will);
  CHECK(kept.user_name == options.user_name);
  CHECK(kept.password == options.password);
  CHECK(kept.version == options.version);
  CHECK(kept.properties == options.properties);
  CHECK(kept.accept_unknown_session == options.accept_unknown_session);
  const TimePoint now{1h};
  REQUIRE(session.connected(now));
  CHECK(session.next_deadline() == now + 3s);
}
