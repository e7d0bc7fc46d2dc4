#include <catch2/catch.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tapir/runtime/host_socket.hpp>

using namespace tapir;
using namespace std::chrono_literals;

namespace {

constexpr Duration kLong = 60s;  ///< a limit that only a hanging test reaches

/// The kernel's end on the loopback: a listener, and the connection that came.
class Listener {
 public:
  Listener() : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(fd_, 4) == 0);
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = Port{ntohs(address.sin_port)};
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() {
    stop();
    if (peer >= 0) ::close(peer);
  }
  void accept() {
    sockaddr_in from{};
    socklen_t size = sizeof(from);
    peer = ::accept4(fd_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    REQUIRE(peer >= 0);
    caller = ntohl(from.sin_addr.s_addr);
  }
  void stop() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void say(std::string_view text) const {
    REQUIRE(::send(peer, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  void end() { ::close(std::exchange(peer, -1)); }
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    end();
  }
  /// Reads what is there; false: the stream has ended. Adds to `heard`.
  bool read() {
    std::array<char, 65536> buffer;
    const auto got = ::recv(peer, buffer.data(), buffer.size(), 0);
    if (got < 0) error = errno;
    if (got > 0) heard.append(buffer.data(), static_cast<std::size_t>(got));
    return got != 0;
  }

  Port port;
  int peer = -1;
  std::uint32_t caller = 0;  ///< the address of the connection that came
  std::string heard;
  int error = 0;

 private:
  int fd_;
};

struct Program {
  explicit Program(Port port, std::string host = "127.0.0.1", std::string local = {})
      : socket{std::in_place, runtime, std::move(host), port, std::move(local)} {
    socket->handle({.connected = [this] { ++connected; },
                    .readable = [this] { read(); },
                    .writable = [this] { ++writable; },
                    .acknowledged = [this] { ++acknowledged; },
                    .closed =
                        [this](std::error_code error) {
                          closed = error;
                          if (destroy_when_closed) socket.reset();
                        }});
  }
  void read() {
    std::array<std::byte, 1000> buffer;
    for (;;) {
      const auto got = socket->receive(buffer);
      if (!got && got.error() == Error::would_block) return;
      if (!got) {
        broken = got.error();
        return;
      }
      ended = *got == 0;
      if (ended) return;
      text.append(reinterpret_cast<const char*>(buffer.data()), *got);
    }
  }
  void connect(Listener& listener) {
    REQUIRE(socket->connect());
    REQUIRE(runtime.run_until([&] { return connected == 1; }, kLong));
    listener.accept();
  }
  bool until(const std::function<bool()>& done) { return runtime.run_until(done, kLong); }

  Runtime runtime;
  std::optional<HostSocket> socket;
  int connected = 0;
  int writable = 0;
  int acknowledged = 0;
  bool ended = false;
  bool destroy_when_closed = false;
  std::string text;
  std::error_code broken;
  std::optional<std::error_code> closed;
};

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span{text}); }

}  // namespace

TEST_CASE("a host socket connects, speaks both ways, and closes in order", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  CHECK(p.socket->send(bytes_of("x")).error() == Error::not_connected);
  p.connect(listener);
  CHECK(p.socket->connect().error() == Error::already_connected);
  CHECK(p.socket->peer() == "127.0.0.1:" + std::to_string(listener.port.value()));
  REQUIRE(p.socket->send(bytes_of("hello")) == 5U);
  listener.say("good day");
  CHECK(p.until([&] { return p.text == "good day"; }));
  listener.say(", sir");  // readable is told again after receive() has found nothing
  CHECK(p.until([&] { return p.text == "good day, sir"; }));
  CHECK(p.until([&] { return listener.read() && listener.heard == "hello"; }));
  CHECK(p.until([&] { return p.socket->unacknowledged() == 0 && p.acknowledged > 0; }));
  p.socket->close();
  CHECK(p.socket->send(bytes_of("x")).error() == Error::connection_closed);
  CHECK(p.until([&] { return !listener.read(); }));
  CHECK_FALSE(p.closed);
  listener.say("nobody wants to hear this");
  listener.end();
  CHECK(p.until([&] { return p.closed.has_value(); }));
  CHECK(p.closed == std::error_code{});
  CHECK(p.text == "good day, sir");
}

TEST_CASE("the end of the peer's stream is received, then close() completes", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  p.connect(listener);
  listener.say("bye");
  listener.end();
  CHECK(p.until([&] { return p.ended; }));
  CHECK(p.text == "bye");
  p.destroy_when_closed = true;
  p.socket->close();
  CHECK(p.until([&] { return p.closed.has_value(); }));
  CHECK(p.closed == std::error_code{});
}

TEST_CASE("a reader that takes a part of what is there, and does not look for more, is told again", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  int told = 0;
  std::string text;
  p.socket->handle({.connected = [&] { ++p.connected; },
                    .readable =
                        [&] {
                          ++told;
                          std::array<std::byte, 2> little;
                          const auto got = p.socket->receive(little);
                          if (got) text.append(reinterpret_cast<const char*>(little.data()), *got);
                        }});
  p.connect(listener);
  listener.say("abcdef");
  CHECK(p.until([&] { return text == "abcdef"; }));
  CHECK(told == 3);
  listener.say("gh");
  CHECK(p.until([&] { return text == "abcdefgh"; }));
}

