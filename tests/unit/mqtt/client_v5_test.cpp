#include <catch2/catch.hpp>

#include <tapir/core/drop.hpp>
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
  CHECK(lab.far->take_sent() == hex("82 14 0001 02 0b01 000c 2473686172652f672f612f2b 09"));
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

TEST_CASE("5.0: a subscription that is refused here does not take others with it", "[mqtt]") {
  ClientLab lab{config5()};
  std::vector<std::string> told;
  const auto note = [&](std::string name) {
    return [&told, name](Result<QoS> outcome) { told.push_back(name + (outcome ? " granted" : " " + outcome.error().message())); };
  };
  lab.client->subscribe({.filter = "a", .qos = kQoS1}, {}, note("a"));
  lab.client->subscribe({.filter = "$share/g/b", .no_local = true}, {}, note("shared"));  // [MQTT-3.8.3-4]
  lab.client->subscribe({.filter = "c"}, {}, note("c"));
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  lab.turn();
  CHECK(told == std::vector<std::string>{"shared invalid argument"});
  CHECK(lab.far->take_sent() == hex("82 09 0001 02 0b01 0001 61 01  82 09 0002 02 0b03 0001 63 00"));
  lab.far->deliver("90 04 0001 00 01  90 04 0002 00 00");
  CHECK(told == std::vector<std::string>{"shared invalid argument", "a granted", "c granted"});
}

TEST_CASE("5.0: a packet that ends the connection is a drop with a name", "[mqtt]") {
  struct Case {
    const char* what;
    const char* packet;
    std::optional<Drop> drop;
  };
  const auto one = GENERATE(Case{"a property that the standard does not have", "30 07 0001 61 02 7f00 78", Drop::bad_header},
                            Case{"a property in a wrong packet", "30 08 0001 61 03 210001 78", Drop::bad_header},
                            Case{"a property twice", "30 09 0001 61 04 01010101 78", Drop::protocol_violation},
                            Case{"a property out of its range", "30 07 0001 61 02 0102 78", Drop::protocol_violation},
                            Case{"a topic alias that was not announced", "30 08 0001 61 03 230001 78", Drop::protocol_violation},
                            Case{"a reason code of other packets", "40 03 0001 04", Drop::protocol_violation},
                            Case{"a packet that only clients send", "c0 00", Drop::protocol_violation},
                            Case{"more than was announced", "30 7f", Drop::oversized},
                            Case{"the server's DISCONNECT, which says the same of us", "e0 01 82", std::nullopt});
  INFO(one.what);
  struct Watcher final : Observer {
    void dropped(const DropEvent& drop) override { drops.push_back(drop.reason); }
    std::vector<Drop> drops;
  } watcher;
  ClientLab lab;
  lab.lab.context.observer = &watcher;
  auto config = config5();
  config.limits.max_packet_size = 60;
  lab.client.emplace(lab.lab.context, std::make_unique<ScriptedTransport>(lab.far), config);
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  CHECK(watcher.drops.empty());
  lab.far->deliver(one.packet);
  CHECK_FALSE(lab.client->is_connected());
  CHECK(watcher.drops == (one.drop ? std::vector{*one.drop} : std::vector<Drop>{}));
  CHECK(lab.client->drops().total() == (one.drop ? 1 : 0));
  if (one.drop) CHECK(lab.client->drops()[*one.drop] == 1);
}

