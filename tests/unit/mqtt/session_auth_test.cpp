#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// Enhanced authentication, MQTT 5.0 section 4.12.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

ConnectOptions with_method() { return with_v5({{property::authentication_method, "m"}, {property::authentication_data, "1"}}); }
Connack accepting() { return {.properties = {{property::authentication_method, "m"}}}; }

}  // namespace

TEST_CASE("an enhanced authentication goes on until CONNACK, and nothing else is sent before",
          "[mqtt][MQTT5-4.12.0-3][MQTT5-4.12.0-5][MQTT5-3.1.2-30][MQTT5-3.15.2-1]") {
  SessionLab lab{with_method(), SessionLimits{.send_before_connack = true}};
  REQUIRE(lab.publish("t", "x", kQoS0));
  REQUIRE(lab.session.connected(lab.now));
  CHECK(lab.sent() == hex("10 16 0004 4d515454 05 02 003c 08 15 0001 6d 16 0001 31 0001 63"));
  lab.receive("f0 0a 18 08 15 0001 6d 16 0001 32");
  const auto step = lab.take<event::Authentication>();
  REQUIRE(step);
  CHECK(step->properties.get(property::authentication_data) == "2");
  REQUIRE(lab.session.authenticate("3", lab.now));
  CHECK(lab.sent() == hex("f0 0a 18 08 15 0001 6d 16 0001 33"));
  lab.receive5(accepting());
  CHECK(lab.take<event::Connected>());
  CHECK(lab.sent() == hex("30 05 0001 74 00 78"));
}

TEST_CASE("re-authentication keeps the method, and its failure ends the connection",
          "[mqtt][MQTT5-4.12.1-1][MQTT5-4.12.1-2][MQTT5-4.12.0-5]") {
  SessionLab lab{with_method()};
  lab.open();
  lab.receive5(accepting());
  CHECK(lab.take<event::Connected>());
  CHECK(lab.session.authenticate("x", lab.now).error() == tapir::Error::not_connected);  // nobody asked
  REQUIRE(lab.session.reauthenticate("4", lab.now));
  CHECK(lab.sent() == hex("f0 0a 19 08 15 0001 6d 16 0001 34"));
  lab.receive("f0 06 18 04 15 0001 6d");
  CHECK(lab.take<event::Authentication>());

  SECTION("success") {
    REQUIRE(lab.session.authenticate("", lab.now));
    CHECK(lab.sent() == hex("f0 06 18 04 15 0001 6d"));
    lab.receive("f0 06 00 04 15 0001 6d");
    CHECK(lab.take<event::Authentication>()->reason == ReasonCode::success);
    lab.receive("f0 06 18 04 15 0001 6d");  // not asked for any more
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  }
  SECTION("the user does not trust the server") {
    REQUIRE(lab.session.disconnect(lab.now, ReasonCode::unspecified_error));
    CHECK(lab.sent() == hex("e0 01 80"));
    CHECK_FALSE(lab.session.is_connected());
  }
  SECTION("the server ends it") {
    lab.receive("e0 01 87");
    CHECK(lab.broken_off() == ReasonCode::not_authorized);
  }
}

TEST_CASE("a step of an authentication answers one of the server's, and only one", "[mqtt][MQTT5-4.12.0-3][MQTT5-4.12.1-1]") {
  SessionLab lab{with_method()};
  const auto answers = [&] {
    const auto answered = lab.session.authenticate("x", lab.now);
    if (!answered) CHECK(answered.error() == tapir::Error::not_connected);
    CHECK(lab.sent().empty() == !answered.has_value());
    return answered.has_value();
  };
  CHECK_FALSE(answers());
  lab.open();
  CHECK_FALSE(answers());
  for (int i = 0; i < 2; ++i) {
    lab.receive("f0 06 18 04 15 0001 6d");
    CHECK(lab.take<event::Authentication>());
    CHECK(answers());
    CHECK_FALSE(answers());
  }
  lab.receive5(accepting());
  CHECK(lab.take<event::Connected>());
  CHECK_FALSE(answers());
  REQUIRE(lab.session.reauthenticate("4", lab.now));
  (void)lab.sent();
  CHECK_FALSE(answers());
  lab.receive("f0 06 18 04 15 0001 6d");
  CHECK(lab.take<event::Authentication>());
  CHECK(answers());
  CHECK_FALSE(answers());
  lab.receive("f0 06 18 04 15 0001 6d  f0 06 00 04 15 0001 6d");
  CHECK(lab.take<event::Authentication>());
  CHECK(lab.take<event::Authentication>());
  CHECK_FALSE(answers());  // it is complete
}

