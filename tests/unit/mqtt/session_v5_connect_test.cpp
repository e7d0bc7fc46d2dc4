#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("5.0: CONNECT is the first packet, and the only one of a connection", "[mqtt][MQTT5-3.1.0-1][MQTT5-3.1.0-2]") {
  SessionLab lab{with_v5()};
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 0e 0004 4d515454 05 02 003c 00 0001 63"));
  CHECK(lab.session.connected(lab.now).error() == tapir::Error::already_connected);
  lab.receive("20 03 00 00 00");
  CHECK(lab.session.connected(lab.now).error() == tapir::Error::already_connected);
  CHECK(lab.sent().empty());
}

TEST_CASE("5.0: what CONNECT cannot say is refused by name",
          "[mqtt][MQTT5-3.1.3-4][MQTT5-3.1.3-11][MQTT5-3.1.3-12][MQTT5-3.1.2-N3][MQTT5-3.1.2-N4][MQTT5-3.1.2-N5]") {
  Session session;
  const std::string surrogate = "\xed\xa0\x80";
  const auto configured = [&](ConnectOptions options) {
    options.version = ProtocolVersion::v5_0;
    const auto result = session.configure(std::move(options));
    return result ? std::error_code{} : result.error();
  };
  CHECK(configured({.client_id = surrogate}) == mqtt::Error::malformed_packet);
  CHECK(configured({.client_id = "c", .will = Will{.topic = surrogate}}) == mqtt::Error::invalid_topic);
  CHECK(configured({.client_id = "c", .user_name = surrogate}) == mqtt::Error::malformed_packet);
  CHECK(configured({.properties = {{property::receive_maximum, 0}}}) == mqtt::Error::invalid_property);
  CHECK(configured({.properties = {{property::maximum_packet_size, 0}}}) == mqtt::Error::invalid_property);
  CHECK(configured({.properties = {{property::receive_maximum, 1}, {property::receive_maximum, 1}}}) == mqtt::Error::repeated_property);
  CHECK(configured({.properties = {{property::authentication_data, "x"}}}) == mqtt::Error::protocol_violation);
  CHECK(configured({.properties = {{property::topic_alias, 1}}}) == mqtt::Error::property_not_allowed);
  CHECK_FALSE(configured({.client_id = "", .clean_session = false, .password = "p", .properties = {{property::receive_maximum, 1}}}));
}

TEST_CASE("3.1: a client identifier of 1 to 23 bytes, and a server that does not tell of sessions", "[mqtt]") {
  Session session;
  CHECK(session.configure({.version = ProtocolVersion::v3_1}).error() == mqtt::Error::missing_client_id);
  CHECK_FALSE(session.configure({.client_id = std::string(24, 'c'), .version = ProtocolVersion::v3_1}));
  CHECK(session.configure({.client_id = std::string(23, 'c'), .version = ProtocolVersion::v3_1}));
  CHECK(session.configure({.client_id = "c", .version = ProtocolVersion::v3_1, .properties = {{property::receive_maximum, 1}}}).error() ==
        mqtt::Error::not_in_this_version);

  SessionLab lab{ConnectOptions{.client_id = "p", .clean_session = false, .keep_alive = 10s, .version = ProtocolVersion::v3_1}};
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 0f 0006 4d5149736470 03 00 000a 0001 70"));
  lab.receive("20 02 00 00  34 05 0001 61 0007");
  CHECK(lab.take<event::Connected>());
  CHECK(lab.take<event::MessageReceived>());
  lab.session.transport_lost(lab.now);
  lab.connect();
  lab.receive("3c 05 0001 61 0007");  // the same message
  CHECK_FALSE(lab.has_events());
  CHECK(lab.sent() == hex("50 02 0007"));
}

