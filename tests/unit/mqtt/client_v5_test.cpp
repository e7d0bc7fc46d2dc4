#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

// The client with MQTT 5.0.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

ClientConfig config5(Properties properties = {}) {
  return {.client_id = "c", .version = ProtocolVersion::v5_0, .properties = std::move(properties)};
}

}  // namespace

TEST_CASE("5.0: the client tells the broker why it gives up, and closes behind it", "[mqtt][MQTT5-4.13.1-N2][MQTT5-3.14.4-2]") {
  ClientLab lab{config5()};
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  CHECK(lab.connected == 1);
  lab.far->deliver("c0 00");
  CHECK(lab.far->take_sent() == hex("e0 01 82"));
  CHECK(lab.far->closed);
  CHECK_FALSE(lab.far->aborted);
  REQUIRE(lab.disconnections.size() == 1);
  CHECK(lab.disconnections[0].error == mqtt::Error::protocol_violation);
  CHECK(lab.disconnections[0].will_retry);
}

TEST_CASE("5.0: the broker's reasons are told in words", "[mqtt][MQTT5-3.14.4-N1][MQTT5-4.13.2-1]") {
  ClientLab lab{config5()};
  lab.open();
  lab.far->deliver("20 03 00 00 00 e0 01 8e");
  REQUIRE(lab.disconnections.size() == 1);
  CHECK(lab.disconnections[0].error == ReasonCode::session_taken_over);
  CHECK(lab.disconnections[0].text == "192.0.2.1:1883: session taken over");
  CHECK(lab.far->closed);

  ClientLab refused{config5()};
  refused.open();
  refused.far->deliver("20 03 00 8a 00");
  REQUIRE(refused.disconnections.size() == 1);
  CHECK(refused.disconnections[0].text == "broker refused: banned");
  CHECK(refused.far->closed);
}

TEST_CASE("5.0: subscriptions have options, and shared ones get their messages", "[mqtt]") {
  ClientLab lab{config5()};
  std::string received;
  lab.client->subscribe({.filter = "$share/g/a/+", .qos = kQoS1, .retain_as_published = true},
                        [&](const Message& message) { received += message.topic; });
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  lab.turn();
  CHECK(lab.far->take_sent() == hex("82 12 0001 00 000c 2473686172652f672f612f2b 09"));
  lab.far->deliver("90 04 0001 00 01  30 06 0003 612f62 00");
  CHECK(received == "a/b");
}

TEST_CASE("5.0: the client answers the steps of an authentication", "[mqtt]") {
  auto config = config5({{property::authentication_method, "m"}});
  config.authenticate = [](const event::Authentication& step) {
    return step.properties.get(property::authentication_data).value_or("") + "!";
  };
  ClientLab lab{config};
  lab.open();
  lab.far->deliver("f0 0a 18 08 15 0001 6d 16 0001 32");
  CHECK(lab.far->take_sent() == hex("f0 0b 18 09 15 0001 6d 16 0002 3221"));
  lab.far->deliver("20 07 00 00 04 15 0001 6d");
  CHECK(lab.connected == 1);
}

TEST_CASE("5.0: a long message comes to the client's stream handler", "[mqtt]") {
  auto config = config5();
  config.limits.stream_above = 20;
  ClientLab lab{config};
  std::string told;
  lab.client->on_stream([&](const StreamEvent& event) {
    if (const auto* part = std::get_if<event::MessagePart>(&event)) told += part->bytes.text();
    told += static_cast<char>('0' + static_cast<char>(event.index()));
  });
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  lab.far->deliver("30 1d 0001 61 00 " + std::string("61626364656667686970717273747576777879616263646566"));
  CHECK(told.starts_with("0"));
  CHECK(told.ends_with("2"));
  CHECK(told.find("abcdefghi") != std::string::npos);
}
