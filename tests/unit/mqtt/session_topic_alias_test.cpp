#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// Topic aliases of what is sent, MQTT 5.0 section 3.3.2.3.4.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("5.0: topics are replaced by aliases as far as the server allows",
          "[mqtt][MQTT5-3.2.2-17][MQTT5-3.2.2-18][MQTT5-3.3.2-8][MQTT5-3.3.2-9][MQTT5-3.3.2-7]") {
  SessionLab lab{kept_v5()};
  lab.connect5({{property::topic_alias_maximum, 2}});
  const auto send = [&](const char* topic) {
    REQUIRE(lab.publish(topic, "x", kQoS0));
    CHECK(lab.take<event::Sent>());
    return lab.sent();
  };
  CHECK(send("one") == hex("30 0a 0003 6f6e65 03 23 0001 78"));
  CHECK(send("one") == hex("30 07 0000 03 23 0001 78"));
  CHECK(send("two") == hex("30 0a 0003 74776f 03 23 0002 78"));
  CHECK(send("one") == hex("30 07 0000 03 23 0001 78"));
  CHECK(send("six") == hex("30 0a 0003 736978 03 23 0002 78"));  // the alias unused for longest
  CHECK(send("two") == hex("30 0a 0003 74776f 03 23 0001 78"));
  lab.session.transport_lost(lab.now);
  lab.connect5({{property::topic_alias_maximum, 2}}, true);
  CHECK(send("two") == hex("30 0a 0003 74776f 03 23 0001 78"));  // a new connection knows none
  lab.session.transport_lost(lab.now);
  lab.connect5({}, true);
  CHECK(send("two") == hex("30 07 0003 74776f 00 78"));
  CHECK(error_of(lab.session.publish({.topic = "t", .properties = {{property::topic_alias, 1}}}, lab.now)) ==
        mqtt::Error::property_not_allowed);
}

TEST_CASE("5.0: without aliases of its own the session sends the user's, on this connection", "[mqtt][MQTT5-3.2.2-17]") {
  SessionLab lab{kept_v5(), SessionLimits{.topic_aliases = 0}};
  const auto publish = [&](std::uint16_t alias, QoS qos) {
    return lab.session.publish({.topic = "t", .payload = "x", .qos = qos, .properties = {{property::topic_alias, alias}}}, lab.now);
  };
  lab.connect5({{property::topic_alias_maximum, 5}});
  REQUIRE(publish(5, kQoS1));
  CHECK(lab.sent() == hex("32 0a 0001 74 0001 03 23 0005 78"));
  CHECK(error_of(publish(6, kQoS1)) == mqtt::Error::topic_alias_invalid);
  lab.session.transport_lost(lab.now);
  REQUIRE(publish(1, kQoS0));  // the next server may not want it
  lab.connect5({}, true);
  CHECK(lab.sent() == hex("3a 07 0001 74 0001 00 78"));
  CHECK(lab.take<event::Failed>()->error == mqtt::Error::topic_alias_invalid);
}

TEST_CASE("5.0: an alias is not taken for known when its packet was too large to be sent", "[mqtt][MQTT5-3.3.2-9]") {
  SessionLab lab{with_v5()};
  lab.connect5({{property::topic_alias_maximum, 1}, {property::maximum_packet_size, 30}});
  CHECK(error_of(lab.publish("one", Payload{std::string(40, 'x')}, kQoS0)) == mqtt::Error::packet_too_large);
  REQUIRE(lab.publish("one", "x", kQoS0));
  CHECK(lab.sent() == hex("30 0a 0003 6f6e65 03 23 0001 78"));
}

TEST_CASE("5.0: a message that an alias would make too large goes without one", "[mqtt][MQTT5-3.2.2-15][MQTT5-3.3.2-9]") {
  SessionLab lab{kept_v5()};
  lab.connect5({{property::topic_alias_maximum, 5}, {property::maximum_packet_size, 30}});
  const auto sent = [&](const char* topic, std::size_t size, QoS qos = kQoS0) {
    REQUIRE(lab.publish(topic, Payload{std::string(size, 'x')}, qos));
    if (qos == kQoS0) CHECK(lab.take<event::Sent>());
    return lab.sent();
  };
  const auto plain = sent("one", 22);
  CHECK(plain.size() == 30);
  CHECK(only_publish(plain).topic == "one");
  CHECK(only_publish(plain).properties.empty());
  CHECK(error_of(lab.publish("one", Payload{std::string(23, 'x')}, kQoS0)) == mqtt::Error::packet_too_large);
  CHECK(only_publish(sent("one", 19)).properties.get(property::topic_alias) == 1);  // the first one with room for it
  CHECK(only_publish(sent("one", 22)).topic.empty());
  CHECK(only_publish(sent("t", 1)).properties.get(property::topic_alias) == 2);
  const auto shorter = only_publish(sent("t", 24));  // a topic of one byte is shorter than its alias
  CHECK(shorter.topic == "t");
  CHECK(shorter.properties.empty());
  CHECK(only_publish(sent("t", 1)).topic.empty());
  CHECK(sent("two", 20, kQoS1).size() == 30);
  lab.session.transport_lost(lab.now);
  lab.connect5({{property::topic_alias_maximum, 5}, {property::maximum_packet_size, 30}}, true);
  const auto again = lab.sent();
  CHECK(again.size() == 30);
  CHECK(only_publish(again).duplicate);
}