TEST_CASE("5.0: a refusing CONNACK names its reason, with its properties",
          "[mqtt][MQTT5-3.1.2-2][MQTT5-3.2.2-7][MQTT5-3.2.2-N3][MQTT5-3.2.2-N6][MQTT5-4.13.2-1]") {
  for (const int code : {0x80, 0x84, 0x85, 0x86, 0x87, 0x88, 0x8a, 0x97, 0x9f}) {
    SessionLab lab{with_v5()};
    lab.open();
    lab.receive5(Connack{.reason = static_cast<ReasonCode>(code)});
    const auto refused = lab.take<event::Refused>();
    REQUIRE(refused);
    CHECK(refused->error == static_cast<ReasonCode>(code));
    CHECK_FALSE(lab.session.is_connected());
    CHECK(lab.quiet());
  }
  SessionLab lab{with_v5()};
  lab.open();
  lab.receive5(Connack{.reason = ReasonCode::server_moved,
                       .properties = {{property::server_reference, "other.example:1883"}, {property::reason_string, "0x00 success"}}});
  const auto refused = lab.take<event::Refused>();
  REQUIRE(refused);
  CHECK(refused->reason == ReasonCode::server_moved);
  CHECK(refused->error == std::errc::connection_refused);
  CHECK(refused->properties.get(property::server_reference) == "other.example:1883");
}

TEST_CASE("5.0: the answer of a server that knows only 3.1.1 is a refusal for the version", "[mqtt][MQTT311-3.1.2-2]") {
  SessionLab lab{with_v5()};
  lab.open();
  lab.receive("20 02 00 01");
  const auto refused = lab.take<event::Refused>();
  REQUIRE(refused);
  CHECK(refused->error == ReasonCode::unsupported_protocol_version);
  CHECK(refused->reason == ReasonCode::unsupported_protocol_version);
  CHECK(lab.quiet());
  for (const char* other : {"20 02 00 00", "20 02 01 01", "20 02 00 02", "20 02 00 84", "20 01 00"}) {
    CAPTURE(other);
    SessionLab strict{with_v5()};
    strict.open();
    strict.receive(other);
    CHECK_FALSE(strict.take<event::Refused>());
    CHECK_FALSE(strict.session.is_connected());
  }
}

TEST_CASE("5.0: before CONNACK nothing else is valid, and a second one is not",
          "[mqtt][MQTT5-3.2.0-1][MQTT5-3.2.0-2][MQTT5-3.14.0-1][MQTT5-4.13.1-N1][MQTT5-4.13.1-N2]") {
  for (const auto* digits : {"30 04 0001 61 00", "e0 00", "d0 00", "40 02 0001", "f0 06 18 04 15 0001 6d"}) {
    SessionLab lab{with_v5()};
    lab.open();
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
    CHECK(lab.sent() == hex("e0 01 82"));
    CHECK_FALSE(lab.session.is_connected());
  }
  SessionLab lab{with_v5()};
  lab.connect5();
  lab.receive("20 03 00 00 00");
  CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  CHECK(lab.sent() == hex("e0 01 82"));
}

TEST_CASE("5.0: a server that does not answer is given up", "[mqtt][MQTT5-3.1.4-N1][MQTT5-3.1.2-N1][MQTT5-3.1.2-20][MQTT5-3.12.1-N1]") {
  SessionLab silent{with_v5()};
  silent.open();
  silent.advance(10s);
  CHECK(silent.broken_off() == mqtt::Error::connack_timeout);

  auto options = with_v5();
  options.keep_alive = 10s;
  SessionLab lab{options};
  lab.connect5();
  lab.advance(9s);
  CHECK(lab.sent() == hex("c0 00"));
  lab.receive("d0 00");
  lab.advance(9s);
  CHECK(lab.sent() == hex("c0 00"));
  lab.advance(10s);
  CHECK(lab.broken_off() == mqtt::Error::keep_alive_timeout);
}

