#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

TEST_CASE("a client connects by itself", "[mqtt][MQTT311-3.1.0-1][MQTT311-7.0.0-2]") {
  ClientLab t;
  CHECK(t.far->opened == 0);
  t.turn();
  CHECK(t.far->opened == 1);
  CHECK(t.far->take_sent().empty());
  t.far->accept();
  CHECK(t.far->take_sent() == hex("10 0e 0004 4d515454 04 02 003c 0002 7331"));
  CHECK(t.client->connect().error() == tapir::Error::already_connected);
  t.far->deliver("20 02 00 00");
  CHECK(t.connected == 1);
  CHECK(t.client->connect().error() == tapir::Error::already_connected);
  CHECK(t.far->take_sent().empty());
  CHECK(t.far->opened == 1);
}

TEST_CASE("a refused transport is reported in words and tried again", "[mqtt]") {
  ClientLab t;
  t.turn();
  t.far->fail(tapir::Error::connection_refused);
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].text == "connection refused by 192.0.2.1:1883");
  CHECK(t.disconnections[0].layer == LayerId::tcp);
  CHECK(t.disconnections[0].will_retry);
  t.lab.advance(499ms);
  CHECK(t.far->opened == 1);
  t.lab.advance(501ms);
  CHECK(t.far->opened == 2);
  t.far->fail(tapir::Error::host_unreachable);
  CHECK(t.disconnections[1].layer == LayerId::ipv4);
  CHECK(t.disconnections[1].text == "cannot connect to 192.0.2.1:1883: host unreachable");
}

TEST_CASE("the delay doubles up to its maximum, within half of itself, and starts anew after success", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .reconnect = {.min_delay = 1s, .max_delay = 8s}}};
  t.turn();
  const auto delay_after_failure = [&] {
    const int before = t.far->opened;
    t.far->fail(tapir::Error::connection_refused);
    Duration waited{0};
    while (t.far->opened == before) {
      t.lab.advance(10ms);
      waited += 10ms;
    }
    return waited;
  };
  const Duration slack = 10ms;
  for (const auto whole : {1s, 2s, 4s, 8s, 8s, 8s}) {
    const auto delay = delay_after_failure();
    CHECK(delay >= whole / 2);
    CHECK(delay <= whole + slack);
  }
  SECTION("a CONNACK alone is no success") {
    t.far->accept();
    t.far->deliver("20 02 00 00");
    CHECK(delay_after_failure() >= 4s);
  }
  SECTION("what the broker acknowledges is") {
    Told told;
    t.client->publish("a", "x", kQoS1, told.callback());
    t.far->accept();
    t.far->deliver("20 02 00 00");
    t.far->deliver("40 02 0001");
    CHECK(told.success());
    CHECK(delay_after_failure() <= 1s + slack);
  }
  SECTION("and so is a connection that lasts") {
    t.far->accept();
    t.far->deliver("20 02 00 00");
    t.lab.advance(8s);
    CHECK(delay_after_failure() <= 1s + slack);
  }
}

TEST_CASE("two clients that fail together do not return together", "[mqtt]") {
  ClientLab a;
  ClientLab b;
  b.lab.random = sim::SeededRandom{2};
  for (auto* t : {&a, &b}) {
    t->turn();
    t->far->fail(tapir::Error::connection_refused);
  }
  const auto a_wakes = a.lab.scheduler.next_wakeup();
  const auto b_wakes = b.lab.scheduler.next_wakeup();
  CHECK(a_wakes != b_wakes);
}

TEST_CASE("with reconnecting off the first failure is the last", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .reconnect = {.enabled = false}}};
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  t.turn();
  t.far->fail(tapir::Error::connection_refused);
  CHECK(told.failure(tapir::Error::connection_refused));
  REQUIRE(t.disconnections.size() == 1);
  CHECK_FALSE(t.disconnections[0].will_retry);
  t.lab.advance(1h);
  CHECK(t.far->opened == 1);
  REQUIRE(t.client->connect());  // by hand it goes on
  t.turn();
  CHECK(t.far->opened == 2);
}

TEST_CASE("a transport that cannot even start, or never opens, counts as a failure", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .connect_timeout = 7s}};
  t.far->open_error = tapir::Error::network_unreachable;
  t.turn();
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].error == tapir::Error::network_unreachable);
  t.lab.advance(1s);
  CHECK(t.far->opened == 2);
  t.lab.advance(7s);
  REQUIRE(t.disconnections.size() == 2);
  CHECK(t.disconnections[1].error == std::errc::timed_out);
  CHECK(t.far->aborted);
}

