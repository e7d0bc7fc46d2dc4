#include <catch2/catch.hpp>

#include <tapir/mqtt/error.hpp>

#include "scripted_transport.hpp"

using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

class Crossings final : public Observer {
 public:
  void crossed(const Crossing& crossing) override {
    std::string line = std::string{crossing.direction == Direction::down ? "down " : "up "} + std::string{crossing.summary} + " " +
                       std::to_string(crossing.header_size) + "+" + std::to_string(crossing.payload_size);
    for (const auto& field : crossing.fields) line += " " + std::string{field.name} + "=" + field.value;
    CHECK(crossing.layer == LayerId::mqtt);
    CHECK(crossing.packet == nullptr);
    lines.push_back(std::move(line));
  }
  void dropped(const DropEvent& drop) override { lines.push_back("drop " + std::string{name(drop.reason)}); }
  std::vector<std::string> lines;
};

/// A payload of zeroes.
class Zeroes final : public PayloadSource {
 public:
  [[nodiscard]] Result<std::size_t> read(std::uint64_t /*offset*/, std::span<std::byte> into) override { return into.size(); }
};

}  // namespace

TEST_CASE("QoS 0 is complete when the broker's TCP has acknowledged its last byte", "[mqtt][MQTT311-4.3.1-1]") {
  ClientLab t;
  t.connect();
  t.far->acknowledge_all();
  const Told first;
  const Told second;
  t.client->publish("t", "x", kQoS0, first.callback());
  t.client->publish("t", "y", kQoS0, second.callback());
  CHECK(t.far->take_sent() == hex("30 04 0001 74 78  30 04 0001 74 79"));
  t.turn();
  t.far->acknowledge(5);
  CHECK(first.nothing());
  t.far->acknowledge(1);
  CHECK(first.success());
  CHECK(second.nothing());
  t.far->fail(tapir::Error::connection_reset);
  CHECK(second.failure(tapir::Error::connection_reset));
  CHECK(first.success());
}

TEST_CASE("QoS 0 that is lost with its connection is not told as delivered", "[mqtt]") {
  ClientLab t;
  t.connect();
  const Told told;
  t.client->publish("t", "x", kQoS0, told.callback());
  const bool known = GENERATE(true, false);
  if (known) t.turn();
  t.far->fail(tapir::Error::connection_reset);
  t.turn();
  CHECK(told.failure(tapir::Error::connection_reset));
}

TEST_CASE("QoS 1 is complete at PUBACK, QoS 2 at PUBCOMP", "[mqtt]") {
  ClientLab t;
  t.connect();
  const Told one;
  const Told two;
  t.client->publish("t", "x", kQoS1, one.callback());
  t.client->publish("t", "x", kQoS2, two.callback());
  t.far->acknowledge_all();
  CHECK(one.nothing());
  t.far->deliver("40 02 0001 50 02 0002");
  CHECK(one.success());
  CHECK(two.nothing());
  t.far->deliver("70 02 0002");
  CHECK(two.success());
}

TEST_CASE("a message published before there is a connection leaves when there is one", "[mqtt]") {
  ClientLab t;
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  t.open();
  t.far->deliver("20 02 00 00");
  CHECK(t.far->take_sent() == hex("32 06 0001 74 0001 78"));
  t.far->deliver("40 02 0001");
  CHECK(told.success());
}

TEST_CASE("errors of publish come by its callback, and not from inside the call", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .limits = {.max_queued = 1}}};
  const Told topic;
  const Told full;
  t.client->publish("a/#", "x", kQoS0, topic.callback());
  t.client->publish("t", "x", kQoS0);
  t.client->publish("t", "x", kQoS0, full.callback());
  CHECK(topic.nothing());
  t.turn();
  CHECK(topic.failure(mqtt::Error::invalid_topic));
  CHECK(full.failure(tapir::Error::no_buffer_space));
}

