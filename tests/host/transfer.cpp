// One TCP connection that carries a file, from or to 192.0.2.2 on tap0: the stack's end of tests/host/transfer_test.py and options_test.py.
//   transfer receive PORT FILE [OPTION...]    listens, and writes what the connection brings
//   transfer send PORT FILE [OPTION...]       connects to 192.0.2.1, and sends the file
// FILE is read and written as the data comes and goes, so that it can be a pipe.
// OPTION: no-sack no-timestamps no-window-scaling ecn no-ecn fast-open, or the name of a congestion control algorithm; twice: before the
// connection there is one that carries nothing, by which a client gets its Fast Open cookie
// Says what the handshake agreed on. Exit code 0 when the connection ended in order after the whole stream.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tapir/tapir.hpp>

namespace {

using namespace tapir::literals;

struct Choice {
  tapir::tcp::Config config;
  bool fast_open = false;
  bool twice = false;
};

void tell_what_was_agreed(const tapir::tcp::Info& info) {
  std::string all = "transfer: agreed on";
  for (const auto& [agreed, name] :
       {std::pair{info.timestamps, " timestamps"}, std::pair{info.sack, " sack"}, std::pair{info.window_scaling, " window-scaling"},
        std::pair{info.ecn, " ecn"}, std::pair{info.syn_data, " syn-data"}}) {
    if (agreed) all += name;
  }
  all.append("; ").append(info.congestion_control);
  std::puts(all.c_str());
  std::fflush(stdout);
}

class Receiver {
 public:
  Receiver(tapir::Runtime& runtime, const char* file, int connections)
      : runtime_{runtime}, file_{file, std::ios::binary}, connections_{connections} {}

  void take(tapir::tcp::Connection connection) {
    complete_ = false;
    connection_ = std::move(connection);
    tell_what_was_agreed(connection_.info());
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
    if (error) return runtime_.stop(tapir::report("transfer", error));
    if (complete_ && --connections_ > 0) return;
    file_.close();
    runtime_.stop(complete_ && file_ ? 0 : 1);
  }

  tapir::Runtime& runtime_;
  std::ofstream file_;
  int connections_;
  tapir::tcp::Connection connection_;
  bool complete_ = false;
};

class Sender {
 public:
  Sender(tapir::Runtime& runtime, const char* file, tapir::tcp::Connection connection)
      : runtime_{runtime}, file_{file, std::ios::binary}, connection_{std::move(connection)} {
    connection_.handle(
        {.connected =
             [this] {
               tell_what_was_agreed(connection_.info());
               connected_ = true;
               write();
             },
         .writable = [this] { write(); },
         .closed = [this](std::error_code error) { runtime_.stop(error       ? tapir::report("transfer", error)
                                                                 : complete_ ? 0
                                                                             : 1); }});
    write();  // what a SYN can take goes with it
  }

 private:
  void write() {
    for (;;) {
      if (left_.empty()) {
        file_.read(reinterpret_cast<char*>(buffer_.data()), buffer_.size());  // char may alias anything
        left_ = std::span{buffer_}.first(static_cast<std::size_t>(file_.gcount()));
      }
      if (left_.empty()) break;
      const auto taken = connection_.send(left_);
      if (!taken || *taken == 0) return;
      left_ = left_.subspan(*taken);
    }
    complete_ = file_.eof();
    if (connected_) connection_.close();  // earlier it would end the handshake (RFC 9293 section 3.10.4)
  }

  tapir::Runtime& runtime_;
  std::ifstream file_;
  std::array<std::byte, 64 * 1024> buffer_{};
  std::span<std::byte> left_;  ///< read from the file, and not taken by the connection
  bool connected_ = false;
  bool complete_ = false;
  tapir::tcp::Connection connection_;
};

/// Connects, once or twice, and sends on the last connection.
class Client {
 public:
  Client(tapir::Runtime& runtime, tapir::Stack& stack, tapir::Port port, const char* file, const Choice& choice)
      : runtime_{runtime}, stack_{stack}, port_{port}, file_{file}, fast_open_{choice.fast_open} {
    choice.twice ? connect([this](auto connection) { carry_nothing(std::move(connection)); }) : send();
  }

 private:
  void connect(const std::function<void(tapir::tcp::Connection)>& use) {
    auto connection = stack_.tcp().connect({"192.0.2.1"_ipv4, port_}, {.fast_open = fast_open_});
    if (!connection) return runtime_.stop(tapir::report("transfer", connection.error()));
    use(std::move(*connection));
  }
  void send() {
    connect([this](auto connection) { sender_.emplace(runtime_, file_, std::move(connection)); });
  }
  void carry_nothing(tapir::tcp::Connection connection) {
    empty_ = std::move(connection);
    empty_.handle({.connected = [this] { empty_.close(); },
                   .closed = [this](std::error_code error) { error ? runtime_.stop(tapir::report("transfer", error)) : send(); }});
  }

  tapir::Runtime& runtime_;
  tapir::Stack& stack_;
  tapir::Port port_;
  const char* file_;
  bool fast_open_;
  tapir::tcp::Connection empty_;
  std::optional<Sender> sender_;
};

Choice chosen(std::span<char* const> options) {
  Choice choice;
  tapir::tcp::Config& config = choice.config;
  for (const std::string_view option : options) {
    if (option == "no-sack") {
      config.sack = false;
    } else if (option == "no-timestamps") {
      config.timestamps = false;
    } else if (option == "no-window-scaling") {
      config.window_scaling = false;
    } else if (option == "ecn") {
      config.ecn = tapir::tcp::EcnMode::on;
    } else if (option == "no-ecn") {
      config.ecn = tapir::tcp::EcnMode::off;
    } else if (option == "fast-open") {
      choice.fast_open = true;
      config.fast_open = tapir::tcp::FastOpenUse::client | tapir::tcp::FastOpenUse::server;
    } else if (option == "twice") {
      choice.twice = true;
    } else {
      config.congestion_control = option;
    }
  }
  return choice;
}

int run(std::string_view direction, tapir::Port port, const char* file, const Choice& choice) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open("tap0");
  if (!tap) return tapir::report("tap0", tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix, .tcp = choice.config}};
  if (!stack.status()) return tapir::report("transfer", stack.status().error());

  if (direction == "receive") {
    Receiver receiver{runtime, file, choice.twice ? 2 : 1};
    const auto listener = stack.tcp().listen(port, [&](tapir::tcp::Connection connection) { receiver.take(std::move(connection)); },
                                             {.fast_open_backlog = choice.fast_open ? 16U : 0U});
    if (!listener) return tapir::report("transfer", listener.error());
    std::puts("transfer: listening");
    std::fflush(stdout);
    return runtime.run();
  }
  const Client client{runtime, stack, port, file, choice};
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
  return run(direction, port, argv[3], chosen(std::span{argv + 4, argv + argc}));
}