TEST_CASE("a broker that does not close behind DISCONNECT is waited for as long as the configuration says", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .close_timeout = 3s}};
  t.connect();
  const Told told;
  t.client->disconnect(told.callback());
  CHECK(t.far->closed);
  t.lab.advance(2999ms);
  CHECK(told.nothing());
  CHECK_FALSE(t.far->aborted);
  t.lab.advance(1ms);
  CHECK(told.failure(tapir::Error::timed_out));
  CHECK(t.far->aborted);
}

TEST_CASE("a refusal by the broker ends the client and everything that waits", "[mqtt][MQTT311-3.1.3-9][MQTT311-3.2.2-N2]") {
  ClientLab t;
  const Told message;
  const Told late;
  std::vector<Result<QoS>> granted;
  t.client->publish("t", "x", kQoS1, message.callback());
  t.client->subscribe("t", kQoS0, {}, [&](Result<QoS> outcome) { granted.push_back(outcome); });
  t.open();
  t.far->deliver("20 02 00 04");
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].error == mqtt::Error::bad_credentials);
  CHECK(t.disconnections[0].layer == LayerId::mqtt);
  CHECK(t.disconnections[0].text == "broker refused: bad user name or password");
  CHECK_FALSE(t.disconnections[0].will_retry);
  CHECK(t.far->closed);
  CHECK(message.failure(mqtt::Error::bad_credentials));
  REQUIRE(granted.size() == 1);
  CHECK(granted[0].error() == mqtt::Error::bad_credentials);
  t.client->publish("t", "x", kQoS1, late.callback());
  t.lab.advance(1h);
  CHECK(late.failure(tapir::Error::not_connected));
  CHECK(t.far->opened == 1);
}

TEST_CASE("a refusal is tried again if that is wanted", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .reconnect = {.after_refusal = true}}};
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  t.open();
  t.far->deliver("20 02 00 05");
  CHECK(t.disconnections.at(0).will_retry);
  t.lab.advance(1s);
  CHECK(t.far->opened == 2);
  t.far->accept();
  t.far->deliver("20 02 00 00");
  t.far->deliver("40 02 0001");
  CHECK(told.success());
}

TEST_CASE("a broker that breaks the protocol is left", "[mqtt][MQTT311-4.8.0-1]") {
  ClientLab t;
  t.connect();
  t.far->deliver("c0 00");
  CHECK(t.far->aborted);
  REQUIRE(t.disconnections.size() == 1);
  CHECK(t.disconnections[0].error == mqtt::Error::protocol_violation);
  CHECK(t.disconnections[0].text == "192.0.2.1:1883: protocol violation");
  CHECK(t.disconnections[0].will_retry);
}

TEST_CASE("silence is noticed at CONNECT and at PINGREQ", "[mqtt][MQTT311-3.1.4-N1][MQTT311-3.1.2-N2]") {
  ClientLab t{{.client_id = "s1", .keep_alive = 20s, .limits = {.connack_timeout = 5s, .ping_timeout = 4s}}};
  t.open();
  t.lab.advance(5s);
  CHECK(t.far->aborted);
  CHECK(t.disconnections.at(0).error == mqtt::Error::connack_timeout);
  t.lab.advance(1s);
  t.far->accept();
  t.far->deliver("20 02 00 00");
  (void)t.far->take_sent();
  t.lab.advance(18s);
  CHECK(t.far->take_sent() == hex("c0 00"));
  t.lab.advance(4s);
  CHECK(t.far->aborted);
  CHECK(t.disconnections.at(1).error == mqtt::Error::keep_alive_timeout);
}

TEST_CASE("disconnect sends DISCONNECT, closes, and reports when that is done", "[mqtt][MQTT311-3.14.4-1][MQTT311-3.14.4-2]") {
  ClientLab t;
  t.connect();
  const Told gone;
  const Told late;
  t.client->disconnect(gone.callback());
  CHECK(t.far->take_sent() == hex("e0 00"));
  CHECK(t.far->closed);
  CHECK_FALSE(t.far->aborted);
  t.client->publish("t", "x", kQoS0, late.callback());
  t.turn();
  CHECK(late.failure(tapir::Error::not_connected));
  CHECK(gone.nothing());
  t.far->end();
  CHECK(gone.success());
  REQUIRE(t.disconnections.size() == 1);
  CHECK_FALSE(t.disconnections[0].error);
  t.lab.advance(1h);
  CHECK(t.far->take_sent().empty());
  CHECK(t.far->opened == 1);
  REQUIRE(t.client->connect());
  t.connect();
  CHECK(t.connected == 2);
}

