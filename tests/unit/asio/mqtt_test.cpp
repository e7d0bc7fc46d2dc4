// MQTT with completion tokens.
#include "counting_allocator.hpp"
#include "mqtt_hosts.hpp"

#include <future>
#include <thread>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_future.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

TEST_CASE("MQTT in coroutines: connect, subscribe, publish, receive, unsubscribe, disconnect", "[asio][mqtt]") {
  MqttHosts hosts;
  const auto both = [&]() -> awaitable<void> {
    auto& client = *hosts.client;
    auto& broker = hosts.broker;
    const std::string topic = "t";
    const mqtt::Message message{.topic = topic, .payload = "x", .qos = mqtt::QoS::at_least_once};

    const bool present = co_await (client.async_connect(use_awaitable) && broker.accept());
    CHECK_FALSE(present);

    const auto subscribing = [&]() -> awaitable<void> {
      co_await broker.expect("82 06 0001 0001 74 01");
      co_await broker.send("90 03 0001 01");
    };
    const auto granted = co_await (client.async_subscribe(topic, mqtt::QoS::at_least_once, use_awaitable) && subscribing());
    CHECK(granted == mqtt::QoS::at_least_once);

    const auto publishing = [&]() -> awaitable<void> {
      co_await broker.expect("32 06 0001 74 0002 78");
      co_await broker.send("40 02 0002  30 04 0001 74 79");
    };
    co_await (client.async_publish(message, use_awaitable) && publishing());

    const auto received = co_await client.async_receive(use_awaitable);
    CHECK(received.topic == "t");
    CHECK(received.payload.text() == "y");

    const auto unsubscribing = [&]() -> awaitable<void> {
      co_await broker.expect("a2 05 0003 0001 74");
      co_await broker.send("b0 02 0003");
    };
    co_await (client.async_unsubscribe(topic, use_awaitable) && unsubscribing());

    const auto leaving = [&]() -> awaitable<void> {
      co_await broker.expect("e0 00");
      broker.stream.close();
    };
    co_await (client.async_disconnect(use_awaitable) && leaving());
    CHECK_FALSE(client.is_connected());

    // Nothing comes any more, and that is said.
    const auto [over, nothing] = co_await client.async_receive(with_error);
    CHECK(over == net::error::not_connected);
    const auto [refused] = co_await client.async_publish(message, with_error);
    CHECK(refused == net::error::not_connected);
    // Until it connects anew.
    co_await (client.async_connect(use_awaitable) && broker.accept());
    CHECK(client.is_connected());
  };
  hosts.play(both());
}

TEST_CASE("what the broker and the client refuse keeps its name", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  const auto refuse = [&]() -> awaitable<void> {
    co_await hosts.broker.expect("82 06 0001 0001 74 00");
    co_await hosts.broker.send("90 03 0001 80");
  };
  const auto use = [&]() -> awaitable<void> {
    auto& client = *hosts.client;
    const std::string topic = "t";
    const std::string wrong = "a/#";
    const auto [refused, granted] = co_await client.async_subscribe(topic, mqtt::QoS::at_most_once, with_error);
    CHECK(refused == mqtt::make_error_code(mqtt::Error::subscription_refused));
    CHECK(granted == mqtt::QoS::at_most_once);
    const mqtt::Payload payload{"x"};
    const auto [invalid] = co_await client.async_publish(wrong, payload, mqtt::QoS::at_most_once, with_error);
    CHECK(invalid == mqtt::make_error_code(mqtt::Error::invalid_topic));
  };
  hosts.play(use(), refuse());
}

