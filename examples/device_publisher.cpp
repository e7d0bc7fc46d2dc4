// An IoT device: publishes simulated temperature readings to an MQTT broker through a TCP/IP stack of its own.

#include <csignal>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <tapir/tapir.hpp>

namespace {

struct Options {
  std::string tap;
  std::string address;
  std::string gateway;
  std::string mac;
  std::string broker;
  std::string topic;
  unsigned count = 5;
  double interval = 1.0;  // seconds
  int qos = 1;
  std::string client_id = "tapir-device";
  std::string pcap;
  bool verbose = false;
};

/// "192.0.2.1" or "192.0.2.1:1883".
std::optional<tapir::Endpoint> parse_broker(const std::string& text) {
  const auto colon = text.find(':');
  const auto address = tapir::Ipv4Address::parse(text.substr(0, colon));
  if (!address) return std::nullopt;
  if (colon == std::string::npos) return tapir::Endpoint{*address, tapir::Port{1883}};
  unsigned port = 0;
  char rest = 0;
  if (std::sscanf(text.c_str() + colon + 1, "%5u%c", &port, &rest) != 1 || port == 0 || port > 65535) return std::nullopt;
  return tapir::Endpoint{*address, tapir::Port{static_cast<std::uint16_t>(port)}};
}

/// Without "/n" the device would take itself to be alone on the link.
std::string check_address(const std::string& text) {
  if (!text.contains('/')) return "needs the network's prefix length: " + text + "/24";
  return tapir::Ipv4Prefix::parse(text) ? std::string{} : std::string{"not an IPv4 address with prefix length"};
}

std::string check(bool ok, const char* what) { return ok ? std::string{} : std::string{what}; }

/// Takes one reading at each interval and ends the program when the last one was handed over.
class Sensor {
 public:
  Sensor(tapir::Runtime& runtime, tapir::mqtt::Client& client, tapir::Journey* journey, const Options& options)
      : runtime_{runtime},
        client_{client},
        journey_{journey},
        options_{options},
        timer_(tapir::Timer::calling<&Sensor::read>(runtime.scheduler(), *this)) {
    client_.on_connected([this](bool) {
      connected_ = true;
      if (published_ == 0) read();
    });
    client_.on_disconnected([this](const tapir::mqtt::Disconnection& why) { disconnected(why); });
  }

 private:
  void read() {
    celsius_ += (runtime_.random().fraction() - 0.5) / 2;  // a room's temperature drifts slowly
    ++published_;
    const std::string reading =
        fmt::format(R"({{"sensor":"{}","sequence":{},"celsius":{:.2f}}})", options_.client_id, published_, celsius_);
    fmt::print("reading {}/{}: {}\n", published_, options_.count, reading);
    client_.publish(options_.topic, std::string_view{reading}, static_cast<tapir::mqtt::QoS>(options_.qos),
                    [this, number = published_](tapir::Result<> outcome) { delivered(number, outcome); });
    if (published_ < options_.count) timer_.arm_after(std::chrono::nanoseconds{static_cast<std::int64_t>(options_.interval * 1e9)});
  }

  void delivered(unsigned number, const tapir::Result<>& outcome) {
    if (!outcome) return fail(outcome.error().message());
    fmt::print("reading {}/{} {}\n", number, options_.count, options_.qos == 0 ? "acknowledged by TCP" : "acknowledged by the broker");
    if (journey_ != nullptr) journey_->pause();  // the first reading's way says it all
    if (++delivered_ == options_.count) client_.disconnect([this](tapir::Result<>) { runtime_.stop(0); });
  }

  void disconnected(const tapir::mqtt::Disconnection& why) {
    if (delivered_ == options_.count) return runtime_.stop(0);
    if (!connected_ || !why.will_retry) return fail(why.text);
    fmt::print(stderr, "device_publisher: {}; connecting again\n", why.text);
  }

