#include <catch2/catch.hpp>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tapir/mqtt/client.hpp>

#include "model_broker.hpp"
#include "scenario/pair.hpp"

// The client over our own TCP, two stacks and a cable that does its worst, in virtual time.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr Port kMqtt{1883};

/// The model broker behind a listener of the right host.
class BrokerHost {
 public:
  explicit BrokerHost(Stack& stack) {
    auto listener = stack.tcp().listen(kMqtt, [this](tcp::Connection connection) { serve(std::move(connection)); });
    REQUIRE(listener);
    listener_ = std::move(*listener);
  }
  void send_message(std::string payload, QoS qos) {
    broker.send_message(std::move(payload), qos);
    write();
  }
  /// Breaks the connection, as a broker that crashes.
  void reset() {
    connection_.abort();
    connection_ = {};
    broker.connection_lost();
  }

  ModelBroker broker;
  bool ended = false;  ///< the client closed its direction
  std::optional<std::error_code> closed;

 private:
  void serve(tcp::Connection connection) {
    broker.connection_lost();
    closed.reset();
    ended = false;
    connection_ = std::move(connection);
    connection_.handle(
        {.readable = [this] { read(); }, .writable = [this] { write(); }, .closed = [this](std::error_code why) { closed = why; }});
  }
  void read() {
    std::array<std::byte, 1500> buffer;
    for (;;) {
      const auto count = connection_.receive(buffer);
      if (!count) break;
      if (*count == 0) {
        ended = true;
        connection_.close();
        return;
      }
      broker.input(std::span{buffer}.first(*count));
    }
    write();
  }
  void write() {
    while (!broker.output.empty()) {
      const auto sent = connection_.send(broker.output);
      if (!sent || *sent == 0) return;
      broker.output.erase(broker.output.begin(), broker.output.begin() + static_cast<std::ptrdiff_t>(*sent));
    }
  }

  tcp::Listener listener_;
  tcp::Connection connection_;
};