TEST_CASE("a connect waits over failures that are tried again, and ends with the one that is not", "[asio][mqtt]") {
  Hosts hosts;
  auto config = to_broker(kRightAddress);
  SECTION("tried again until somebody listens") {
    mqtt_client client{hosts.io, hosts.client(), config};
    std::vector<std::string> lost;
    client.on_disconnected([&](const mqtt::Disconnection& why) { lost.push_back(why.text); });
    Outcome outcome;
    client.async_connect(outcome.callback());
    hosts.pass(100ms);
    CHECK_FALSE(outcome.error);
    REQUIRE(lost.size() == 1);
    CHECK(lost[0] == "connection refused by 192.0.2.2:1883");
    Broker broker{hosts.io, hosts.server()};
    hosts.play(broker.accept());
    hosts.pass(1s);
    CHECK(outcome.error == ErrorCode{});
    Outcome again;
    client.async_connect(again.callback());
    hosts.pass(1ns);
    CHECK(again.error == ErrorCode{});  // it is connected already
  }
  SECTION("not tried again") {
    config.reconnect.enabled = false;
    mqtt_client client{hosts.io, hosts.client(), config};
    Outcome outcome;
    Outcome receiving;
    client.async_connect(outcome.callback());
    client.async_receive(receiving.callback());
    hosts.pass(1s);
    CHECK(outcome.error == ErrorCode{net::error::connection_refused});
    CHECK(receiving.error == ErrorCode{net::error::connection_refused});
  }
  SECTION("a configuration that CONNECT cannot carry") {
    config.client_id = "";
    config.clean_session = false;
    mqtt_client client{hosts.io, hosts.client(), config};
    Outcome outcome;
    client.async_connect(outcome.callback());
    hosts.pass(1s);
    CHECK(outcome.error == ErrorCode{mqtt::make_error_code(mqtt::Error::missing_client_id)});
  }
}

TEST_CASE("messages wait in a bounded inbox; those of a subscription with a handler do not", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  auto& client = *hosts.client;
  client.set_inbox_limit(2 * (sizeof(mqtt::Message) + 2));
  std::vector<std::string> handled;
  Outcome subscribed;
  client.async_subscribe(
      mqtt::Subscription{.filter = "h"}, mqtt::Properties{},
      [&](const mqtt::Message& message) { handled.emplace_back(message.payload.text()); }, subscribed.callback());
  hosts.play(hosts.broker.expect("82 06 0001 0001 68 00"),
             hosts.broker.send("90 03 0001 00  30 04 0001 74 61  30 04 0001 68 62  30 04 0001 74 63  30 04 0001 74 64"));
  hosts.pass(1s);
  CHECK(subscribed.error == ErrorCode{});
  CHECK(handled == std::vector<std::string>{"b"});
  CHECK(client.dropped() == 1);
  std::vector<std::string> taken;
  const auto take = [&] {
    client.async_receive([&](ErrorCode error, const mqtt::Message& message) {
      CHECK_FALSE(error);
      taken.emplace_back(message.payload.text());
    });
  };
  for (int i = 0; i < 3; ++i) take();
  hosts.play(hosts.broker.send("30 04 0001 74 65  30 04 0001 74 66"));
  hosts.pass(1s);
  CHECK(taken == std::vector<std::string>{"a", "c", "e"});
  take();
  hosts.pass(1ns);
  CHECK(taken == std::vector<std::string>{"a", "c", "e", "f"});
  CHECK(client.dropped() == 1);
}

TEST_CASE("a message of QoS 1 or 2 is acknowledged when async_receive has it, and beyond the inbox nothing is read", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  auto& client = *hosts.client;
  client.set_inbox_limit(2 * (sizeof(mqtt::Message) + 2));
  std::array<char, 64> buffer{};
  std::string answered;
  const std::function<void()> read = [&] {
    hosts.broker.stream.async_read_some(net::buffer(buffer), [&](ErrorCode error, std::size_t size) {
      if (error) return;
      answered.append(buffer.data(), size);
      read();
    });
  };
  read();
  std::string taken;
  const auto take = [&] {
    answered.clear();
    client.async_receive([&](ErrorCode error, const mqtt::Message& message) {
      CHECK_FALSE(error);
      taken += message.payload.text();
    });
    hosts.pass(1s);
  };
  hosts.play(hosts.broker.send("32 06 0001 74 0001 61  34 06 0001 74 0002 62  32 06 0001 74 0003 63  30 04 0001 74 64"));
  hosts.pass(1s);
  hosts.play(hosts.broker.send("32 06 0001 74 0004 65"));
  hosts.pass(1s);
  CHECK(answered.empty());
  CHECK(client.native_handle().session().unacknowledged() == 3);  // the fourth is not read
  CHECK(client.dropped() == 1);                                   // of QoS 0
  take();
  CHECK(answered == std::string{"\x40\x02\0\1", 4});
  CHECK(client.native_handle().session().unacknowledged() == 3);
  take();
  CHECK(answered == std::string{"\x50\x02\0\2", 4});
  take();
  CHECK(answered == std::string{"\x40\x02\0\3", 4});
  take();
  CHECK(answered == std::string{"\x40\x02\0\4", 4});
  CHECK(taken == "abce");
}

