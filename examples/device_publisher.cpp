// An IoT device: publishes simulated temperature readings to an MQTT broker through a TCP/IP stack of its own.

#include <charconv>
#include <cmath>
#include <csignal>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <tapir/mqtt/topic.hpp>
#include <tapir/tapir.hpp>

#include "command_line.hpp"

namespace {

/// Readings that nobody has acknowledged yet. When the broker does not keep up, or is away, the sensor waits.
constexpr unsigned kMostUnderWay = 100;
constexpr unsigned kMostInVain = 5;  // connections

struct Options {
  example::Interface interface;
  std::string broker;
  std::string topic;
  unsigned count = 5;
  double interval = 1.0;  // seconds
  int qos = 1;
  std::string client_id = "tapir-device";
  std::string pcap;
  bool verbose = false;

  /// What is wrong with the options together; empty: nothing.
  [[nodiscard]] std::string problem() const;
};

/// "192.0.2.1" or "192.0.2.1:1883".
std::optional<tapir::Endpoint> parse_broker(const std::string& text) {
  const auto colon = text.find(':');
  const auto address = tapir::Ipv4Address::parse(text.substr(0, colon));
  if (!address) return std::nullopt;
  if (colon == std::string::npos) return tapir::Endpoint{*address, tapir::Port{1883}};
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, port);
  if (read.ec != std::errc{} || read.ptr != end || port == 0) return std::nullopt;
  return tapir::Endpoint{*address, tapir::Port{port}};
}

std::string check(bool ok, const char* what) { return ok ? std::string{} : std::string{what}; }

std::string Options::problem() const {
  if (auto wrong = interface.problem(); !wrong.empty()) return wrong;
  if (const auto host = parse_broker(broker)->address.v4(); !example::is_host(host, interface.prefix()))
    return fmt::format("--broker: {} is no address that a broker can have", tapir::to_string(host));
  if (std::isnan(interval)) return "--interval: not a number";
  if (client_id.empty() && qos > 0) return "--client-id: may be empty with --qos 0 only: the broker keeps the session under this name";
  return {};
}

/// Takes one reading at each interval and ends the program when the last one was handed over.
class Sensor {
 public:
  Sensor(tapir::Runtime& runtime, tapir::mqtt::Client& client, const tapir::link::Tap& tap, tapir::Journey* journey,
         example::Console& console, const Options& options)
      : runtime_{runtime},
        client_{client},
        tap_{tap},
        journey_{journey},
        console_{console},
        options_{options},
        timer_(tapir::Timer::calling<&Sensor::read>(runtime.scheduler(), *this)) {
    client_.on_connected([this](const auto&) {
      connected_ = accepted_ = true;
      if (published_ == 0) read();
    });
    client_.on_disconnected([this](const tapir::mqtt::Disconnection& why) { disconnected(why); });
  }

 private:
  void read() {
    waiting_ = published_ - delivered_ == kMostUnderWay;
    if (waiting_) return;                                  // delivered() goes on
    celsius_ += (runtime_.random().fraction() - 0.5) / 2;  // a room's temperature drifts slowly
    ++published_;
    const nlohmann::ordered_json values{
        {"sensor", options_.client_id}, {"sequence", published_}, {"celsius", std::round(celsius_ * 100) / 100}};
    const std::string reading = values.dump();
    console_.say("reading {}/{}: {}\n", published_, options_.count, reading);
    if (!console_.ok()) return runtime_.stop(1);
    client_.publish(options_.topic, std::string_view{reading}, static_cast<tapir::mqtt::QoS>(options_.qos),
                    [this, number = published_](tapir::Result<> outcome) { delivered(number, outcome); });
    if (published_ < options_.count) timer_.arm_after(std::chrono::nanoseconds{static_cast<std::int64_t>(options_.interval * 1e9)});
  }

  void delivered(unsigned number, const tapir::Result<>& outcome) {
    if (!outcome) return fail(outcome.error().message());
    console_.say("reading {}/{} {}\n", number, options_.count, options_.qos == 0 ? "acknowledged by TCP" : "acknowledged by the broker");
    if (journey_ != nullptr) journey_->pause();  // the first reading's way says it all
    vain_ = 0;
    if (++delivered_ == options_.count) return client_.disconnect([this](tapir::Result<>) { runtime_.stop(0); });
    if (waiting_) read();
  }

  void disconnected(const tapir::mqtt::Disconnection& why) {
    if (runtime_.stopping()) return;  // a reading that went with the connection has said why
    if (delivered_ == options_.count) return runtime_.stop(0);
    const auto text = tap_.is_up() ? why.text : fmt::format("{} ({} is down: ip link set {} up)", why.text, tap_.name(), tap_.name());
    if (std::exchange(accepted_, false)) ++vain_;
    if (!connected_ || !why.will_retry) return fail(text);
    if (vain_ == kMostInVain) return fail(fmt::format("{}; no reading got through in {} connections", text, vain_));
    console_.note(text + "; connecting again");
  }