  void fail(const std::string& why) {
    fmt::print(stderr, "device_publisher: {}\n", why);
    runtime_.stop(1);
  }

  tapir::Runtime& runtime_;
  tapir::mqtt::Client& client_;
  tapir::Journey* journey_;
  const Options& options_;
  tapir::Timer timer_;
  double celsius_ = 21.5;
  unsigned published_ = 0;
  unsigned delivered_ = 0;
  bool connected_ = false;
};

int publish(const Options& options) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open(options.tap);
  if (!tap) return tapir::report("device_publisher: " + options.tap, tap.error());
  std::unique_ptr<tapir::link::Link> link = std::make_unique<tapir::link::Tap>(std::move(*tap));
  if (!options.pcap.empty()) {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch() - runtime.scheduler().now().time_since_epoch();
    auto capture = tapir::link::Capture::to_file(std::move(link), runtime.scheduler(), options.pcap, {.epoch = since_1970});
    if (!capture) return tapir::report("device_publisher: " + options.pcap, capture.error());
    link = std::move(*capture);
  }

  tapir::Journey journey{[](std::string_view line) { fmt::print("  {}\n", line); }};
  tapir::StackConfig config{.address = *tapir::Ipv4Prefix::parse(options.address)};
  if (!options.gateway.empty()) config.gateway = tapir::Ipv4Address::parse(options.gateway);
  if (!options.mac.empty()) config.mac = tapir::MacAddress::parse(options.mac);
  if (options.verbose) config.observer = &journey;
  tapir::Stack stack{runtime, std::move(link), config};
  if (!stack.status()) return tapir::report("device_publisher: " + options.address, stack.status().error());

  // A session that outlives the connection: a reading in flight when the broker restarts is sent again.
  tapir::mqtt::ClientConfig mqtt{
      .broker = *parse_broker(options.broker), .client_id = options.client_id, .clean_session = options.qos == 0};
  tapir::mqtt::Client client{stack, mqtt};
  const Sensor sensor{runtime, client, options.verbose ? &journey : nullptr, options};
  if (const auto signals = runtime.stop_on_signals({SIGINT, SIGTERM}, 130); !signals)
    return tapir::report("device_publisher", signals.error());
  const int code = runtime.run();
  if (options.verbose && journey.untold() > 0) fmt::print("  … and {} more events\n", journey.untold());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Publishes simulated temperature readings over MQTT, through a TCP/IP stack of its own on a TAP device"};
  app.add_option("--tap", options.tap, "TAP device, opened or created")->required();
  app.add_option("--address", options.address, "own address and network: 192.0.2.2/24")->required()->check(check_address);
  app.add_option("--gateway", options.gateway, "default gateway")->check([](const std::string& text) {
    return check(tapir::Ipv4Address::parse(text).has_value(), "not an IPv4 address");
  });
  app.add_option("--mac", options.mac, "own hardware address; random by default")->check([](const std::string& text) {
    return check(tapir::MacAddress::parse(text).has_value(), "not a hardware address");
  });
  app.add_option("--broker", options.broker, "IP[:PORT] of the MQTT broker")->required()->check([](const std::string& text) {
    return check(parse_broker(text).has_value(), "not IP[:PORT]");
  });
  app.add_option("--topic", options.topic, "topic to publish to")->required();
  app.add_option("--count", options.count, "readings to publish")->check(CLI::Range(1U, 1'000'000U))->capture_default_str();
  app.add_option("--interval", options.interval, "seconds between readings")->check(CLI::Range(0.0, 86400.0))->capture_default_str();
  app.add_option("--qos", options.qos, "MQTT quality of service")->check(CLI::Range(0, 2))->capture_default_str();
  app.add_option("--client-id", options.client_id, "MQTT client identifier")->capture_default_str();
  app.add_option("--pcap", options.pcap, "record all frames to this pcapng file");
  app.add_flag("--verbose", options.verbose, "tell what happens at each layer until the first reading has arrived");
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return publish(options);
}