TEST_CASE("messages reach every handler whose filter matches", "[mqtt]") {
  ClientLab t;
  std::vector<std::string> heard;
  std::vector<QoS> granted;
  const auto note = [&](std::string who) { return [&heard, who](const Message& m) { heard.push_back(who + ":" + m.topic); }; };
  const auto grant = [&](Result<QoS> qos) { granted.push_back(qos.value()); };
  t.client->on_unmatched(note("unmatched"));
  t.client->subscribe("a/+", kQoS2, note("plus"), grant);
  t.client->subscribe("#", kQoS1, note("hash"), grant);
  t.connect();
  CHECK(t.far->take_sent() == hex("82 0c 0001 0001 23 01 0003 612f2b 02"));
  t.far->deliver("90 04 0001 00 02");
  CHECK(granted == std::vector{kQoS0, kQoS2});
  t.far->deliver("30 05 0003 612f62  30 03 0001 7a  30 06 0004 24535953");
  CHECK(heard == std::vector<std::string>{"hash:a/b", "plus:a/b", "hash:z", "unmatched:$SYS"});
}

TEST_CASE("a refused subscription is reported and forgotten", "[mqtt]") {
  ClientLab t;
  t.connect();
  std::vector<Result<QoS>> granted;
  t.client->subscribe("t", kQoS0, {}, [&](Result<QoS> outcome) { granted.push_back(outcome); });
  (void)t.far->take_sent();
  t.far->deliver("90 03 0001 80");
  REQUIRE(granted.size() == 1);
  CHECK(granted[0].error() == mqtt::Error::subscription_refused);
  t.far->end();
  t.lab.advance(1s);
  t.far->accept();
  (void)t.far->take_sent();
  t.far->deliver("20 02 00 00");
  CHECK(t.far->take_sent().empty());
}

TEST_CASE("subscriptions are made again when the broker has forgotten them, and only then", "[mqtt][MQTT311-3.1.2-4]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  t.connect();
  int heard = 0;
  t.client->subscribe("t", kQoS1, [&](const Message&) { ++heard; });
  CHECK(t.far->take_sent() == hex("82 06 0001 0001 74 01"));
  const auto reconnect = [&](const char* connack) {
    t.far->end();
    t.lab.advance(1s);
    t.far->accept();
    (void)t.far->take_sent();
    t.far->deliver(connack);
  };
  reconnect("20 02 01 00");  // SUBACK never came
  CHECK(t.far->take_sent() == hex("82 06 0002 0001 74 01"));
  t.far->deliver("90 03 0002 01");
  reconnect("20 02 01 00");
  CHECK(t.far->take_sent().empty());
  t.far->deliver("30 03 0001 74");
  CHECK(heard == 1);
  reconnect("20 02 00 00");
  CHECK(t.far->take_sent() == hex("82 06 0003 0001 74 01"));
}

TEST_CASE("unsubscribe takes the handler off and tells the broker", "[mqtt]") {
  ClientLab t;
  t.connect();
  int heard = 0;
  const Told told;
  t.client->subscribe("t", kQoS0, [&](const Message&) {
    ++heard;
    t.client->unsubscribe("t", told.callback());
  });
  t.far->deliver("90 03 0001 00");
  (void)t.far->take_sent();
  t.far->deliver("30 03 0001 74 30 03 0001 74");
  CHECK(heard == 1);
  CHECK(t.far->take_sent() == hex("a2 05 0002 0001 74"));
  t.far->deliver("b0 02 0002");
  CHECK(told.success());
}

TEST_CASE("unsubscribing without a connection reaches a broker that kept the session", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  const Told told;
  t.client->unsubscribe("t", told.callback());
  t.connect(true);
  CHECK(t.far->take_sent() == hex("a2 05 0001 0001 74"));
  CHECK(told.nothing());
  t.far->deliver("b0 02 0001");
  CHECK(told.success());
}

TEST_CASE("an unacknowledged message survives the connection and completes on the next", "[mqtt][MQTT311-4.4.0-1]") {
  ClientLab t{{.client_id = "s1", .clean_session = false}};
  t.connect();
  const Told told;
  t.client->publish("t", "x", kQoS2, told.callback());
  t.far->fail(tapir::Error::connection_reset);
  CHECK(t.disconnections.at(0).text == "connection to 192.0.2.1:1883 lost: connection reset by the peer");
  CHECK(told.nothing());
  t.lab.advance(1s);
  t.far->accept();
  (void)t.far->take_sent();
  t.far->deliver("20 02 01 00");
  CHECK(t.far->take_sent() == hex("3c 06 0001 74 0001 78"));
  t.far->deliver("50 02 0001 70 02 0001");
  CHECK(told.success());
}