  void fail(const std::string& why) { runtime_.stop(console_.fail(why)); }

  tapir::Runtime& runtime_;
  tapir::mqtt::Client& client_;
  const tapir::link::Tap& tap_;
  tapir::Journey* journey_;
  example::Console& console_;
  const Options& options_;
  tapir::Timer timer_;
  double celsius_ = 21.5;
  unsigned published_ = 0;
  unsigned delivered_ = 0;
  unsigned vain_ = 0;  // connections in a row that the broker accepted and that ended before a reading was handed over
  bool connected_ = false;
  bool accepted_ = false;  // the connection that there is
  bool waiting_ = false;   // for one of the readings under way to be delivered
};

int publish(const Options& options, example::Console& console) {
  tapir::Runtime runtime;
  auto opened = tapir::link::Tap::open(options.interface.tap);
  if (!opened) return console.fail(fmt::format("{}: {}", options.interface.tap, opened.error().message()));
  auto owned = std::make_unique<tapir::link::Tap>(std::move(*opened));
  const tapir::link::Tap& tap = *owned;
  std::unique_ptr<tapir::link::Link> link = std::move(owned);
  tapir::link::Capture* capture = nullptr;
  if (!options.pcap.empty()) {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch() - runtime.scheduler().now().time_since_epoch();
    auto created = tapir::link::Capture::to_file(std::move(link), runtime.scheduler(), options.pcap, {.epoch = since_1970});
    if (!created) return console.fail(fmt::format("{}: {}", options.pcap, created.error().message()));
    capture = created->get();
    link = std::move(*created);
  }
  runtime.on_link_lost([&](tapir::link::Link& lost) { runtime.stop(console.fail(fmt::format("{}: the device is gone", lost.name()))); });

  tapir::Journey journey{[&](std::string_view line) { console.say("  {}\n", line); }};
  tapir::StackConfig config = options.interface.config();
  if (options.verbose) config.observer = &journey;
  tapir::Stack stack{runtime, std::move(link), config};
  if (!stack.status()) return console.fail(fmt::format("{}: {}", options.interface.address, stack.status().error().message()));

  // A session that outlives the connection: a reading in flight when the broker restarts is sent again.
  tapir::mqtt::Client client{stack,
                             {.broker = *parse_broker(options.broker), .client_id = options.client_id, .clean_session = options.qos == 0}};
  const Sensor sensor{runtime, client, tap, options.verbose ? &journey : nullptr, console, options};
  if (const auto signals = runtime.stop_on_signals({SIGINT, SIGTERM}, 130); !signals) return console.fail(signals.error().message());
  const int code = runtime.run();
  if (options.verbose && journey.untold() > 0) console.say("  … and {} more events\n", journey.untold());
  if (capture != nullptr) (void)capture->flush();  // what it fails with stands in the statistics
  if (capture != nullptr && capture->stats().write_errors > 0)
    return console.fail(fmt::format("{}: {}", options.pcap, capture->stats().write_error.message()));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Publishes simulated temperature readings over MQTT, through a TCP/IP stack of its own on a TAP device"};
  options.interface.add_options(app);
  app.add_option("--broker", options.broker, "IP[:PORT] of the MQTT broker")->required()->check([](const std::string& text) {
    return check(parse_broker(text).has_value(), "not IP[:PORT]");
  });
  app.add_option("--topic", options.topic, "topic to publish to")->required()->check([](const std::string& text) {
    return check(tapir::mqtt::is_valid_topic_name(text), "not a topic to publish to: it is empty, has a wildcard, or is not UTF-8");
  });
  app.add_option("--count", options.count, "readings to publish")->check(CLI::Range(1U, 1'000'000U))->capture_default_str();
  app.add_option("--interval", options.interval, "seconds between readings")->check(CLI::Range(0.0, 86400.0))->capture_default_str();
  app.add_option("--qos", options.qos, "MQTT quality of service")->check(CLI::Range(0, 2))->capture_default_str();
  app.add_option("--client-id", options.client_id, "MQTT client identifier")->capture_default_str()->check([](const std::string& text) {
    return check(tapir::mqtt::is_valid_string(text), "not UTF-8, or longer than 65535 bytes");
  });
  app.add_option("--pcap", options.pcap, "record all frames to this pcapng file");
  app.add_flag("--verbose", options.verbose, "tell what happens at each layer until the first reading has arrived");
  example::Console console{"device_publisher"};
  if (const auto code = example::parse(app, argc, argv, console, [&] { return options.problem(); })) return *code;
  return console.end(publish(options, console));
}
