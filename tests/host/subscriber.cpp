// An MQTT subscriber on 192.0.2.2, tap0: the stack's end of tests/host/subscriber_test.py.
//   subscriber TOPIC_FILTER QOS COUNT    prints "subscribed QOS", then "message QOS TOPIC PAYLOAD" for each; 0 after COUNT messages

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include <tapir/tapir.hpp>

using namespace tapir::literals;

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: subscriber TOPIC_FILTER QOS COUNT\n", stderr);
    return 2;
  }
  const auto qos = static_cast<tapir::mqtt::QoS>(std::atoi(argv[2]));
  int left = std::atoi(argv[3]);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);

  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open("tap0");
  if (!tap) return tapir::report("tap0", tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix}};
  if (!stack.status()) return tapir::report("subscriber", stack.status().error());
  tapir::mqtt::Client client{
      stack,
      {.broker = {"192.0.2.1"_ipv4, tapir::Port{1883}}, .client_id = "subscriber", .clean_session = qos == tapir::mqtt::QoS::at_most_once}};

  client.on_disconnected([](const tapir::mqtt::Disconnection& why) { fmt::print("disconnected: {}\n", why.text); });
  const auto arrived = [&](const tapir::mqtt::Message& message) {
    fmt::print("message {} {} {}\n", static_cast<int>(message.qos), message.topic, message.payload.text());
    if (--left == 0) client.disconnect([&](tapir::Result<>) { runtime.stop(0); });
  };
  client.on_unmatched(arrived);
  client.subscribe(argv[1], qos, arrived, [&](tapir::Result<tapir::mqtt::QoS> granted) {
    if (!granted) return runtime.stop(tapir::report("subscriber", granted.error()));
    fmt::print("subscribed {}\n", static_cast<int>(*granted));
  });
  if (const auto signals = runtime.stop_on_signals({SIGTERM}, 3); !signals) return tapir::report("subscriber", signals.error());
  return runtime.run();
}
