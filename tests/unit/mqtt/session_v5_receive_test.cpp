#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("5.0: a received PUBLISH is answered as its QoS asks, whatever the user does",
          "[mqtt][MQTT5-3.3.4-1][MQTT5-2.2.1-5][MQTT5-4.5.0-2][MQTT5-4.3.2-4][MQTT5-4.3.3-8][MQTT5-4.3.3-11][MQTT5-3.7.2-1]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  lab.receive("30 05 0001 61 00 78");
  const auto message = lab.take<event::MessageReceived>();
  REQUIRE(message);
  CHECK(message->message == Message{.topic = "a", .payload = "x"});
  CHECK(lab.quiet());
  lab.receive("32 07 0001 61 1234 00 78");
  CHECK(lab.sent() == hex("40 02 1234"));
  lab.receive("34 07 0001 61 1234 00 78");
  CHECK(lab.sent() == hex("50 02 1234"));
  lab.receive("62 02 1234");
  CHECK(lab.sent() == hex("70 02 1234"));
  lab.receive("62 02 1234");
  CHECK(lab.sent() == hex("70 03 1234 92"));
}

TEST_CASE("5.0: identifiers are new messages after their last acknowledgment, and repetitions before it",
          "[mqtt][MQTT5-4.3.2-5][MQTT5-4.3.3-10][MQTT5-4.3.3-12][MQTT5-4.3.3-13]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  const auto deliveries = [&](const char* digits) {
    lab.receive(digits);
    int count = 0;
    while (lab.has_events()) count += lab.take<event::MessageReceived>() ? 1 : 0;
    return count;
  };
  CHECK(deliveries("32 06 0001 61 0007 00") == 1);
  CHECK(deliveries("3a 06 0001 61 0007 00") == 1);
  CHECK(lab.sent() == hex("40 02 0007 40 02 0007"));
  CHECK(deliveries("34 0b 0001 61 0008 05 02 00000000") == 1);  // expired or not: the exchange goes on
  CHECK(deliveries("3c 06 0001 61 0008 00") == 0);
  CHECK(lab.sent() == hex("50 02 0008 50 02 0008"));
  CHECK(deliveries("62 02 0008") == 0);
  CHECK(lab.sent() == hex("70 02 0008"));
  CHECK(deliveries("34 06 0001 61 0008 00") == 1);
}

TEST_CASE("5.0: acknowledgments follow the order of the messages", "[mqtt][MQTT5-4.6.0-2][MQTT5-4.6.0-3]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  lab.receive("32 06 0001 61 0005 00  32 06 0001 61 0003 00  32 06 0001 61 0009 00");
  CHECK(lab.sent() == hex("40 02 0005 40 02 0003 40 02 0009"));
  lab.receive("34 06 0001 61 0005 00  34 06 0001 61 0003 00  34 06 0001 61 0009 00");
  CHECK(lab.sent() == hex("50 02 0005 50 02 0003 50 02 0009"));
}

TEST_CASE("5.0: properties reach the user, subscription identifiers all of them", "[mqtt][MQTT5-3.3.2-N5][MQTT5-3.3.2-N6][MQTT5-1.5.4-3]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  const Properties properties{{property::subscription_identifier, 3},
                              {property::subscription_identifier, 300},
                              {property::user_property, {"k", "2"}},
                              {property::user_property, {"k", "1"}},
                              {property::response_topic, "r"}};
  lab.receive5(Publish{.topic = "\xef\xbb\xbf"
                                "a",
                       .properties = properties});
  const auto received = lab.take<event::MessageReceived>();
  REQUIRE(received);
  CHECK(received->message.topic ==
        "\xef\xbb\xbf"
        "a");
  CHECK(received->message.properties == properties);
  CHECK(received->message.properties.all(property::subscription_identifier) == std::vector<std::uint32_t>{3, 300});
}