TEST_CASE("5.0: the server's keep alive counts", "[mqtt][MQTT5-3.1.2-21][MQTT5-3.2.2-21]") {
  SessionLab lab{with_v5()};
  lab.connect5({{property::server_keep_alive, 5}});
  CHECK(lab.session.keep_alive() == 5s);
  lab.advance(5s);
  CHECK(lab.sent() == hex("c0 00"));
  lab.session.transport_lost(lab.now);
  lab.connect5();
  lab.advance(53s);  // its own 60 s again
  CHECK(lab.sent().empty());
  lab.advance(2s);
  CHECK(lab.sent() == hex("c0 00"));
}

TEST_CASE("5.0: an assigned client identifier is kept, and only given to who had none", "[mqtt][MQTT5-3.2.2-16]") {
  SessionLab lab{with_v5({{property::session_expiry_interval, 60}}, false, "")};
  lab.open();
  lab.receive("20 08 00 00 05 12 0002 6f6b");
  const auto connected = lab.take<event::Connected>();
  REQUIRE(connected);
  CHECK(connected->properties.get(property::assigned_client_identifier) == "ok");
  lab.session.transport_lost(lab.now);
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 14 0004 4d515454 05 00 003c 05 11 0000003c 0002 6f6b"));

  SessionLab named{with_v5()};
  named.open();
  named.receive("20 08 00 00 05 12 0002 6f6b");
  CHECK(named.broken_off() == mqtt::Error::protocol_violation);
}

TEST_CASE("5.0: a session that is unknown here is not taken up, unless the user says so", "[mqtt][MQTT5-3.2.2-4]") {
  SessionLab fresh{kept_v5()};
  fresh.open();
  fresh.receive("20 03 01 00 00");
  CHECK(fresh.broken_off() == mqtt::Error::unexpected_session);
  CHECK(fresh.sent() == hex("e0 01 82"));
  fresh.connect5();  // session_clean_start_test.cpp says what CONNECT was then
  CHECK(fresh.session.is_connected());

  auto options = kept_v5();
  options.accept_unknown_session = true;
  SessionLab willing{options};
  willing.connect5({}, true);
  CHECK(willing.session.is_connected());

  SessionLab clean{with_v5()};
  clean.open();
  clean.receive("20 03 01 00 00");
  CHECK(clean.broken_off() == mqtt::Error::protocol_violation);
}

TEST_CASE("5.0: a session the server has lost is discarded here", "[mqtt][MQTT5-3.2.2-5]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  const auto token = lab.publish("t", "x", kQoS1);
  lab.receive5(Publish{.qos = kQoS2, .topic = "a", .id = PacketId{7}});
  CHECK(lab.take<event::MessageReceived>());
  (void)lab.sent();
  lab.session.transport_lost(lab.now);
  lab.open();
  lab.receive("20 03 00 00 00");
  const auto failed = lab.take<event::Failed>();
  REQUIRE(failed);
  CHECK(failed->token == *token);
  CHECK(failed->error == mqtt::Error::session_lost);
  CHECK(lab.take<event::Connected>());
  CHECK(lab.sent().empty());
  CHECK(lab.session.unreleased() == 0);
}