TEST_CASE("disconnect works in every phase", "[mqtt]") {
  ClientLab t;
  const Told waiting;
  const Told again;
  const Told queued;
  t.client->publish("t", "x", kQoS1, queued.callback());
  SECTION("before the transport opens") {}
  SECTION("while it opens") { t.turn(); }
  SECTION("while CONNECT is unanswered") { t.open(); }
  t.client->disconnect(waiting.callback());
  t.client->disconnect(again.callback());
  t.turn();
  CHECK(waiting.success());
  CHECK(again.failure(tapir::Error::not_connected));
  CHECK(queued.failure(tapir::Error::operation_canceled));
  const int opened = t.far->opened;
  t.lab.advance(1h);
  CHECK(t.far->opened == opened);
}

TEST_CASE("a configuration that CONNECT cannot carry is reported", "[mqtt][MQTT311-3.1.3-7]") {
  ClientLab t{{.client_id = "", .clean_session = false}};
  const Told told;
  t.client->publish("t", "x", kQoS0, told.callback());
  t.turn();
  CHECK(t.far->opened == 0);
  CHECK(t.disconnections.at(0).error == mqtt::Error::missing_client_id);
  CHECK(t.disconnections.at(0).error == std::errc::invalid_argument);
  CHECK(t.disconnections.at(0).text.ends_with("a session that outlives its connection needs a client identifier"));
  CHECK(told.failure(mqtt::Error::missing_client_id));
  CHECK(t.client->connect().error() == mqtt::Error::missing_client_id);
}

TEST_CASE("a client without a transport is refused by name", "[mqtt]") {
  Lab lab;
  const Told told;
  const Told gone;
  std::vector<Disconnection> disconnections;
  Client client{lab.context, nullptr, {.client_id = "s1"}};
  client.on_disconnected([&](const Disconnection& why) { disconnections.push_back(why); });
  client.publish("t", "x", kQoS1, told.callback());
  client.disconnect(gone.callback());
  lab.advance(1h);
  REQUIRE(disconnections.size() == 1);
  CHECK(disconnections[0].error == tapir::Error::invalid_argument);
  CHECK(disconnections[0].text == "invalid configuration: no transport");
  CHECK(told.failure(tapir::Error::invalid_argument));
  CHECK(gone.failure(tapir::Error::not_connected));
  CHECK(client.connect().error() == tapir::Error::invalid_argument);
}

TEST_CASE("a client that was moved from is not connected, and the one it went into is", "[mqtt]") {
  ClientLab t;
  t.connect();
  Client heir{std::move(*t.client)};
  const Told message;
  const Told text;
  const Told unsubscribed;
  const Told gone;
  std::vector<std::error_code> subscribed;
  CHECK(t.client->connect().error() == tapir::Error::not_connected);
  t.client->publish("t", "x", kQoS1, text.callback());
  t.client->publish(Message{.topic = "t"}, message.callback());
  t.client->subscribe("t", kQoS1, {}, [&](Result<QoS> outcome) { subscribed.push_back(outcome.error()); });
  t.client->unsubscribe("t", unsubscribed.callback());
  t.client->disconnect(gone.callback());
  t.client->disconnect();
  t.client->on_connected({});
  t.client->on_disconnected({});
  t.client->on_unmatched({});
  CHECK_FALSE(t.client->is_connected());
  CHECK_FALSE(t.client->session().is_connected());
  for (const auto* told : {&text, &message, &unsubscribed, &gone}) CHECK(told->failure(tapir::Error::not_connected));
  CHECK(subscribed == std::vector<std::error_code>{tapir::Error::not_connected});
  CHECK(t.far->take_sent().empty());

  CHECK(heir.is_connected());
  heir.publish("t", "x", kQoS0);
  CHECK(t.far->take_sent() == hex("30 04 0001 74 78"));
  *t.client = std::move(heir);
  CHECK(t.client->is_connected());
}