TEST_CASE("5.0: the user says why it disconnects", "[mqtt]") {
  ClientLab lab{config5({{property::session_expiry_interval, 100}})};
  const Told told;
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  const auto leave = [&](ReasonCode reason, Properties properties, const Told& outcome) {
    lab.client->disconnect(reason, std::move(properties), outcome.callback());
    lab.turn();
  };
  SECTION("with a reason and properties") {
    leave(ReasonCode::disconnect_with_will, {{property::session_expiry_interval, 5}, {property::user_property, {"k", "v"}}}, told);
    CHECK(lab.far->take_sent() == hex("e0 0e 04 0c 11 00000005 26 0001 6b 0001 76"));
    CHECK(lab.far->closed);
    CHECK(told.nothing());
    lab.far->fail({});
    CHECK(told.success());
  }
  SECTION("what a client must not say is refused, and the connection stays") {
    leave(ReasonCode::server_busy, {}, told);
    CHECK(told.failure(mqtt::Error::invalid_reason_code));
    const Told second;
    leave(ReasonCode::normal_disconnection, {{property::receive_maximum, 5}}, second);
    CHECK(second.failure(mqtt::Error::property_not_allowed));
    CHECK(lab.client->is_connected());
    CHECK(lab.far->take_sent().empty());
  }
}
TEST_CASE("before 5.0 there is no reason to give, and without connection nobody to give it to", "[mqtt]") {
  ClientLab lab;
  const Told told;
  lab.connect();
  lab.client->disconnect(ReasonCode::disconnect_with_will, {}, told.callback());
  lab.turn();
  CHECK(told.failure(mqtt::Error::not_in_this_version));
  CHECK(lab.client->is_connected());
  ClientLab waiting{config5()};
  const Told done;
  waiting.client->disconnect(ReasonCode::disconnect_with_will, {}, done.callback());
  waiting.turn();
  CHECK(done.success());
  CHECK(waiting.far->opened == 0);
}

TEST_CASE("a client that is told to disconnect does so, though its session has just given up", "[mqtt]") {
  struct FullStore final : ByteStore {
    [[nodiscard]] Result<> save(std::span<const std::byte>) override {
      if (is_full) return fail(std::make_error_code(std::errc::no_space_on_device));
      return {};
    }
    [[nodiscard]] Result<std::optional<Bytes>> load() override { return std::nullopt; }
    bool is_full = false;
  } store;
  ClientLab lab{{.client_id = "c", .clean_session = false, .store = &store}};
  lab.connect();
  REQUIRE(lab.client->is_connected());
  store.is_full = true;
  lab.client->publish("t", "x", kQoS1);
  CHECK_FALSE(lab.client->is_connected());
  const Told done;
  lab.client->disconnect(done.callback());
  lab.lab.advance(1h);
  CHECK(done.success());
  CHECK(lab.far->opened == 1);
}

TEST_CASE("5.0: subscriptions and their ends have properties", "[mqtt]") {
  ClientLab lab{config5()};
  const Properties seven{{property::subscription_identifier, 7}};
  lab.client->subscribe({.filter = "a"}, seven, {});
  lab.client->subscribe({.filter = "b"}, seven, {});
  lab.client->subscribe({.filter = "c"}, {});
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  lab.turn();
  CHECK(lab.far->take_sent() ==
        hex("82 0d 0001 02 0b07 0001 61 00 0001 62 00  82 09 0002 02 0b01 0001 63 00"));  // one packet for each list
  lab.far->deliver("90 05 0001 00 00 00  90 04 0002 00 00");
  const Told told;
  lab.client->unsubscribe("a", {{property::user_property, {"k", "v"}}}, told.callback());
  CHECK(lab.far->take_sent() == hex("a2 0d 0003 07 26 0001 6b 0001 76 0001 61"));
  lab.far->deliver("b0 04 0003 00 00");
  CHECK(told.success());
}

TEST_CASE("5.0: an UNSUBSCRIBE that the broker refuses has failed; one of what was not subscribed has not", "[mqtt][MQTT5-3.11.3-1]") {
  ClientLab lab{config5()};
  lab.client->subscribe({.filter = "a"}, {});
  lab.open();
  lab.far->deliver("20 03 00 00 00");
  lab.turn();
  lab.far->deliver("90 04 0001 00 00");
  (void)lab.far->take_sent();
  const Told told;
  lab.client->unsubscribe("a", told.callback());
  CHECK(lab.far->take_sent() == hex("a2 06 0002 00 0001 61"));
  const bool refused = GENERATE(true, false);
  lab.far->deliver(refused ? "b0 04 0002 00 87" : "b0 04 0002 00 11");  // not authorized; no subscription existed
  if (refused) CHECK(told.failure(make_error_code(ReasonCode::not_authorized)));
  if (!refused) CHECK(told.success());
}
