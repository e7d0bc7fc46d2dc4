#include <catch2/catch.hpp>

#include <set>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("5.0: messages of each QoS go out with fresh identifiers, and wait for their acknowledgments",
          "[mqtt][MQTT5-4.3.1-1][MQTT5-4.3.2-1][MQTT5-4.3.2-2][MQTT5-4.3.2-3][MQTT5-4.3.3-1][MQTT5-4.3.3-2][MQTT5-4.3.3-3][MQTT5-4.3.3-4]"
          "[MQTT5-2.2.1-2][MQTT5-3.3.1-2]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  REQUIRE(lab.publish("t", "x", kQoS0));
  const auto once = lab.publish("t", "y", kQoS1);
  const auto twice = lab.publish("t", "z", kQoS2);
  CHECK(lab.sent() == hex("30 05 0001 74 00 78  32 07 0001 74 0001 00 79  34 07 0001 74 0002 00 7a"));
  CHECK(lab.take<event::Sent>());
  CHECK(lab.session.in_flight() == 2);
  lab.receive("40 03 0001 10");
  const auto delivered = lab.take<event::Delivered>();
  REQUIRE(delivered);
  CHECK(delivered->token == *once);
  CHECK(delivered->reason == ReasonCode::no_matching_subscribers);
  lab.receive("50 02 0002");
  CHECK(lab.sent() == hex("62 02 0002"));
  CHECK(lab.session.in_flight() == 1);
  lab.receive("70 02 0002");
  CHECK(lab.take<event::Delivered>()->token == *twice);
  CHECK(lab.session.in_flight() == 0);
}

TEST_CASE("5.0: no identifier is used twice at a time, and none is 0", "[mqtt][MQTT5-2.2.1-3]") {
  SessionLab lab{with_v5(), SessionLimits{.max_in_flight = 65535, .output_high_water = 1U << 30U}};
  lab.connect5();
  std::set<PacketId> outstanding;
  for (int i = 0; i < 70'000; ++i) {
    REQUIRE(lab.publish("t", "", kQoS1));
    const auto id = only_publish(lab.sent()).id;
    CHECK(id != PacketId{});
    CHECK(outstanding.insert(id).second);
    if (i % 1000 == 5) continue;  // never acknowledged
    lab.receive5(Puback{.id = id});
    CHECK(lab.take<event::Delivered>());
    outstanding.erase(id);
  }
  CHECK(outstanding.size() == 70);
}

TEST_CASE("5.0: a failing PUBACK or PUBREC ends the exchange with the server's reason, for good",
          "[mqtt][MQTT5-4.4.0-2][MQTT5-3.3.4-7][MQTT5-4.9.0-N1]") {
  SessionLab lab{kept_v5()};
  lab.connect5({{property::receive_maximum, 1}});
  const auto once = lab.publish("t", "x", kQoS1);
  const auto twice = lab.publish("t", "y", kQoS2);
  CHECK(packets_of(lab.sent()).size() == 1);
  lab.receive5(Puback{.id = PacketId{1}, .reason = ReasonCode::quota_exceeded, .properties = {{property::reason_string, "full"}}});
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *once);
  CHECK(failed->error == ReasonCode::quota_exceeded);
  CHECK(failed->properties.get(property::reason_string) == "full");
  CHECK(only_publish(lab.sent()).qos == kQoS2);
  lab.receive5(Pubrec{.id = PacketId{2}, .reason = ReasonCode::not_authorized});
  CHECK(lab.take<event::Failed>()->token == *twice);
  CHECK(lab.sent().empty());  // no PUBREL
  lab.session.transport_lost(lab.now);
  lab.connect5({}, true);
  CHECK(lab.sent().empty());
}