ClientConfig kept_session(ProtocolVersion version = ProtocolVersion::v3_1_1) {
  ClientConfig config{.broker = {kRightAddress, kMqtt}, .client_id = "c", .clean_session = false, .version = version};
  if (version == ProtocolVersion::v5_0) config.properties = {{property::session_expiry_interval, 0xffff'ffff}};
  return config;
}

std::vector<std::string> numbered(std::string_view name, int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(std::string{name} + std::to_string(i));
  return all;
}

}  // namespace

TEST_CASE("every message arrives once, through loss, reordering, duplication and corruption", "[mqtt][MQTT311-7.1.2-1][MQTT5-4.2.0-1]") {
  const auto version = GENERATE(ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0);
  PairConfig config;
  config.cable.faults = {.loss = 0.05, .duplication = 0.02, .corruption = 0.02, .reordering = 0.05};
  Pair pair{config};
  BrokerHost host{*pair.right};
  Client client{*pair.left, kept_session(version)};
  std::vector<std::string> received;
  client.on_unmatched([&](const Message& message) { received.emplace_back(message.payload.text()); });
  const auto up = numbered("up", 900);
  const auto down = numbered("down", 900);
  int confirmed = 0;
  for (const auto& payload : up)
    client.publish("t", Payload{payload}, QoS::exactly_once, [&](Result<> outcome) { confirmed += outcome ? 1 : 0; });
  REQUIRE(pair.world.run_until([&] { return client.is_connected(); }, 1h));
  for (const auto& payload : down) host.send_message(payload, QoS::exactly_once);
  REQUIRE(pair.world.run_until([&] { return confirmed == 900 && received.size() >= 900 && host.broker.settled(); }, 1h));
  CHECK(host.broker.delivered == up);
  CHECK(received == down);
  CHECK(pair.cable.stats(sim::End::left).lost + pair.cable.stats(sim::End::right).lost > 0);
}

TEST_CASE("the client uses no urgent data and keeps its Diffserv code point", "[mqtt][RFC9293-SHLD-13][RFC9293-SHLD-23]") {
  Pair pair;
  BrokerHost host{*pair.right};
  std::size_t segments = 0;
  std::size_t urgent = 0;
  std::set<std::byte> services;
  pair.cable.observe([&](sim::End from, std::span<const std::byte> frame) {
    constexpr std::size_t kIp = 14;
    constexpr std::size_t kTcp = kIp + 20;
    const bool is_tcp = frame[12] == std::byte{8} && frame[13] == std::byte{0} && frame[kIp + 9] == std::byte{6};
    if (from != sim::End::left || !is_tcp) return;
    ++segments;
    services.insert(frame[kIp + 1] >> 2U);
    if ((frame[kTcp + 13] & std::byte{0x20}) != std::byte{}) ++urgent;
  });
  Client client{*pair.left, kept_session()};
  int confirmed = 0;
  for (const auto qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
    client.publish("t", Payload{std::string(5000, 'x')}, qos, [&](Result<> outcome) { confirmed += outcome ? 1 : 0; });
  }
  REQUIRE(pair.world.run_until([&] { return confirmed == 3; }, 1h));
  host.send_message("down", QoS::exactly_once);
  REQUIRE(pair.world.run_until([&] { return host.broker.settled(); }, 1h));
  pair.world.run_for(10min);  // with its PINGREQs
  bool gone = false;
  client.disconnect([&](Result<>) { gone = true; });
  REQUIRE(pair.world.run_until([&] { return gone; }, 1h));
  CHECK(segments > 30);
  CHECK(urgent == 0);
  CHECK(services.size() == 1);
}

TEST_CASE("every message arrives once, however often the broker's host breaks the connection", "[mqtt][MQTT311-4.1.0-1][MQTT5-4.4.0-1]") {
  const auto version = GENERATE(ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5_0);
  Pair pair;
  BrokerHost host{*pair.right};
  Client client{*pair.left, kept_session(version)};
  std::vector<std::string> received;
  int losses = 0;
  client.on_unmatched([&](const Message& message) { received.emplace_back(message.payload.text()); });
  client.on_disconnected([&](const Disconnection& why) {
    CHECK(why.will_retry);
    ++losses;
  });
  std::vector<std::string> up;
  std::vector<std::string> down;
  for (int round = 0; round < 40; ++round) {
    REQUIRE(pair.world.run_until([&] { return client.is_connected(); }, 1h));
    for (int i = 0; i < 3; ++i) {
      up.push_back(std::to_string(round) + "." + std::to_string(i));
      down.push_back(up.back());
      client.publish("t", Payload{up.back()}, QoS::exactly_once);
      host.send_message(up.back(), QoS::exactly_once);
    }
    pair.world.run_for(std::chrono::microseconds{17} * round);
    host.reset();
    REQUIRE(pair.world.run_until([&] { return losses == round + 1; }, 1h));
  }
  REQUIRE(pair.world.run_until([&] { return client.session().in_flight() == 0 && client.session().queued() == 0 && host.broker.settled(); },
                               1h));
  CHECK(host.broker.delivered == up);
  CHECK(received == down);
}

TEST_CASE("disconnecting ends the stream behind DISCONNECT, without a reset", "[mqtt][MQTT311-3.14.4-1]") {
  Pair pair;
  BrokerHost host{*pair.right};
  Client client{*pair.left, kept_session()};
  REQUIRE(pair.world.run_until([&] { return client.is_connected(); }, 1min));
  std::optional<Result<>> gone;
  for (int i = 0; i < 50; ++i) host.send_message("meanwhile", QoS::at_least_once);
  client.disconnect([&](Result<> outcome) { gone = outcome; });
  REQUIRE(pair.world.run_until([&] { return gone.has_value() && host.closed.has_value(); }, 1min));
  CHECK(*gone);
  CHECK(host.broker.said_goodbye);
  CHECK(host.ended);
  CHECK_FALSE(*host.closed);
}

TEST_CASE("QoS 0 completes when the other host's TCP has it", "[mqtt]") {
  Pair pair;
  BrokerHost host{*pair.right};
  Client client{*pair.left, kept_session()};
  bool delivered = false;
  client.publish("t", Payload{std::string(100'000, 'x')}, QoS::at_most_once, [&](Result<> outcome) {
    CHECK(outcome);
    delivered = true;
  });
  REQUIRE(pair.world.run_until([&] { return delivered; }, 1min));
  CHECK(host.broker.delivered == std::vector{std::string(100'000, 'x')});
}

TEST_CASE("why there is no connection is said in words", "[mqtt]") {
  Pair pair;
  auto config = kept_session();
  std::optional<Disconnection> why;
  SECTION("nobody listens") {
    Client client{*pair.left, config};
    client.on_disconnected([&](const Disconnection& disconnection) { why = disconnection; });
    REQUIRE(pair.world.run_until([&] { return why.has_value(); }, 1min));
    CHECK(why->text == "connection refused by 192.0.2.2:1883");
  }
  SECTION("nobody is there") {
    config.broker.address = Ipv4Address{0xc0000209};
    Client client{*pair.left, config};
    client.on_disconnected([&](const Disconnection& disconnection) { why = disconnection; });
    REQUIRE(pair.world.run_until([&] { return why.has_value(); }, 1min));
    CHECK(why->text == "cannot connect to 192.0.2.9:1883: host unreachable");
    CHECK(why->layer == LayerId::arp);
  }
}

TEST_CASE("a client that is destroyed says goodbye", "[mqtt][MQTT311-3.14.4-1]") {
  Pair pair;
  BrokerHost host{*pair.right};
  {
    const Client client{*pair.left, kept_session()};
    REQUIRE(pair.world.run_until([&] { return client.is_connected(); }, 1min));
  }
  REQUIRE(pair.world.run_until([&] { return host.ended; }, 1min));
  CHECK(host.broker.said_goodbye);
}

TEST_CASE("the layer that failed is named", "[mqtt][tcp][arp]") {
  struct Case {
    Endpoint broker;
    LayerId layer;
    std::error_code error;
  };
  const auto one =
      GENERATE(Case{{kRightAddress, Port{1}}, LayerId::tcp, tapir::Error::connection_refused},
               Case{{Ipv4Address{0xc0000263}, kMqtt}, LayerId::arp, tapir::Error::host_unreachable},       // nobody has 192.0.2.99
               Case{{Ipv4Address{0xc6336401}, kMqtt}, LayerId::ipv4, tapir::Error::network_unreachable});  // no route to 198.51.100.1
  Pair pair;
  Client client{*pair.left, {.broker = one.broker, .client_id = "c"}};
  std::optional<Disconnection> why;
  client.on_disconnected([&](const Disconnection& told) { why = why.value_or(told); });
  REQUIRE(pair.world.run_until([&] { return why.has_value(); }, 1min));
  CHECK(why->layer == one.layer);
  CHECK(why->error == one.error);
}

TEST_CASE("a client of a stack follows a redirection to an address", "[mqtt][MQTT5-3.2.2-N6]") {
  Pair pair;
  std::vector<tcp::Connection> served;
  const auto serve = [&](std::string_view answer) {
    return [&served, answer](tcp::Connection connection) {
      (void)connection.send(std::as_bytes(std::span{answer}));
      served.push_back(std::move(connection));
    };
  };
  // CONNACK 0x9c with Server Reference "192.0.2.2:8883", and an accepting one.
  const auto first = pair.right->tcp().listen(kMqtt, serve({"\x20\x14\x00\x9c\x11\x1c\x00\x0e"
                                                            "192.0.2.2:8883",
                                                            22}));
  const auto second = pair.right->tcp().listen(Port{8883}, serve({"\x20\x03\x00\x00\x00", 5}));
  REQUIRE(first);
  REQUIRE(second);
  ClientConfig config{.broker = {kRightAddress, kMqtt}, .client_id = "c", .version = ProtocolVersion::v5_0};
  config.redirection.max_hops = 1;
  Client client{*pair.left, config};
  REQUIRE(pair.world.run_until([&] { return client.is_connected(); }, 1min));
  CHECK(served.size() == 2);
}
