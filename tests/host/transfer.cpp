// One TCP connection that carries a file, from or to 192.0.2.2 on tap0: the stack's end of tests/host/transfer_test.py and options_test.py.
//   transfer receive PORT FILE [OPTION...]    listens, and writes what the first connection brings
//   transfer send PORT FILE [OPTION...]       connects to 192.0.2.1, and sends the file
// OPTION: no-sack no-timestamps no-window-scaling ecn, or the name of a congestion control algorithm
// Exit code 0 when the connection ended in order after the whole stream.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/tapir.hpp>

namespace {

using namespace tapir::literals;

class Receiver {
 public:
  Receiver(tapir::Runtime& runtime, const char* file) : runtime_{runtime}, file_{file, std::ios::binary} {}

  void take(tapir::tcp::Connection connection) {
    connection_ = std::move(connection);
    connection_.handle({.readable = [this] { read(); }, .closed = [this](std::error_code error) { end(error); }});
  }

 private:
  void read() {
    for (;;) {
      const auto slice = connection_.receive_slice();
      if (!slice) return;
      if (slice->empty()) {
        complete_ = true;
        return connection_.close();
      }
      const auto bytes = slice->bytes();
      file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));  // char may alias anything
    }
  }

  void end(std::error_code error) {
    file_.close();
    if (error) return runtime_.stop(tapir::report("transfer", error));
    runtime_.stop(complete_ && file_ ? 0 : 1);
  }

  tapir::Runtime& runtime_;
  std::ofstream file_;
  tapir::tcp::Connection connection_;
  bool complete_ = false;
};

class Sender {
 public:
  Sender(tapir::Runtime& runtime, const char* file, tapir::tcp::Connection connection)
      : runtime_{runtime}, connection_{std::move(connection)} {
    std::ifstream in{file, std::ios::binary};
    std::transform(std::istreambuf_iterator<char>{in}, {}, std::back_inserter(data_),
                   [](char byte) { return static_cast<std::byte>(byte); });
    connection_.handle({.connected = [this] { write(); },
                        .writable = [this] { write(); },
                        .closed =
                            [this](std::error_code error) {
                              runtime_.stop(error ? tapir::report("transfer", error) : sent_ == data_.size() ? 0 : 1);
                            }});
  }

 private:
  void write() {
    while (sent_ < data_.size()) {
      const auto taken = connection_.send(std::span{data_}.subspan(sent_));
      if (!taken || *taken == 0) return;
      sent_ += *taken;
    }
    connection_.close();
  }

  tapir::Runtime& runtime_;
  std::vector<std::byte> data_;
  std::size_t sent_ = 0;
  tapir::tcp::Connection connection_;
};

tapir::tcp::Config configured(std::span<char* const> options) {
  tapir::tcp::Config config;
  for (const std::string_view option : options) {
    if (option == "no-sack") {
      config.sack = false;
    } else if (option == "no-timestamps") {
      config.timestamps = false;
    } else if (option == "no-window-scaling") {
      config.window_scaling = false;
    } else if (option == "ecn") {
      config.ecn = tapir::tcp::EcnMode::on;
    } else {
      config.congestion_control = option;
    }
  }
  return config;
}

int run(std::string_view direction, tapir::Port port, const char* file, const tapir::tcp::Config& config) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open("tap0");
  if (!tap) return tapir::report("tap0", tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix, .tcp = config}};
  if (!stack.status()) return tapir::report("transfer", stack.status().error());

  if (direction == "receive") {
    Receiver receiver{runtime, file};
    const auto listener = stack.tcp().listen(port, [&](tapir::tcp::Connection connection) { receiver.take(std::move(connection)); });
    if (!listener) return tapir::report("transfer", listener.error());
    std::puts("transfer: listening");
    std::fflush(stdout);
    return runtime.run();
  }
  auto connection = stack.tcp().connect({"192.0.2.1"_ipv4, port});
  if (!connection) return tapir::report("transfer", connection.error());
  const Sender sender{runtime, file, std::move(*connection)};
  return runtime.run();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view direction{argc >= 4 ? argv[1] : ""};
  if (direction != "receive" && direction != "send") {
    std::fputs("usage: transfer receive|send PORT FILE [OPTION...]\n", stderr);
    return 2;
  }
  const tapir::Port port{static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10))};
  return run(direction, port, argv[3], configured(std::span{argv + 4, argv + argc}));
}
