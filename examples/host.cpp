// A host on a TAP device: answers ARP and ping, echoes on TCP and UDP port 7, discards on TCP 9, generates on TCP 19.

#include <csignal>
#include <cstdio>
#include <list>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <tapir/tapir.hpp>

namespace {

struct Options {
  std::string tap;
  std::string address;
  std::string gateway;
  std::string mac;
  bool plain = false;
};

/// What is wrong with an address and network; empty: nothing. Without "/n" the host would take itself to be alone on the link.
std::string check_address(const std::string& text) {
  if (!text.contains('/')) return "needs the network's prefix length: " + text + "/24";
  return tapir::Ipv4Prefix::parse(text) ? std::string{} : std::string{"not an IPv4 address with prefix length"};
}

/// One connection of a service. It removes itself from its service's list when the connection is over.
class Serving {
 public:
  enum class Kind : std::uint8_t { echo, discard, chargen };

  Serving(tapir::tcp::Connection connection, Kind kind) : connection_{std::move(connection)}, kind_{kind} {}

  void start(std::function<void()> over) {
    connection_.handle({.readable = [this] { work(); }, .writable = [this] { work(); }, .closed = [over](std::error_code) { over(); }});
    work();
  }

 private:
  void work() {
    if (kind_ == Kind::chargen) generate();
    while (pending_.empty()) {
      auto slice = connection_.receive_slice();
      if (!slice) return;                              // nothing there now, or the connection is gone: closed() follows
      if (slice->empty()) return connection_.close();  // the peer has said everything
      if (kind_ == Kind::echo) pending_ = std::move(*slice);
      flush();
    }
    flush();
  }

  /// Sends what has been read; what does not fit waits for writable(), and nothing more is read until then.
  void flush() {
    while (!pending_.empty()) {
      const auto sent = connection_.send(pending_);
      if (!sent || *sent == 0) return;
      pending_.trim_front(*sent);
    }
  }

  /// RFC 864: lines of 72 printable characters, each starting one further on.
  void generate() {
    if (pattern_.empty()) {
      for (unsigned line = 0; line < 95; ++line) {
        for (unsigned i = 0; i < 72; ++i) pattern_.push_back(static_cast<std::byte>(' ' + (line + i) % 95));
        pattern_.push_back(std::byte{'\r'});
        pattern_.push_back(std::byte{'\n'});
      }
    }
    for (;;) {
      const auto sent = connection_.send(std::span{pattern_}.subspan(position_));
      if (!sent || *sent == 0) return;
      position_ = (position_ + *sent) % pattern_.size();
    }
  }

  tapir::tcp::Connection connection_;
  Kind kind_;
  tapir::Slice pending_;
  std::vector<std::byte> pattern_;
  std::size_t position_ = 0;
};

/// A TCP service: a listener and the connections it accepted.
class Service {
 public:
  tapir::Result<> start(tapir::Stack& stack, std::uint16_t port, Serving::Kind kind) {
    auto listener = stack.tcp().listen(tapir::Port{port}, [this, kind](tapir::tcp::Connection connection) {
      const auto serving = serving_.emplace(serving_.end(), std::move(connection), kind);
      serving->start([this, serving] { serving_.erase(serving); });
    });
    if (!listener) return tapir::fail(listener.error());
    listener_.emplace(std::move(*listener));
    return {};
  }

 private:
  std::list<Serving> serving_;
  std::optional<tapir::tcp::Listener> listener_;
};

int run(const Options& options) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open(options.tap, {.mode = options.plain ? tapir::link::TapMode::plain : tapir::link::TapMode::offload});
  if (!tap) return tapir::report("host: " + options.tap, tap.error());
  tapir::StackConfig config{.address = *tapir::Ipv4Prefix::parse(options.address)};
  if (!options.gateway.empty()) config.gateway = tapir::Ipv4Address::parse(options.gateway);
  if (!options.mac.empty()) config.mac = tapir::MacAddress::parse(options.mac);
  tapir::Stack stack{runtime, std::move(*tap), config};
  if (!stack.status()) return tapir::report("host: " + options.address, stack.status().error());

  Service echo, discard, chargen;
  for (const auto& started : {echo.start(stack, 7, Serving::Kind::echo), discard.start(stack, 9, Serving::Kind::discard),
                              chargen.start(stack, 19, Serving::Kind::chargen)}) {
    if (!started) return tapir::report("host", started.error());
  }
  auto udp_echo = stack.udp().bind({tapir::IpAddress{}, tapir::Port{7}});
  if (!udp_echo) return tapir::report("host", udp_echo.error());
  udp_echo->on_readable([&] {
    while (auto datagram = udp_echo->receive()) (void)udp_echo->send_to(datagram->source, datagram->payload.bytes());
  });

  if (const auto signals = runtime.stop_on_signals({SIGINT, SIGTERM}, 0); !signals) return tapir::report("host", signals.error());
  fmt::print("host: up as {} ({}) on {}\n", options.address, tapir::to_string(stack.ethernet().address()), options.tap);
  const int code = runtime.run();
  fmt::print("{}\n{}", stack.ipv4().print_routes(), stack.counters());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"A host on a TAP device: ping it, connect to TCP 7 (echo), 9 (discard), 19 (chargen), or UDP 7 (echo)"};
  app.add_option("--tap", options.tap, "TAP device, opened or created")->required();
  app.add_option("--address", options.address, "own address and network: 192.0.2.2/24")->required()->check(check_address);
  app.add_option("--gateway", options.gateway, "default gateway")->check([](const std::string& text) {
    return tapir::Ipv4Address::parse(text) ? std::string{} : std::string{"not an IPv4 address"};
  });
  app.add_option("--mac", options.mac, "own hardware address; random by default")->check([](const std::string& text) {
    return tapir::MacAddress::parse(text) ? std::string{} : std::string{"not a hardware address"};
  });
  app.add_flag("--plain", options.plain, "bare frames: no checksum or segmentation offload");
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return run(options);
}
