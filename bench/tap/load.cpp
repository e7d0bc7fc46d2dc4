// Linux' side of the benchmarks on a device: kernel sockets, CUBIC, one connection at a time.
//   load bulk_receive|bulk_receive_slices|bulk_send|request_response|connect_close|connect_reset ADDRESS SECONDS [--spin]
//   load serve ADDRESS [--spin]              the kernel as the peer: discard on 9, a source on 19, echo on 7
// The names say what the peer under test does. Prints one figure: bits a second for bulk, exchanges or connections a second otherwise.

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::uint16_t kEcho = 7, kDiscard = 9, kDiscardSlices = 11, kSource = 19;  // 11: of tapir's peer alone

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void set(int socket, int level, int option, int value) {
  if (setsockopt(socket, level, option, &value, sizeof(value)) < 0) fail("setsockopt");
}

int tcp_socket() {
  const int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0) fail("socket");
  constexpr std::string_view kAlgorithm = "cubic";
  if (setsockopt(made, IPPROTO_TCP, TCP_CONGESTION, kAlgorithm.data(), kAlgorithm.size()) < 0) fail("cubic");
  set(made, IPPROTO_TCP, TCP_NODELAY, 1);
  return made;
}

sockaddr_in endpoint(const char* address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
    std::fprintf(stderr, "load: %s is no address\n", address);
    std::exit(2);
  }
  return to;
}

int call(const char* address, std::uint16_t port) {
  const int made = tcp_socket();
  const sockaddr_in to = endpoint(address, port);
  if (connect(made, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) < 0) fail("connect");
  return made;
}

/// How far a measurement is: what happens before `begin` warms up and does not count.
class Stopwatch {
 public:
  explicit Stopwatch(double seconds)
      : begin_{Clock::now() + kWarmUp}, end_{begin_ + std::chrono::duration_cast<Clock::duration>(Seconds{seconds})} {}
  /// Adds to the count; false once the time is over.
  bool count(double amount) {
    const auto now = Clock::now();
    if (now >= begin_) {
      if (!started_)
        started_ = now;
      else
        total_ += amount;
    }
    last_ = now;
    return now < end_;
  }
  [[nodiscard]] double rate() const { return started_ && last_ > *started_ ? total_ / Seconds{last_ - *started_}.count() : 0; }

 private:
  static constexpr auto kWarmUp = std::chrono::milliseconds{500};
  Clock::time_point begin_, end_, last_{};
  std::optional<Clock::time_point> started_{};
  double total_ = 0;
};

/// Linux sends, the peer under test receives: what counts is acknowledged.
double bulk_receive(const char* address, std::uint16_t port, double seconds) {
  const int to = call(address, port);
  const std::vector<char> chunk(1 << 18, 'x');
  Stopwatch watch{seconds};
  int waiting = 0;
  for (;;) {
    const auto sent = write(to, chunk.data(), chunk.size());
    if (sent < 0) fail("write");
    const int before = waiting;
    if (ioctl(to, SIOCOUTQ, &waiting) < 0) fail("SIOCOUTQ");
    if (!watch.count(static_cast<double>(sent + before - waiting) * 8)) return watch.rate();
  }
}

double bulk_send(const char* address, double seconds) {
  const int from = call(address, kSource);
  std::vector<char> chunk(1 << 18);
  Stopwatch watch{seconds};
  for (;;) {
    const auto got = read(from, chunk.data(), chunk.size());
    if (got <= 0) fail("read");
    if (!watch.count(static_cast<double>(got) * 8)) return watch.rate();
  }
}

void receive_byte(int from, bool spin) {
  char byte = 0;
  for (;;) {
    const auto got = recv(from, &byte, 1, spin ? MSG_DONTWAIT : 0);
    if (got == 1) return;
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) fail("recv");
  }
}

double request_response(const char* address, double seconds, bool spin) {
  const int peer = call(address, kEcho);
  Stopwatch watch{seconds};
  do {
    if (send(peer, "x", 1, 0) != 1) fail("send");
    receive_byte(peer, spin);
  } while (watch.count(1));
  return watch.rate();
}

/// Connect, one byte there and back, and the end: in order by both, or by a reset.
double connections(const char* address, double seconds, bool reset) {
  Stopwatch watch{seconds};
  do {
    const int peer = call(address, kEcho);
    if (send(peer, "x", 1, 0) != 1) fail("send");
    receive_byte(peer, false);
    if (reset) {
      const linger now{.l_onoff = 1, .l_linger = 0};
      if (setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) < 0) fail("SO_LINGER");
    } else {
      if (shutdown(peer, SHUT_WR) < 0) fail("shutdown");
      char byte = 0;
      if (recv(peer, &byte, 1, 0) != 0) fail("end");
    }
    close(peer);
  } while (watch.count(1));
  return watch.rate();
}

/// As read(); `spin`: without sleeping.
ssize_t receive(int from, std::vector<char>& into, bool spin) {
  for (;;) {
    const auto got = recv(from, into.data(), into.size(), spin ? MSG_DONTWAIT : 0);
    if (got >= 0 || !spin || (errno != EAGAIN && errno != EINTR)) return got;
  }
}

void serve_one(int connection, std::uint16_t port, bool spin) {
  std::vector<char> chunk(1 << 18);
  for (;;) {
    if (port == kSource) {
      if (send(connection, chunk.data(), chunk.size(), MSG_NOSIGNAL) <= 0) break;
      continue;
    }
    const auto got = receive(connection, chunk, spin);
    if (got <= 0 || (port == kEcho && send(connection, chunk.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)) break;
  }
  close(connection);
}

[[noreturn]] void serve(const char* address, bool spin) {
  const auto listen_on = [address, spin](std::uint16_t port) {
    const int listener = tcp_socket();
    set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    const sockaddr_in at = endpoint(address, port);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) < 0 || listen(listener, 128) < 0) fail("listen");
    for (;;) {
      const int connection = accept(listener, nullptr, nullptr);
      if (connection < 0) fail("accept");
      if (port == kEcho) {
        serve_one(connection, port, spin);  // a thread a connection would be what is measured
      } else {
        std::thread{serve_one, connection, port, false}.detach();
      }
    }
  };
  std::thread{listen_on, kDiscard}.detach();
  std::thread{listen_on, kSource}.detach();
  listen_on(kEcho);
  std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what{argc > 1 ? argv[1] : ""};
  const bool spin = argc > 3 && std::string_view{argv[argc - 1]} == "--spin";
  if (spin) --argc;
  if (argc == 3 && what == "serve") serve(argv[2], spin);
  if (argc != 4) {
    std::fputs(
        "usage: load bulk_receive|bulk_receive_slices|bulk_send|request_response|connect_close|connect_reset ADDRESS SECONDS [--spin] | "
        "serve ADDRESS [--spin]\n",
        stderr);
    return 2;
  }
  const double seconds = std::strtod(argv[3], nullptr);
  double rate = 0;
  if (what == "bulk_receive") rate = bulk_receive(argv[2], kDiscard, seconds);
  if (what == "bulk_receive_slices") rate = bulk_receive(argv[2], kDiscardSlices, seconds);
  if (what == "bulk_send") rate = bulk_send(argv[2], seconds);
  if (what == "request_response") rate = request_response(argv[2], seconds, spin);
  if (what == "connect_close") rate = connections(argv[2], seconds, false);
  if (what == "connect_reset") rate = connections(argv[2], seconds, true);
  std::printf("%.0f\n", rate);
  return 0;
}
