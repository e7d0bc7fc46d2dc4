// MQTT in a coroutine over a stack of one's own: a thermostat publishes its temperature once a second and takes a new target at any time,
// until it is told "off".

#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <tapir/asio.hpp>
#include <tapir/tapir.hpp>

namespace net = boost::asio;

namespace {

struct Options {
  std::string tap;
  std::string address;
  std::string broker;
  std::string topic = "thermostat";
};

net::awaitable<void> regulate(tapir::asio::mqtt_client& client, tapir::Scheduler& scheduler, std::string topic) {
  using boost::asio::experimental::awaitable_operators::operator||;
  double temperature = 15;
  double target = 20;
  const std::string commands = topic + "/target";

  co_await client.async_connect(net::use_awaitable);
  co_await client.async_subscribe(commands, tapir::mqtt::QoS::at_least_once, net::use_awaitable);
  fmt::print("thermostat: ready\n");
  for (tapir::asio::steady_timer second{client.get_executor(), scheduler};;) {
    temperature += (target - temperature) / 4;
    const tapir::mqtt::Message reading{
        .topic = topic, .payload = std::string_view{fmt::format("{:.1f}", temperature)}, .qos = tapir::mqtt::QoS::at_least_once};
    co_await client.async_publish(reading, net::use_awaitable);

    second.expires_after(std::chrono::seconds{1});
    const auto next =
        co_await (client.async_receive(net::use_awaitable) || second.async_wait(net::use_awaitable));  // the other is cancelled
    const auto* const command = std::get_if<tapir::mqtt::Message>(&next);
    if (command == nullptr) continue;
    const auto text = command->payload.text();
    if (text == "off") break;
    if (std::from_chars(text.data(), text.data() + text.size(), target).ec != std::errc{}) {
      fmt::print("thermostat: not a temperature: {}\n", text);
    }
  }
  co_await client.async_disconnect(net::use_awaitable);
}

int run(const Options& options) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open(options.tap);
  if (!tap) return tapir::report("thermostat: " + options.tap, tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = *tapir::Ipv4Prefix::parse(options.address)}};
  if (!stack.status()) return tapir::report("thermostat: " + options.address, stack.status().error());

  net::io_context io{1};  // goes before the stack
  // With a session that is kept, a reading that is under way when the connection is lost is sent again.
  tapir::mqtt::ClientConfig config{.broker = {*tapir::Ipv4Address::parse(options.broker), tapir::Port{1883}}, .client_id = options.topic};
  config.clean_session = false;
  tapir::asio::mqtt_client client{io, stack, std::move(config)};
  client.on_disconnected([](const tapir::mqtt::Disconnection& why) {
    if (why.error) fmt::print(stderr, "thermostat: {}{}\n", why.text, why.will_retry ? "; connecting again" : "");
  });
  net::co_spawn(io, regulate(client, runtime.scheduler(), options.topic), [&runtime](const std::exception_ptr& failed) {
    runtime.stop(failed ? 1 : 0);
    if (failed) std::rethrow_exception(failed);
  });
  return tapir::asio::run(runtime, io);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"A thermostat that reports to an MQTT broker and is told its target by it"};
  app.add_option("--tap", options.tap, "TAP device, opened or created")->required();
  app.add_option("--address", options.address, "own address and network: 192.0.2.2/24")->required()->check([](const std::string& text) {
    return text.contains('/') && tapir::Ipv4Prefix::parse(text) ? std::string{} : std::string{"not an IPv4 address with prefix length"};
  });
  app.add_option("--broker", options.broker, "the broker's address")->required()->check([](const std::string& text) {
    return tapir::Ipv4Address::parse(text) ? std::string{} : std::string{"not an IPv4 address"};
  });
  app.add_option("--topic", options.topic, "where it reports; it is told its target under this and /target")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "thermostat: {}\n", error.what());
    return 1;
  }
}