TEST_CASE("5.0: nothing is sent again on a live connection, and in order on the next",
          "[mqtt][MQTT5-4.4.0-1][MQTT5-4.6.0-1][MQTT5-4.6.0-4][MQTT5-4.3.3-5][MQTT5-4.3.3-6][MQTT5-3.3.1-1][MQTT5-3.3.1-3]") {
  auto options = kept_v5();
  options.keep_alive = 0s;
  SessionLab lab{options, SessionLimits{.ack_timeout = Duration::zero()}};
  lab.connect5();
  for (const auto* payload : {"1", "2", "3", "4", "5"}) REQUIRE(lab.publish("t", payload, kQoS2));
  lab.receive("50 02 0004 50 02 0002");
  CHECK(packets_of(lab.sent()).size() == 7);
  lab.advance(1h);
  CHECK(lab.quiet());
  lab.session.transport_lost(lab.now);
  lab.connect5({}, true);
  CHECK(lab.sent() == hex("3c 07 0001 74 0001 00 31  3c 07 0001 74 0003 00 33  3c 07 0001 74 0005 00 35  62 02 0004  62 02 0002"));
  lab.receive("70 02 0004 70 02 0002");
  CHECK(lab.take<event::Delivered>());
  CHECK(lab.take<event::Delivered>());
}

TEST_CASE("5.0: PUBREL follow the order of PUBREC", "[mqtt][MQTT5-4.6.0-4]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  for (int i = 0; i < 9; ++i) REQUIRE(lab.publish("t", "", kQoS2));
  (void)lab.sent();
  lab.receive("50 02 0009 50 02 0005");
  CHECK(lab.sent() == hex("62 02 0009 62 02 0005"));
}

TEST_CASE("5.0: what the server does not take is refused before it is sent",
          "[mqtt][MQTT5-3.2.2-11][MQTT5-3.2.2-14][MQTT5-3.2.2-15][MQTT5-3.2.2-N4]") {
  SessionLab lab{with_v5()};
  lab.connect5({{property::maximum_qos, 1},
                {property::retain_available, false},
                {property::maximum_packet_size, 50},
                {property::wildcard_subscription_available, false},
                {property::subscription_identifier_available, false},
                {property::shared_subscription_available, false}});
  CHECK(error_of(lab.publish("t", "x", kQoS2)) == ReasonCode::qos_not_supported);
  CHECK(error_of(lab.publish("t", "x", kQoS1, true)) == ReasonCode::retain_not_supported);
  CHECK(error_of(lab.publish("t", Payload{std::string(45, 'x')}, kQoS0)) == mqtt::Error::packet_too_large);  // 51 bytes
  CHECK(error_of(lab.session.subscribe({{"a/#"}}, lab.now)) == ReasonCode::wildcard_subscriptions_not_supported);
  CHECK(error_of(lab.session.subscribe({{"$share/g/a"}}, lab.now)) == ReasonCode::shared_subscriptions_not_supported);
  CHECK(error_of(lab.session.subscribe({{"a"}}, lab.now, {{property::subscription_identifier, 1}})) ==
        ReasonCode::subscription_identifiers_not_supported);
  CHECK(error_of(lab.session.subscribe({{std::string(50, 'a')}}, lab.now)) == mqtt::Error::packet_too_large);
  CHECK(lab.quiet());
  CHECK(lab.session.is_connected());
  CHECK(lab.publish("t", "x", kQoS1));
  CHECK(lab.publish("t", Payload{std::string(44, 'x')}, kQoS0));  // 50 bytes
  CHECK(lab.session.subscribe({{"a"}}, lab.now));
  CHECK(packets_of(lab.sent()).size() == 3);
  CHECK(lab.session.in_flight() == 2);
}

TEST_CASE("5.0: a message that waited fails when the server does not take it", "[mqtt][MQTT5-3.2.2-11][MQTT5-3.2.2-15]") {
  SessionLab lab{with_v5()};
  const auto forbidden = lab.publish("t", "x", kQoS2);
  const auto large = lab.publish("t", Payload{std::string(100, 'x')}, kQoS0);
  const auto fine = lab.publish("t", "y", kQoS1);
  lab.connect5({{property::maximum_qos, 1}, {property::maximum_packet_size, 50}});
  CHECK(only_publish(lab.sent()).payload == Payload{"y"});
  const auto first = lab.take<event::Failed>();
  REQUIRE(first);
  CHECK(first->token == *forbidden);
  CHECK(first->error == ReasonCode::qos_not_supported);
  const auto second = lab.take<event::Failed>();
  REQUIRE(second);
  CHECK(second->token == *large);
  CHECK(second->error == mqtt::Error::packet_too_large);
  lab.receive("40 02 0001");
  CHECK(lab.take<event::Delivered>()->token == *fine);
}