TEST_CASE("what a callback asks for after the end is not part of that end", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .reconnect = {.enabled = false}}};
  const Told second;
  std::vector<std::error_code> granted;
  t.client->publish("t", "1", kQoS1, [&](Result<> first) {
    CHECK(first.error() == tapir::Error::connection_refused);
    REQUIRE(t.client->connect());
    t.client->publish("t", "2", kQoS1, second.callback());
    t.client->subscribe("u", kQoS1, {}, [&](Result<QoS> outcome) { granted.push_back(outcome ? std::error_code{} : outcome.error()); });
  });
  t.turn();
  t.far->fail(tapir::Error::connection_refused);
  t.turn();
  CHECK(t.disconnections.size() == 1);
  CHECK(second.nothing());
  CHECK(granted.empty());
  t.far->accept();
  t.far->deliver("20 02 00 00");
  t.turn();
  CHECK(t.far->take_sent().size() > hex("10 0e 0004 4d515454 04 02 003c 0002 7331").size());
  t.far->deliver("90 03 0001 01  40 02 0002");
  CHECK(second.success());
  CHECK(granted == std::vector<std::error_code>{{}});
}

TEST_CASE("a delay of nothing is taken as the shortest one: a client without a route does not spin", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .reconnect = {.min_delay = Duration{0}, .max_delay = Duration{0}}}};
  SECTION("zero") {}
  SECTION("negative") {
    t.client.emplace(t.lab.context, std::make_unique<ScriptedTransport>(t.far),
                     ClientConfig{.client_id = "s1", .reconnect = {.min_delay = -1s, .max_delay = -1s}});
  }
  t.turn();
  for (int tries = 1; tries <= 50; ++tries) {
    REQUIRE(t.far->opened == tries);
    t.far->fail(tapir::Error::network_unreachable);
    t.lab.advance(Reconnect::shortest_delay / 2 - 1ns);
    REQUIRE(t.far->opened == tries);
    t.lab.advance(Reconnect::shortest_delay / 2 + 1ns);
  }
}

TEST_CASE("destroying a client disconnects in order, also from its own callback", "[mqtt][MQTT311-3.14.4-1]") {
  ClientLab t;
  t.connect();
  SECTION("from outside") { t.client.reset(); }
  SECTION("from a message's handler") {
    t.client->on_unmatched([&](const Message&) { t.client.reset(); });
    t.far->deliver("30 03 0001 61  30 03 0001 61");
  }
  SECTION("from a completion") {
    t.client->publish("t", "x", kQoS1, [&](Result<>) { t.client.reset(); });
    (void)t.far->take_sent();
    t.far->deliver("40 02 0001  32 05 0001 61 0001");
  }
  CHECK_FALSE(t.client);
  CHECK(t.far->take_sent() == hex("e0 00"));
  CHECK(t.far->closed);
  CHECK(t.disconnections.empty());
  t.lab.advance(1h);
}

TEST_CASE("destroying a client when it is told of a loss", "[mqtt]") {
  ClientLab t;
  t.connect();
  t.client->on_disconnected([&](const Disconnection&) { t.client.reset(); });
  t.far->end();
  CHECK_FALSE(t.client);
  t.lab.advance(1h);
  CHECK(t.far->opened == 1);
}

TEST_CASE("what the broker said before it took nothing more is the reason, not that it takes nothing", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .version = ProtocolVersion::v5_0}};
  t.open();
  t.far->deliver("20 03 00 00 00");
  const auto last_words = GENERATE("e0 02 97 00", "");
  t.far->send_error = tapir::Error::connection_reset;
  for (const auto byte : hex(last_words)) t.far->inbox.push_back(byte);  // it was there, and nobody has been told yet
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  t.turn();
  REQUIRE(t.disconnections.size() == 1);
  const bool spoke = *last_words != '\0';
  CHECK(t.disconnections[0].by_server == spoke);
  CHECK(t.disconnections[0].layer == (spoke ? LayerId::mqtt : LayerId::tcp));
  CHECK(t.disconnections[0].error ==
        (spoke ? make_error_code(ReasonCode::quota_exceeded) : make_error_code(tapir::Error::connection_reset)));
  CHECK_FALSE(told.nothing());
  t.lab.advance(1s);
  CHECK(t.far->opened == 2);
  CHECK(t.disconnections.size() == 1);
}
