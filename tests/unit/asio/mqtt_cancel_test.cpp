// How MQTT's operations are called off.
#include "mqtt_hosts.hpp"

#include <memory>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

TEST_CASE("a cancellation slot calls off one publish: total while the broker has seen nothing, terminal always", "[asio][mqtt]") {
  MqttHosts hosts;
  auto& client = *hosts.client;
  const auto type = GENERATE(net::cancellation_type::total, net::cancellation_type::partial, net::cancellation_type::terminal);
  const mqtt::Message message{.topic = "t", .payload = "x", .qos = mqtt::QoS::at_least_once};
  net::cancellation_signal first;
  net::cancellation_signal second;
  Outcome waiting;
  Outcome sent;
  client.async_publish(message, net::bind_cancellation_slot(first.slot(), waiting.callback()));
  first.emit(net::cancellation_type::none);
  hosts.pass(1ns);
  CHECK_FALSE(waiting.error);
  first.emit(type);
  CHECK_FALSE(waiting.error);  // a handler is never called from inside a call of the user's
  first.emit(type);            // it is over already
  hosts.pass(1ns);
  CHECK(waiting.aborted());
  CHECK(client.native_handle().session().queued() == 0);

  hosts.connect();
  client.async_publish(message, net::bind_cancellation_slot(second.slot(), sent.callback()));
  hosts.play(hosts.broker.expect("32 06 0001 74 0001 78"));
  second.emit(type);
  hosts.pass(1ns);
  CHECK(sent.aborted() == (type != net::cancellation_type::total));
  CHECK(client.native_handle().session().in_flight() == 1);  // its identifier is the broker's to give back
  hosts.play(hosts.broker.send("40 02 0001"));
  hosts.pass(1s);
  CHECK(client.native_handle().session().in_flight() == 0);
  CHECK(sent.error == (type == net::cancellation_type::total ? ErrorCode{} : ErrorCode{net::error::operation_aborted}));
}

TEST_CASE("cancelled operations of the other kinds", "[asio][mqtt]") {
  MqttHosts hosts;
  auto& client = *hosts.client;
  net::cancellation_signal signal;
  Outcome outcome;
  const auto bound = [&] { return net::bind_cancellation_slot(signal.slot(), outcome.callback()); };
  SECTION("connect: the client goes on trying") {
    client.async_connect(bound());
    signal.emit(net::cancellation_type::total);
    hosts.pass(1ns);
    CHECK(outcome.aborted());
    hosts.play(hosts.broker.accept());
    hosts.pass(1s);
    CHECK(client.is_connected());
  }
  SECTION("receive: the message is for the next one") {
    hosts.connect();
    client.async_receive(bound());
    signal.emit(net::cancellation_type::total);
    hosts.pass(1ns);
    CHECK(outcome.aborted());
    hosts.play(hosts.broker.send("30 04 0001 74 79"));
    hosts.pass(1s);
    Outcome next;
    client.async_receive(next.callback());
    hosts.pass(1ns);
    CHECK(next.error == ErrorCode{});
  }
  SECTION("subscribe: what was asked for is taken back") {
    hosts.connect();
    client.async_subscribe("t", mqtt::QoS::at_most_once, bound());
    hosts.play(hosts.broker.expect("82 06 0001 0001 74 00"));
    signal.emit(net::cancellation_type::total);
    hosts.pass(1s);
    CHECK_FALSE(outcome.error);
    signal.emit(net::cancellation_type::terminal);
    hosts.pass(1ns);
    CHECK(outcome.aborted());
    hosts.play(hosts.broker.expect("a2 05 0002 0001 74"));
  }
  SECTION("unsubscribe") {
    hosts.connect();
    client.async_unsubscribe("t", bound());
    hosts.play(hosts.broker.expect("a2 05 0001 0001 74"));
    signal.emit(net::cancellation_type::total);
    hosts.pass(1s);
    CHECK_FALSE(outcome.error);
    signal.emit(net::cancellation_type::partial);
    hosts.pass(1ns);
    CHECK(outcome.aborted());
  }
  SECTION("disconnect: it is closed all the same") {
    hosts.connect();
    client.async_disconnect(bound());
    signal.emit(net::cancellation_type::total);
    CHECK_FALSE(outcome.error);
    signal.emit(net::cancellation_type::terminal);
    hosts.pass(1ns);
    CHECK(outcome.aborted());
    hosts.play(hosts.broker.expect("e0 00"));
    hosts.broker.stream.close();
    hosts.pass(1s);
    CHECK_FALSE(client.is_connected());
  }
}

TEST_CASE("a coroutine gives up waiting for a message when its time is over", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  const auto use = [&]() -> awaitable<void> {
    VirtualTimer timer{hosts.io, hosts.pair.world.scheduler()};
    timer.expires_after(10s);
    const auto began = hosts.pair.world.now();
    const auto first = co_await (hosts.client->async_receive(use_awaitable) || timer.async_wait(use_awaitable));
    CHECK(first.index() == 1);
    CHECK(hosts.pair.world.now() - began == 10s);
  };
  hosts.play(use());
}

TEST_CASE("what waits is aborted when the client goes, also from its own handler", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  Outcome publishing;
  Outcome receiving;
  hosts.client->async_publish("t", "x", mqtt::QoS::at_least_once, publishing.callback());
  hosts.client->async_receive(receiving.callback());
  hosts.client->async_subscribe("t", mqtt::QoS::at_most_once, [&](ErrorCode error, mqtt::QoS) {
    CHECK_FALSE(error);
    hosts.client.reset();
  });
  hosts.play(hosts.broker.expect("32 06 0001 74 0001 78  82 06 0002 0001 74 00"), hosts.broker.send("90 03 0002 00"));
  hosts.pass(1s);
  CHECK_FALSE(hosts.client);
  CHECK(publishing.aborted());
  CHECK(receiving.aborted());
}

TEST_CASE("an io_context that goes first takes what waits with it", "[asio][mqtt]") {
  const auto owned = std::make_shared<int>(0);
  Hosts hosts;
  auto io = std::make_unique<net::io_context>(1);
  auto client = std::make_unique<mqtt_client>(*io, hosts.client(), to_broker(kRightAddress));
  client->async_publish("t", "x", mqtt::QoS::at_least_once, [owned](ErrorCode) {});
  CHECK(owned.use_count() == 2);
  SECTION("the client after it") {
    io.reset();
    CHECK(owned.use_count() == 1);
    client.reset();
  }
  SECTION("the client before it") {
    client.reset();
    io.reset();
    CHECK(owned.use_count() == 1);
  }
}
