// A host on a TAP device: answers ARP and ping, echoes on TCP and UDP port 7, discards on TCP 9, generates on TCP 19.

#include <csignal>
#include <cstdio>
#include <list>
#include <string>
#include <vector>

#include <tapir/tapir.hpp>

#include "command_line.hpp"

namespace {

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
    for (;;) {
      flush();
      if (!pending_.empty()) return;  // writable() follows
      auto slice = connection_.receive_slice();
      if (!slice) return;                              // nothing there now, or the connection is gone: closed() follows
      if (slice->empty()) return connection_.close();  // the peer has said everything
      if (kind_ == Kind::echo) pending_ = std::move(*slice);
    }
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

int run(const example::Interface& interface, tapir::link::TapMode mode, example::Console& console) {
  tapir::Runtime runtime;
  auto opened = tapir::link::Tap::open(interface.tap, {.mode = mode});
  if (!opened) return console.fail(fmt::format("{}: {}", interface.tap, opened.error().message()));
  auto tap = std::make_unique<tapir::link::Tap>(std::move(*opened));
  if (!tap->is_up()) console.note(fmt::format("{0} is down, nobody can be heard; bring it up: ip link set {0} up", tap->name()));
  runtime.on_link_lost([&](tapir::link::Link& link) { runtime.stop(console.fail(fmt::format("{}: the device is gone", link.name()))); });
  tapir::Stack stack{runtime, std::move(tap), interface.config()};
  if (!stack.status()) return console.fail(fmt::format("{}: {}", interface.address, stack.status().error().message()));

  Service echo, discard, chargen;
  for (const auto& started : {echo.start(stack, 7, Serving::Kind::echo), discard.start(stack, 9, Serving::Kind::discard),
                              chargen.start(stack, 19, Serving::Kind::chargen)}) {
    if (!started) return console.fail(started.error().message());
  }
  auto udp_echo = stack.udp().bind({tapir::IpAddress{}, tapir::Port{7}});
  if (!udp_echo) return console.fail(udp_echo.error().message());
  udp_echo->on_readable([&] {
    while (auto datagram = udp_echo->receive()) (void)udp_echo->send_to(datagram->source, datagram->payload.bytes());
  });

  if (const auto signals = runtime.stop_on_signals({SIGINT, SIGTERM}, 0); !signals) return console.fail(signals.error().message());
  console.say("host: up as {} ({}) on {}\n", interface.address, tapir::to_string(stack.ethernet().address()), interface.tap);
  if (!console.ok()) return 1;
  const int code = runtime.run();
  console.say("{}\n{}", stack.ipv4().print_routes(), stack.counters());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A host on a TAP device: ping it, connect to TCP 7 (echo), 9 (discard), 19 (chargen), or UDP 7 (echo)"};
  example::Interface interface;
  bool plain = false;
  interface.add_options(app);
  app.add_flag("--plain", plain, "bare frames: no checksum or segmentation offload");
  example::Console console{"host"};
  if (const auto code = example::parse(app, argc, argv, console, [&] { return interface.problem(); })) return *code;
  return console.end(run(interface, plain ? tapir::link::TapMode::plain : tapir::link::TapMode::offload, console));
}