TEST_CASE("a server that asks again before it has an answer breaks the protocol", "[mqtt]") {  // section 4.12: the sides take turns
  SessionLab lab{with_method()};
  lab.open();
  SECTION("while connecting") {}
  SECTION("in a re-authentication") {
    lab.receive5(accepting());
    CHECK(lab.take<event::Connected>());
    REQUIRE(lab.session.reauthenticate("4", lab.now));
  }
  lab.receive("f0 06 18 04 15 0001 6d");
  CHECK(lab.take<event::Authentication>());
  REQUIRE(lab.session.authenticate("x", lab.now));
  lab.receive("f0 06 18 04 15 0001 6d");
  CHECK(lab.take<event::Authentication>());
  lab.receive("f0 06 18 04 15 0001 6d");
  CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
}

TEST_CASE("AUTH and methods that were not agreed on are protocol errors", "[mqtt][MQTT5-4.12.0-5][MQTT5-4.12.0-6][MQTT5-4.12.0-7]") {
  const auto answer = [](ConnectOptions options, const char* digits) {
    SessionLab lab{std::move(options)};
    lab.open();
    lab.receive(digits);
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
    return lab.sent();
  };
  CHECK(answer(with_v5(), "f0 06 18 04 15 0001 6d") == hex("e0 01 82"));
  CHECK(answer(with_v5(), "20 07 00 00 04 15 0001 6d") == hex("e0 01 82"));
  CHECK(answer(with_method(), "f0 06 18 04 15 0001 6e") == hex("e0 01 82"));
  CHECK(answer(with_method(), "20 07 00 00 04 15 0001 6e") == hex("e0 01 82"));
  CHECK(answer(with_method(), "20 03 00 00 00") == hex("e0 01 82"));
  CHECK(answer(with_method(), "f0 06 00 04 15 0001 6d") == hex("e0 01 82"));
  SessionLab lab{with_v5()};
  lab.connect5();
  CHECK(lab.session.reauthenticate("x", lab.now).error() == tapir::Error::invalid_argument);
  CHECK(lab.quiet());
}

TEST_CASE("AUTH that would be too large is not sent", "[mqtt][MQTT5-3.15.2-2][MQTT5-3.15.2-3]") {
  SessionLab lab{with_method()};
  lab.open();
  auto connack = accepting();
  connack.properties.add({property::maximum_packet_size, 12});
  lab.receive5(connack);
  CHECK(lab.take<event::Connected>());
  CHECK(lab.session.reauthenticate("ab", lab.now).error() == mqtt::Error::packet_too_large);
  CHECK(lab.quiet());
  REQUIRE(lab.session.reauthenticate("a", lab.now));
  CHECK(lab.sent() == hex("f0 0a 19 08 15 0001 6d 16 0001 61"));  // never with texts
}

TEST_CASE("a CONNACK without the authentication method that CONNECT had is accepted by a lenient session alone", "[mqtt][MQTT5-4.12.0-5]") {
  for (const bool lenient : {true, false}) {
    SessionLab lab{with_method(), SessionLimits{.lenient = lenient}};
    lab.open();
    lab.receive5(Connack{});
    CHECK(lab.take<event::Connected>().has_value() == lenient);
  }
  for (const bool lenient : {true, false}) {  // another method is one too many for both
    SessionLab lab{with_method(), SessionLimits{.lenient = lenient}};
    lab.open();
    lab.receive5(Connack{.properties = {{property::authentication_method, "n"}}});
    CHECK(lab.broken_off() == mqtt::Error::protocol_violation);
  }
}