TEST_CASE("in a clean session an unacknowledged message fails with its connection", "[mqtt][MQTT311-3.1.2-6]") {
  ClientLab t;
  t.connect();
  const Told told;
  t.client->publish("t", "x", kQoS1, told.callback());
  t.far->end();
  CHECK(told.failure(mqtt::Error::session_lost));
  CHECK(t.disconnections.at(0).text == "connection closed by 192.0.2.1:1883");
}

TEST_CASE("a transport without room holds messages back, and reading too when answers pile up", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .limits = {.output_high_water = 16}}};
  t.connect();
  t.far->room = 3;
  t.client->publish("t", "xx", kQoS0);
  CHECK(t.far->take_sent().size() == 3);
  Bytes flood;
  for (int i = 0; i < 20'000; ++i) {
    const auto one = hex("32 05 0001 61 0001");
    flood.insert(flood.end(), one.begin(), one.end());
  }
  t.far->deliver(flood);
  CHECK_FALSE(t.far->inbox.empty());
  CHECK(t.client->session().pending_output() <= 16U * 1024U);
  t.far->room = 1U << 30U;
  t.far->user->on_writable();
  CHECK(t.far->inbox.empty());
  CHECK(t.far->take_sent().size() == 4 + 20'000 * 4);
}

TEST_CASE("acknowledgments are read while a long message, or many, go out slowly", "[mqtt]") {
  ClientLab t{{.client_id = "s1", .keep_alive = 0s}};
  t.connect();
  const Told small;
  const Told behind;
  t.client->publish("t", "x", kQoS1, small.callback());
  t.far->room = 0;
  SECTION("one from a source") { t.client->publish("t", Payload{std::make_shared<Zeroes>(), 1'000'000}, kQoS1, behind.callback()); }
  SECTION("one from memory") { t.client->publish("t", Payload{Bytes(1'000'000)}, kQoS1, behind.callback()); }
  SECTION("small ones") {
    for (int i = 0; i < 900; ++i) t.client->publish("t", Payload{Bytes(1000)}, kQoS0);
    t.client->publish("t", Payload{Bytes(100'000)}, kQoS1, behind.callback());
  }
  t.far->deliver("40 02 0001");
  CHECK(small.success());
  do {
    t.far->room = 10'000;
    t.far->user->on_writable();
    t.far->acknowledge_all();
    t.lab.advance(10s);
  } while (t.far->room == 0);
  t.far->deliver("40 02 0002");
  CHECK(behind.success());
  CHECK(t.disconnections.empty());
}

TEST_CASE("an observer sees every packet with its fields", "[mqtt]") {
  Crossings seen;
  ClientLab t{{.client_id = "unused"}};
  t.lab.context.observer = &seen;
  Client client{t.lab.context, std::make_unique<ScriptedTransport>(t.far), {.client_id = "s1", .user_name = "u", .password = "secret"}};
  t.turn();
  t.far->accept();
  t.far->deliver("20 02 00 00");
  client.publish("room/t", "21.5", kQoS1);
  t.far->deliver("40 02 0001  30 03 0001 61  c0 00");
  CHECK(seen.lines == std::vector<std::string>{"down CONNECT 27+0 client=s1 clean_session=1 keep_alive=60 user=u",
                                               "up CONNACK 4+0 session_present=0 code=0", "down PUBLISH 12+4 topic=room/t qos=1 id=1",
                                               "up PUBACK 4+0 id=1", "up PUBLISH 5+0 topic=a qos=0", "up PINGREQ 2+0",
                                               "drop protocol_violation"});
}

TEST_CASE("an observer sees the whole size of a message that comes in parts", "[mqtt]") {
  Crossings seen;
  ClientLab t{{.client_id = "unused"}};
  t.lab.context.observer = &seen;
  Client client{t.lab.context, std::make_unique<ScriptedTransport>(t.far), {.client_id = "s1", .limits = {.stream_above = 4}}};
  t.turn();
  t.far->accept();
  t.far->deliver("20 02 00 00");
  seen.lines.clear();
  t.far->deliver("30 08 0001 61 3132");
  t.far->deliver("333435  30 04 0001 61 31");
  CHECK(seen.lines == std::vector<std::string>{"up PUBLISH 5+5 topic=a qos=0", "up PUBLISH 5+1 topic=a qos=0"});
}