TEST_CASE("5.0: a session lasts as long as its expiry interval says",
          "[mqtt][MQTT5-3.1.2-23][MQTT5-3.1.2-N7][MQTT5-3.2.2-N5][MQTT5-4.1.0-1][MQTT5-3.1.2-4]") {
  const auto after = [](std::uint32_t seconds, Properties connack, Duration pause) {
    SessionLab lab{seconds == 0 ? with_v5({}, false) : kept_v5(seconds)};
    lab.connect5(std::move(connack));
    REQUIRE(lab.publish("t", "x", kQoS1));
    (void)lab.sent();
    lab.advance(7s);
    CHECK(lab.session.in_flight() == 1);
    lab.session.transport_lost(lab.now);
    lab.advance(pause);
    return lab.session.in_flight();
  };
  CHECK(after(60, {}, 30s) == 1);
  CHECK(after(60, {}, 61s) == 0);
  CHECK(after(0, {}, 0s) == 0);
  CHECK(after(60, {{property::session_expiry_interval, 10}}, 9s) == 1);
  CHECK(after(60, {{property::session_expiry_interval, 10}}, 11s) == 0);
  CHECK(after(0xffff'ffff, {}, 24h * 3650) == 1);

  SessionLab lab{kept_v5()};
  lab.connect5();
  REQUIRE(lab.publish("t", "x", kQoS1));
  lab.session.transport_lost(lab.now);
  REQUIRE(lab.session.configure(with_v5()));  // clean start
  lab.open();
  CHECK(lab.take<event::Failed>()->error == mqtt::Error::session_lost);
  lab.receive("20 03 00 00 00");
  CHECK(lab.take<event::Connected>());
  CHECK(lab.sent().empty());
}

TEST_CASE("5.0: sessions belong to their client identifiers", "[mqtt][MQTT5-3.1.3-2]") {
  SessionLab lab{kept_v5()};
  lab.connect5();
  const auto token = lab.publish("t", "x", kQoS1);
  lab.session.transport_lost(lab.now);
  REQUIRE(lab.session.configure(with_v5({{property::session_expiry_interval, 60}}, false, "other")));
  CHECK(lab.take<event::Failed>()->token == *token);
  CHECK(lab.session.in_flight() == 0);
}

TEST_CASE("5.0: DISCONNECT says why, and nothing follows it", "[mqtt][MQTT5-3.14.4-1][MQTT5-3.14.4-2][MQTT5-3.14.2-1][MQTT5-3.14.2-N1]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  for (const int code : {0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0x10}) {
    CHECK(lab.session.disconnect(lab.now, static_cast<ReasonCode>(code)).error() == mqtt::Error::invalid_reason_code);
  }
  CHECK(lab.session.disconnect(lab.now, ReasonCode::success, {{property::session_expiry_interval, 5}}).error() ==
        mqtt::Error::invalid_property);
  REQUIRE(lab.session.disconnect(lab.now, ReasonCode::disconnect_with_will, {{property::reason_string, "r"}}));
  CHECK_FALSE(lab.take<event::Disconnected>()->error);
  CHECK(lab.publish("t", "x", kQoS0).error() == tapir::Error::not_connected);
  CHECK(lab.sent() == hex("e0 06 04 04 1f 0001 72"));
  lab.receive("30 04 0001 61 00");
  CHECK(lab.quiet());
  for (const int code : {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99}) {
    SessionLab other{with_v5()};
    other.connect5();
    CHECK(other.session.disconnect(other.now, static_cast<ReasonCode>(code)));
  }
}

TEST_CASE("5.0: DISCONNECT can shorten the session", "[mqtt][MQTT5-3.14.2-N1]") {
  SessionLab lab{kept_v5(60)};
  lab.connect5();
  REQUIRE(lab.publish("t", "x", kQoS1));
  REQUIRE(lab.session.disconnect(lab.now, ReasonCode::success, {{property::session_expiry_interval, 0}}));
  CHECK(lab.session.in_flight() == 0);
}

TEST_CASE("5.0: texts are left out of a DISCONNECT that would be too large", "[mqtt][MQTT5-3.14.2-3][MQTT5-3.14.2-4]") {
  const Properties texts{{property::reason_string, std::string(30, 'r')}, {property::user_property, {"k", "v"}}};
  SessionLab lab{with_v5()};
  lab.connect5({{property::maximum_packet_size, 20}});
  REQUIRE(lab.session.disconnect(lab.now, ReasonCode::protocol_error, texts));
  CHECK(lab.sent() == hex("e0 01 82"));
  SessionLab roomy{with_v5()};
  roomy.connect5();
  REQUIRE(roomy.session.disconnect(roomy.now, ReasonCode::protocol_error, texts));
  CHECK(roomy.sent().size() > 40);
}

TEST_CASE("5.0: the server's DISCONNECT is an event with its reason", "[mqtt][MQTT5-3.14.4-N1][MQTT5-3.14.2-2][MQTT5-4.13.2-1]") {
  SessionLab lab{with_v5()};
  lab.connect5();
  lab.receive("e0 01 8e");
  const auto over = lab.take<event::Disconnected>();
  REQUIRE(over);
  CHECK(over->by_server);
  CHECK(over->error == ReasonCode::session_taken_over);
  CHECK(over->error.message() == "session taken over");
  CHECK_FALSE(lab.session.is_connected());
  CHECK(lab.quiet());

  SessionLab ordinary{with_v5()};
  ordinary.connect5();
  ordinary.receive("e0 00");
  CHECK(ordinary.broken_off() == tapir::Error::connection_closed);

  SessionLab wrong{with_v5()};
  wrong.connect5();
  wrong.receive("e0 07 00 05 11 00000000");
  CHECK(wrong.broken_off() == mqtt::Error::protocol_violation);
  CHECK(wrong.sent() == hex("e0 01 82"));
}

TEST_CASE("5.0: errors end the connection with their reason code",
          "[mqtt][MQTT5-4.13.1-N2][MQTT5-1.5.4-1][MQTT5-1.5.4-2][MQTT5-1.5.5-N1][MQTT5-3.1.2-N2][MQTT5-3.3.2-2][MQTT5-3.6.1-1]") {
  const std::pair<const char*, const char*> table[] = {{"30 06 0003 eda080 00", "e0 01 81"},     {"30 06 0003 610062 00", "e0 01 81"},
                                                       {"30 ff ff ff ff 01", "e0 01 81"},        {"36 05 0001 61 00 78", "e0 01 81"},
                                                       {"30 05 0002 612b 00", "e0 01 81"},       {"60 02 0001", "e0 01 81"},
                                                       {"40 07 0001 00 03 23 0001", "e0 01 81"}, {"30 03 0000 00", "e0 01 82"},
                                                       {"32 06 0001 61 0000 00", "e0 01 82"},    {"30 64 0001 61 00", "e0 01 95"},
                                                       {"82 07 0001 00 0001 61 00", "e0 01 82"}, {"c0 00", "e0 01 82"}};
  for (const auto& [received, answer] : table) {
    SessionLab lab{with_v5(), SessionLimits{.max_packet_size = 100}};
    lab.connect5();
    lab.receive(received);
    CHECK(lab.broken_off());
    CHECK(lab.sent() == hex(answer));
    lab.receive("30 04 0001 61 00");
    CHECK(lab.quiet());
  }
  SessionLab lab{with_v5(), SessionLimits{.max_packet_size = 100}};
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 13 0004 4d515454 05 02 003c 05 27 00000064 0001 63"));  // the limit is announced
  lab.receive("20 03 00 00 00");
  lab.receive5(Publish{.topic = "a", .payload = Payload{std::string(94, 'x')}});  // 100 bytes
  CHECK(lab.take<event::Connected>());
  CHECK(lab.take<event::MessageReceived>());
}

TEST_CASE("5.0: without problem information none may come", "[mqtt][MQTT5-3.1.2-N6]") {
  SessionLab lab{with_v5({{property::request_problem_information, false}})};
  lab.connect5({{property::reason_string, "welcome"}});
  const auto token = lab.publish("t", "x", kQoS1);
  lab.receive("40 02 0001");
  CHECK(lab.take<event::Delivered>()->token == *token);
  REQUIRE(lab.session.subscribe({{"a"}}, lab.now));
  (void)lab.sent();
  lab.receive5(Suback{.id = PacketId{2}, .codes = {ReasonCode::success}, .properties = {{property::reason_string, "r"}}});
  CHECK(lab.take<event::Failed>()->error == mqtt::Error::session_lost);
  CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  CHECK(lab.sent() == hex("e0 01 82"));
}