TEST_CASE("who does not read is told once, until he does", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  int told = 0;
  p.socket->handle({.connected = [&] { ++p.connected; }, .readable = [&] { ++told; }});
  p.connect(listener);
  listener.say("abc");
  CHECK(p.until([&] { return told > 0; }));
  (void)p.runtime.run_until([] { return false; }, 20ms);
  CHECK(told == 1);
  std::array<std::byte, 1> little;
  CHECK(p.socket->receive(little) == 1U);
  CHECK(p.until([&] { return told == 2; }));
}

TEST_CASE("much data waits for room and arrives whole", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  p.connect(listener);
  std::string much(8'000'000, '\0');
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<char>(i * 31 + i / 509);
  std::size_t sent = 0;
  while (sent < much.size()) {
    const auto taken = p.socket->send(bytes_of(much).subspan(sent));
    REQUIRE(taken);
    sent += *taken;
    if (sent == much.size()) break;
    const int before = p.writable;
    REQUIRE(p.until([&] {
      listener.read();
      return p.writable > before;
    }));
  }
  CHECK(p.writable > 0);
  for (int i = 0; i < 60'000 && listener.heard.size() < much.size(); ++i) {
    listener.read();
    (void)p.runtime.run_until([] { return false; }, 1ms);
  }
  CHECK((listener.heard == much));
}

TEST_CASE("a host socket says by name why it cannot connect, and may try again", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  listener.stop();
  if (const auto started = p.socket->connect(); started) {
    CHECK(p.until([&] { return p.closed.has_value(); }));
    CHECK(*p.closed == std::errc::connection_refused);
  } else {
    CHECK(started.error() == std::errc::connection_refused);
  }
  CHECK(p.connected == 0);
  CHECK(p.socket->connect().error() != Error::already_connected);
}

TEST_CASE("a host socket finds a name, and says when there is none", "[runtime]") {
  Listener listener;
  Program p{listener.port, "localhost"};  // ::1 is tried and refused, where it exists
  p.connect(listener);
  CHECK(p.connected == 1);
  Program nobody{listener.port, "not..a..name"};
  REQUIRE(nobody.socket->connect());
  CHECK(nobody.until([&] { return nobody.closed.has_value(); }));
  CHECK(nobody.closed->category() == resolver_category());
  CHECK(*nobody.closed == std::errc::host_unreachable);
  CHECK_FALSE(nobody.closed->message().empty());
}

TEST_CASE("a lookup that nobody waits for any more does no harm", "[runtime]") {
  Listener listener;
  Program p{listener.port, "localhost"};
  REQUIRE(p.socket->connect());
  p.socket->abort();
  REQUIRE(p.socket->connect());
  p.socket.reset();
  (void)p.runtime.run_until([] { return false; }, 50ms);
  CHECK(p.connected == 0);
  CHECK_FALSE(p.closed);
}

TEST_CASE("a reset is told to the reader", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  p.connect(listener);
  listener.reset();
  CHECK(p.until([&] { return bool{p.broken}; }));
  CHECK(p.broken == std::errc::connection_reset);
}

TEST_CASE("abort() resets", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  p.connect(listener);
  p.socket->abort();
  CHECK(p.until([&] {
    listener.read();
    return listener.error == ECONNRESET;
  }));
  CHECK_FALSE(p.closed);
  CHECK(p.socket->receive({}).error() == Error::not_connected);
}

TEST_CASE("a host socket may be destroyed in any of its events", "[runtime]") {
  struct Case {
    const char* what;
    std::move_only_function<void()> HostSocketEvents::* event;
  };
  const auto one = GENERATE(Case{"connected", &HostSocketEvents::connected}, Case{"readable", &HostSocketEvents::readable},
                            Case{"writable", &HostSocketEvents::writable}, Case{"acknowledged", &HostSocketEvents::acknowledged});
  INFO(one.what);
  Listener listener;
  Runtime runtime;
  auto socket = std::make_unique<HostSocket>(runtime, "127.0.0.1", listener.port);
  bool connected = false;
  HostSocketEvents events{.connected = [&] { connected = true; }};
  events.*one.event = [&] { socket.reset(); };
  socket->handle(std::move(events));
  REQUIRE(socket->connect());
  REQUIRE(runtime.run_until([&] { return connected || socket == nullptr; }, kLong));
  listener.accept();
  if (socket != nullptr) {
    const std::string much(8'000'000, 'x');  // more than the kernel takes at once: writable follows
    REQUIRE(socket->send(bytes_of(much)));
    listener.say("hello");
  }
  CHECK(runtime.run_until(
      [&] {
        if (socket != nullptr) listener.read();
        return socket == nullptr;
      },
      kLong));
}

TEST_CASE("a host socket connects from the address it is told to", "[runtime]") {
  Listener listener;
  Program p{listener.port};
  p.connect(listener);
  CHECK(listener.caller == 0x7f00'0001);
  Listener other;
  Program bound{other.port, "127.0.0.1", "127.0.0.9"};
  bound.connect(other);
  CHECK(other.caller == 0x7f00'0009);
  CHECK(Program{other.port, "127.0.0.1", "localhost"}.socket->connect().error() == Error::invalid_argument);
  CHECK(Program{other.port, "127.0.0.1", "::1"}.socket->connect().error() == Error::address_not_available);
  CHECK(Program{other.port, "127.0.0.1", "192.0.2.77"}.socket->connect().error() == std::errc::address_not_available);
}