TEST_CASE("5.0: a received message has its alias still if that is wanted", "[mqtt]") {
  for (const bool wanted : {false, true}) {
    SessionLab lab{with_v5({{property::topic_alias_maximum, 10}}), SessionLimits{.keep_topic_alias = wanted}};
    lab.connect5();
    lab.receive("30 07 0001 61 03 23 0004  30 06 0000 03 23 0004");
    for (int i = 0; i < 2; ++i) {
      const auto received = lab.take<event::MessageReceived>();
      REQUIRE(received);
      CHECK(received->message.topic == "a");
      CHECK(received->message.properties.get(property::topic_alias) == (wanted ? std::optional<std::uint16_t>{4} : std::nullopt));
    }
  }
}

TEST_CASE("5.0: aliases stand for topics within what was announced, and only on their connection",
          "[mqtt][MQTT5-3.3.2-10][MQTT5-3.3.2-8][MQTT5-3.3.2-7][MQTT5-3.3.2-N2][MQTT5-3.3.2-N3]") {
  auto options = kept_v5();
  options.properties.add({property::topic_alias_maximum, 10});
  SessionLab lab{options};
  lab.connect5();
  const auto topic_of = [&](const char* digits) {
    lab.receive(digits);
    const auto received = lab.take<event::MessageReceived>();
    return received ? received->message.topic : "none";
  };
  CHECK(topic_of("30 07 0001 61 03 23 0001") == "a");
  CHECK(topic_of("30 07 0001 62 03 23 000a") == "b");
  CHECK(topic_of("30 06 0000 03 23 0001") == "a");
  CHECK(topic_of("30 06 0000 03 23 000a") == "b");
  CHECK(topic_of("30 07 0001 63 03 23 0001") == "c");
  CHECK(topic_of("30 06 0000 03 23 0001") == "c");

  SECTION("above the maximum") {
    lab.receive("30 07 0001 61 03 23 000b");
    CHECK(lab.broken_off() == mqtt::Error::topic_alias_invalid);
    CHECK(lab.sent() == hex("e0 01 94"));
  }
  SECTION("zero") {
    lab.receive("30 07 0001 61 03 23 0000");
    CHECK(lab.sent() == hex("e0 01 94"));
  }
  SECTION("never given a topic") {
    lab.receive("30 06 0000 03 23 0003");
    CHECK(lab.sent() == hex("e0 01 82"));
  }
  SECTION("of the connection before") {
    lab.session.transport_lost(lab.now);
    lab.connect5({}, true);
    lab.receive("30 06 0000 03 23 0001");
    CHECK(lab.sent() == hex("e0 01 82"));
  }
}

TEST_CASE("5.0: without announcement no alias is accepted", "[mqtt][MQTT5-3.3.2-10]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  lab.receive("30 07 0001 61 03 23 0001");
  CHECK(lab.sent() == hex("e0 01 94"));
}

TEST_CASE("5.0: a server that exceeds the Receive Maximum is told so", "[mqtt][MQTT5-3.3.4-N1]") {
  const char* two = "32 06 0001 61 0001 00  32 06 0001 61 0002 00";
  Session session;
  const TimePoint now{};
  REQUIRE(session.configure(with_v5({{property::receive_maximum, 1}})));
  REQUIRE(session.connected(now));
  session.input(hex("20 03 00 00 00"), now);
  session.input(hex(two), now);  // the first is not acknowledged: nobody has taken it
  CHECK_FALSE(session.is_connected());
  Bytes sent;
  while (session.next_event()) {}
  while (const auto slice = session.take_output(now)) sent.insert(sent.end(), slice->bytes().begin(), slice->bytes().end());
  CHECK(Bytes(sent.end() - 3, sent.end()) == hex("e0 01 93"));

  SessionLab lab{with_v5({{property::receive_maximum, 2}})};
  lab.connect5();
  lab.receive(two);
  CHECK(lab.sent() == hex("40 02 0001 40 02 0002"));
  lab.receive("34 06 0001 61 0001 00  34 06 0001 61 0002 00");
  CHECK(lab.sent() == hex("50 02 0001 50 02 0002"));
  lab.receive("32 06 0001 61 0003 00");  // QoS 2 counts until PUBCOMP
  CHECK(lab.sent() == hex("e0 01 93"));
}