TEST_CASE("a full inbox holds up no operation that waits for the broker", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  auto& client = *hosts.client;
  client.set_inbox_limit(2 * (sizeof(mqtt::Message) + 2));
  const auto unacknowledged = [&] { return client.native_handle().session().unacknowledged(); };
  const char* const five =
      "32 06 0001 74 0001 61  32 06 0001 74 0002 62  32 06 0001 74 0003 63  32 06 0001 74 0004 64  32 06 0001 74 0005 65";
  Outcome taken;
  Outcome published;
  const auto publish = [&] { client.async_publish("u", "x", mqtt::QoS::at_least_once, published.callback()); };
  SECTION("begun before") {
    publish();
    hosts.play(hosts.broker.expect("32 06 0001 75 0001 78"), hosts.broker.send(five));
    hosts.pass(1s);
    hosts.play(hosts.broker.send("40 02 0001"));
  }
  SECTION("begun behind a message that does not make enough room") {
    hosts.play(hosts.broker.send(five));
    hosts.pass(1s);
    client.async_receive(taken.callback());
    hosts.play(hosts.broker.expect("40 02 0001"));
    publish();
    hosts.play(hosts.broker.expect("32 06 0001 75 0001 78"), hosts.broker.send("40 02 0001"));
  }
  hosts.pass(1s);
  CHECK(published.error == ErrorCode{});
  // Nobody waits any more: one more is read, and nothing behind it.
  const auto before = unacknowledged();
  hosts.play(hosts.broker.send("32 06 0001 74 0006 66"));
  hosts.pass(1s);
  hosts.play(hosts.broker.send("32 06 0001 74 0007 67"));
  hosts.pass(1s);
  CHECK(unacknowledged() == before + 1);
}

TEST_CASE("an MQTT operation's handler is called by its own executor, and lives in its own allocator's memory", "[asio][mqtt]") {
  MqttHosts hosts;
  hosts.connect();
  net::io_context other;
  std::ptrdiff_t now = 0;
  std::ptrdiff_t ever = 0;
  std::optional<ErrorCode> outcome;
  hosts.client->async_publish(
      "t", "x", mqtt::QoS::at_least_once,
      net::bind_executor(other.get_executor(), net::bind_allocator(Counting<void*>{&now, &ever}, [&](ErrorCode error) {
                           CHECK(now == 0);  // freed before the call
                           outcome = error;
                         })));
  CHECK(now > 0);
  hosts.play(hosts.broker.expect("32 06 0001 74 0001 78"), hosts.broker.send("40 02 0001"));
  hosts.pass(1s);
  CHECK_FALSE(outcome);
  CHECK(other.run() == 1);
  CHECK(outcome == ErrorCode{});
  CHECK(ever > 0);
}

TEST_CASE("futures: of an operation on this thread, and of a coroutine that another thread waits for, in real time", "[asio][mqtt]") {
  constexpr Ipv4Address loopback{0x7f000001};
  Runtime runtime;
  Stack stack{runtime, StackConfig{}};
  net::io_context io{1};
  Broker broker{io, stack};
  const auto serve = [&]() -> awaitable<void> {
    co_await broker.accept();
    co_await broker.expect("32 06 0001 74 0001 78");
    co_await broker.send("40 02 0001");
    co_await broker.expect("32 06 0001 74 0002 79");
    co_await broker.send("40 02 0002");
  };
  net::co_spawn(io, serve(), [](const std::exception_ptr& thrown) { CHECK_FALSE(thrown); });
  mqtt_client client{io, stack, to_broker(loopback)};
  auto connected = client.async_connect(net::use_future);
  auto published = client.async_publish("t", "x", mqtt::QoS::at_least_once, net::use_future);
  const auto ready = [](auto& future) { return future.wait_for(0s) == std::future_status::ready; };
  REQUIRE(tapir::asio::run_until(runtime, io, [&] { return ready(published); }, 60s));
  CHECK_FALSE(connected.get());
  published.get();

  const auto publish = [&]() -> awaitable<int> {
    const mqtt::Message message{.topic = "t", .payload = "y", .qos = mqtt::QoS::at_least_once};
    co_await client.async_publish(message, use_awaitable);
    co_return 42;
  };
  int answer = 0;
  std::thread other{[&] {
    answer = net::co_spawn(io, publish(), net::use_future).get();
    runtime.post([&] { runtime.stop(7); });
  }};
  CHECK(tapir::asio::run(runtime, io) == 7);
  other.join();
  CHECK(answer == 42);
}