TEST_CASE("5.0: what the server of a new connection does not take is not sent again, and its exchanges end",
          "[mqtt][MQTT5-3.2.2-11][MQTT5-3.2.2-14][MQTT5-3.2.2-15]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  const auto too_good = lab.publish("t", "1", kQoS2);
  const auto retained = lab.publish("t", "2", kQoS1, true);
  const auto large = lab.publish("t", Payload{std::string(50, 'x')}, kQoS1);
  const auto fine = lab.publish("t", "4", kQoS1);
  const auto released = lab.publish("t", "5", kQoS2, true);
  (void)lab.sent();
  lab.receive("50 02 0005");
  CHECK(lab.sent() == hex("62 02 0005"));
  lab.session.transport_lost(lab.now);
  lab.connect5({{property::maximum_qos, 1}, {property::retain_available, false}, {property::maximum_packet_size, 50}}, true);
  CHECK(lab.sent() == hex("3a 07 0001 74 0004 00 34  62 02 0005"));  // PUBREL is no PUBLISH
  const std::pair<Token, std::error_code> failures[] = {
      {*too_good, ReasonCode::qos_not_supported}, {*retained, ReasonCode::retain_not_supported}, {*large, mqtt::Error::packet_too_large}};
  for (const auto& [token, error] : failures) {
    const auto failed = lab.take<event::Failed>();
    REQUIRE(failed);
    CHECK(failed->token == token);
    CHECK(failed->error == error);
  }
  CHECK(lab.session.in_flight() == 2);
  lab.receive("40 02 0004 70 02 0005");
  CHECK(lab.take<event::Delivered>()->token == *fine);
  CHECK(lab.take<event::Delivered>()->token == *released);
  lab.session.transport_lost(lab.now);
  lab.connect5({}, true);
  CHECK(lab.quiet());
}

TEST_CASE("5.0: PUBREL has one of its two reason codes: the message is released, or the identifier is unknown", "[mqtt][MQTT5-3.6.2-1]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  REQUIRE(lab.publish("t", "x", kQoS2));
  (void)lab.sent();
  for (const auto* const pubrec : {"50 02 0001", "50 03 0001 10", "50 02 0001"}) {  // also of a PUBREC that comes again
    lab.receive(pubrec);
    CHECK(lab.sent() == hex("62 02 0001"));
  }
  for (const auto* const pubrec : {"50 02 0007", "50 03 0007 10"}) {
    lab.receive(pubrec);
    CHECK(lab.sent() == hex("62 03 0007 92"));
  }
  for (const auto* const pubrec : {"50 03 0007 80", "50 03 0007 91"}) {
    lab.receive(pubrec);
    CHECK(lab.sent().empty());
  }
  CHECK(lab.session.is_connected());
  SessionLab lenient{with_v5(), SessionLimits{.lenient = true}};  // as libmosquitto does
  lenient.connect5();
  lenient.receive("50 02 0007");
  CHECK(lenient.sent() == hex("62 02 0007"));
}

TEST_CASE(
    "5.0: acknowledgments have no texts, whatever the server's maximum packet size",
    "[mqtt][MQTT5-3.4.2-2][MQTT5-3.4.2-3][MQTT5-3.5.2-2][MQTT5-3.5.2-3][MQTT5-3.6.2-2][MQTT5-3.6.2-3][MQTT5-3.7.2-2][MQTT5-3.7.2-3]") {
  for (const std::uint32_t maximum : {1U, 4U, 5U, 1000U}) {
    SessionLab lab{with_v5()};
    lab.connect5({{property::maximum_packet_size, maximum}});
    lab.receive("32 06 0001 61 0001 00  34 06 0001 61 0002 00  62 02 0002");
    CHECK(lab.sent() == hex("40 02 0001 50 02 0002 70 02 0002"));
    lab.receive("50 02 0003  62 02 0004");  // of nothing: what has no room for the reason code goes without it
    CHECK(lab.sent() == hex(maximum < 5 ? "62 02 0003 70 02 0004" : "62 03 0003 92 70 03 0004 92"));
    CHECK(lab.session.is_connected());
  }
}