TEST_CASE("5.0: text that is not UTF-8 is refused if the user wants that", "[mqtt][MQTT5-3.3.2-N7][MQTT5-4.3.3-9]") {
  SessionLab lab{with_v5(), SessionLimits{.validate_payload_format = true}};
  lab.connect5();
  lab.receive("32 09 0001 61 0007 02 01 01 ff");
  CHECK_FALSE(lab.has_events());
  CHECK(lab.sent() == hex("40 03 0007 99"));
  lab.receive("34 09 0001 61 0008 02 01 01 ff");
  CHECK(lab.sent() == hex("50 03 0008 99"));
  lab.receive("34 09 0001 61 0008 02 01 01 78");  // another message by now
  CHECK(lab.take<event::MessageReceived>()->message.payload == Payload{"x"});
  lab.receive("30 07 0001 61 02 01 00 ff");  // no text
  CHECK(lab.take<event::MessageReceived>());

  SessionLab careless{with_v5()};
  careless.connect5();
  careless.receive("32 09 0001 61 0007 02 01 01 ff");
  CHECK(careless.take<event::MessageReceived>());
}

TEST_CASE("5.0: a QoS 2 message stays known over a disconnection", "[mqtt][MQTT5-4.3.3-10]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  lab.receive("34 06 0001 61 0007 00");
  CHECK(lab.take<event::MessageReceived>());
  lab.session.transport_lost(lab.now);
  lab.connect5({}, true);
  lab.receive("3c 06 0001 61 0007 00");
  CHECK_FALSE(lab.has_events());
  CHECK(lab.sent() == hex("50 02 0007"));
}

TEST_CASE("a long message comes in parts, and is acknowledged when it is complete", "[mqtt]") {
  SessionLab lab{kept_v5(), SessionLimits{.stream_above = 50}};
  lab.connect5();
  const std::string text(1000, 'x');
  Bytes bytes;
  REQUIRE(encode(Publish{.qos = kQoS2, .topic = "a", .id = PacketId{7}, .payload = Payload{text}}, bytes, ProtocolVersion::v5_0));
  const auto first = std::span{bytes}.first(500);
  lab.session.input(first, lab.now);
  const auto began = lab.take<event::MessageBegan>();
  REQUIRE(began);
  CHECK(began->message.topic == "a");
  CHECK(began->size == 1000);
  std::string received{lab.take<event::MessagePart>()->bytes.text()};
  CHECK(lab.quiet());

  SECTION("complete") {
    lab.session.input(std::span{bytes}.subspan(500), lab.now);
    received += lab.take<event::MessagePart>()->bytes.text();
    CHECK(received == text);
    CHECK(lab.take<event::MessageEnded>());
    CHECK(lab.sent() == hex("50 02 0007"));
    lab.session.input(bytes, lab.now);  // repeated: nothing to tell
    CHECK_FALSE(lab.has_events());
    CHECK(lab.sent() == hex("50 02 0007"));
    lab.receive("30 05 0001 61 00 78");  // a short one comes whole
    CHECK(lab.take<event::MessageReceived>());
  }
  SECTION("cut off, and begun anew") {
    lab.session.transport_lost(lab.now);
    CHECK(lab.take<event::MessageAborted>());
    lab.connect5({}, true);
    lab.session.input(bytes, lab.now);
    CHECK(lab.take<event::MessageBegan>());
    CHECK(lab.take<event::MessagePart>()->bytes.size() == 1000);
    CHECK(lab.take<event::MessageEnded>());
    CHECK(lab.sent() == hex("50 02 0007"));
  }
}