TEST_CASE("5.0: the message expiry interval is counted down while a message waits, and not after it was sent", "[mqtt][MQTT5-4.3.3-7]") {
  SessionLab lab{kept_v5()};
  const auto publish = [&](const char* payload, QoS qos, std::uint32_t seconds) {
    return *lab.session.publish(
        {.topic = "t", .payload = payload, .qos = qos, .properties = {{property::message_expiry_interval, seconds}}}, lab.now);
  };
  const auto expired = publish("a", kQoS0, 10);
  publish("b", kQoS2, 60);
  lab.now += 20s;
  lab.connect5();
  const auto sent = only_publish(lab.sent());
  CHECK(sent.payload == Payload{"b"});
  CHECK(sent.properties.get(property::message_expiry_interval) == 40U);
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == expired);
  CHECK(failed->error == mqtt::Error::message_expired);
  lab.session.transport_lost(lab.now);
  lab.advance(100s);
  lab.connect5({}, true);
  const auto again = only_publish(lab.sent());  // its exchange goes on all the same
  CHECK(again.duplicate);
  CHECK(again.properties.get(property::message_expiry_interval) == 0U);
  lab.receive("50 02 0001");
  CHECK(lab.sent() == hex("62 02 0001"));
  lab.receive("70 02 0001");
  CHECK(lab.take<event::Delivered>());
}

TEST_CASE("5.0: a request and its answer carry response topic, correlation data and user properties",
          "[mqtt][MQTT5-3.3.2-14][MQTT5-3.3.4-6]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  const Properties properties{
      {property::response_topic, "answers"}, {property::correlation_data, std::string("\0\x01", 2)}, {property::user_property, {"k", "v"}}};
  REQUIRE(lab.session.publish({.topic = "t", .qos = kQoS0, .properties = properties}, lab.now));
  CHECK(only_publish(lab.sent()).properties == properties);
  CHECK(error_of(lab.session.publish({.topic = "t", .properties = {{property::response_topic, "a/#"}}}, lab.now)) ==
        mqtt::Error::invalid_property);
  CHECK(error_of(lab.session.publish({.topic = "t", .properties = {{property::subscription_identifier, 1}}}, lab.now)) ==
        mqtt::Error::property_not_allowed);
  CHECK(error_of(lab.session.publish({.topic = "t", .properties = {{property::server_keep_alive, 1}}}, lab.now)) ==
        mqtt::Error::property_not_allowed);
}

TEST_CASE("5.0: what must not be published is refused",
          "[mqtt][MQTT5-3.3.1-4][MQTT5-4.7.0-1][MQTT5-4.7.3-1][MQTT5-4.7.3-2][MQTT5-4.7.3-3][MQTT5-1.5.4-N1][MQTT5-3.3.2-2]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  for (const auto& topic :
       {std::string{"a/+"}, std::string{"a/#"}, std::string{}, std::string("a\0b", 3), std::string(65536, 'a'), std::string{"a\x01"}}) {
    CHECK(error_of(lab.publish(topic, "x", kQoS0)) == mqtt::Error::invalid_topic);
  }
  CHECK(error_of(lab.publish("t", "x", static_cast<QoS>(3))) == tapir::Error::invalid_argument);
  CHECK(lab.publish(std::string(65535, 'a'), "x", kQoS0));
}

TEST_CASE(
    "5.0: requests are checked before they are sent",
    "[mqtt][MQTT5-3.8.3-1][MQTT5-3.8.3-2][MQTT5-3.8.3-4][MQTT5-3.8.3-N1][MQTT5-3.10.3-1][MQTT5-3.10.3-2][MQTT5-4.7.1-1][MQTT5-4.7.1-2]"
    "[MQTT5-4.8.2-1][MQTT5-4.8.2-2][MQTT5-3.8.2-N1]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  const auto subscribe = [&](Subscription subscription, Properties properties = {}) {
    return error_of(lab.session.subscribe({std::move(subscription)}, lab.now, std::move(properties)));
  };
  for (const auto* filter : {"", "a#", "a/#/b", "a+", "\xed\xa0\x80", "$share//a", "$share/g", "$share/g+/a"}) {
    CHECK(subscribe({filter}) == mqtt::Error::invalid_filter);
  }
  CHECK(error_of(lab.session.subscribe({}, lab.now)) == tapir::Error::invalid_argument);
  CHECK(error_of(lab.session.unsubscribe({}, lab.now)) == tapir::Error::invalid_argument);
  CHECK(error_of(lab.session.unsubscribe({"\xed\xa0\x80"}, lab.now)) == mqtt::Error::invalid_filter);
  CHECK(subscribe({"a", static_cast<QoS>(3)}) == tapir::Error::invalid_argument);
  CHECK(subscribe({"a", kQoS0, false, false, static_cast<RetainHandling>(3)}) == tapir::Error::invalid_argument);
  CHECK(subscribe({"$share/g/a", kQoS0, true}) == tapir::Error::invalid_argument);
  CHECK(subscribe({"a"}, {{property::subscription_identifier, 0}}) == mqtt::Error::invalid_property);
  CHECK(lab.quiet());
  CHECK_FALSE(
      subscribe({"$share/g/a/#", kQoS1, false, true, RetainHandling::at_new_subscription}, {{property::subscription_identifier, 5}}));
  CHECK(lab.sent() == hex("82 14 0001 02 0b 05 000c 2473686172652f672f612f23 19"));
}

TEST_CASE("5.0: SUBACK and UNSUBACK give each filter its reason code",
          "[mqtt][MQTT5-3.9.3-1][MQTT5-3.9.3-2][MQTT5-3.11.3-1][MQTT5-3.11.3-2]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  const auto subscribed = lab.session.subscribe({{"a"}, {"b"}, {"c"}}, lab.now);
  lab.receive("90 06 0001 00 02 87 01");
  const auto granted = lab.take<event::Subscribed>();
  REQUIRE(granted);
  CHECK(granted->token == *subscribed);
  CHECK(granted->codes == std::vector{ReasonCode::granted_qos_2, ReasonCode::not_authorized, ReasonCode::granted_qos_1});
  const auto unsubscribed = lab.session.unsubscribe({"a", "b"}, lab.now);
  lab.receive("b0 05 0002 00 11 00");
  const auto gone = lab.take<event::Unsubscribed>();
  REQUIRE(gone);
  CHECK(gone->token == *unsubscribed);
  CHECK(gone->codes == std::vector{ReasonCode::no_subscription_existed, ReasonCode::success});

  for (const auto* digits : {"90 04 0001 00 00", "90 05 0001 00 00 05", "90 05 0063 00 00 00"}) {
    SessionLab other{with_v5()};
    other.connect5();
    REQUIRE(other.session.subscribe({{"a"}, {"b"}}, other.now));
    (void)other.sent();
    other.receive(digits);
    CHECK(other.sent() == hex("e0 01 82"));
  }
  SessionLab other{with_v5()};
  other.connect5();
  REQUIRE(other.session.unsubscribe({"a", "b"}, other.now));
  (void)other.sent();
  other.receive("b0 04 0001 00 00");
  CHECK(other.sent() == hex("e0 01 82"));
}

TEST_CASE("before 5.0 nothing of 5.0 can be asked for", "[mqtt]") {
  SessionLab lab;
  lab.connect();
  const Properties properties{{property::user_property, {"k", "v"}}};
  CHECK(error_of(lab.session.publish({.topic = "t", .properties = properties}, lab.now)) == mqtt::Error::not_in_this_version);
  CHECK(error_of(lab.session.subscribe({{"a"}}, lab.now, properties)) == mqtt::Error::not_in_this_version);
  CHECK(error_of(lab.session.subscribe({{"a", kQoS0, true}}, lab.now)) == mqtt::Error::not_in_this_version);
  CHECK(error_of(lab.session.unsubscribe({"a"}, lab.now, properties)) == mqtt::Error::not_in_this_version);
  CHECK(lab.session.disconnect(lab.now, ReasonCode::disconnect_with_will).error() == mqtt::Error::not_in_this_version);
  CHECK(lab.session.reauthenticate("x", lab.now).error() == tapir::Error::invalid_argument);
  CHECK(lab.quiet());
}
