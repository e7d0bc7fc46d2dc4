// Calls that wait in handlers of Sockets::on_event(): the stack goes on meanwhile, and with it other handlers.
#include <catch2/catch.hpp>

#include <linux/net_tstamp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "message_room.hpp"
#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::far_apart;
using tapir::test::generic;
using tapir::test::kLeftAddress;
using tapir::test::kRightAddress;
using tapir::test::PairConfig;
using tapir::test::socket_address;
using tapir::test::TwoHosts;

TEST_CASE("a handler may wait for what another one does", "[socket]") {
  TwoHosts hosts{far_apart(10ms)};
  const int listener = hosts.listen();
  const auto link = [&] {
    TwoHosts::Ends ends{.client = hosts.left.socket(AF_INET, SOCK_STREAM, 0)};
    CHECK(hosts.connect(ends.client) == 0);
    ends.server = hosts.right.accept(listener, nullptr, nullptr);
    return ends;
  };
  const auto waits = link();
  const auto acts = link();
  const auto between = link();
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  (void)hosts.right.setsockopt(between.server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  std::string heard;
  (void)hosts.right.on_event(waits.server, [&] {
    (void)hosts.right.on_event(waits.server, {});
    heard = TwoHosts::receive(hosts.right, between.server, 10);
  });
  (void)hosts.right.on_event(acts.server, [&] { (void)TwoHosts::send(hosts.left, between.client, "done"); });
  CHECK(TwoHosts::send(hosts.left, waits.client, "x") == 1);
  CHECK(TwoHosts::send(hosts.left, acts.client, "x") == 1);
  hosts.pair.world.run_for(10s);
  CHECK(heard == "done");
}

TEST_CASE("lingering closes in handlers wait within each other no deeper than a bound", "[socket]") {
  constexpr int kConnections = 60;
  constexpr int kDeepest = 17;  // sixteen that wait, and one that does not
  TwoHosts hosts{far_apart(10ms)};
  const int listener = hosts.listen(kConnections);
  int depth = 0;
  int deepest = 0;
  int closed = 0;
  std::vector<int> servers;
  for (int i = 0; i < kConnections; ++i) {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(hosts.connect(fd) == 0);
    servers.push_back(hosts.right.accept(listener, nullptr, nullptr));
    (void)hosts.left.on_event(fd, [&, fd] {
      if (TwoHosts::receive(hosts.left, fd, 10, MSG_DONTWAIT).empty()) return;
      const linger on{.l_onoff = 1, .l_linger = 60};
      (void)hosts.left.setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
      deepest = std::max(deepest, ++depth);
      (void)hosts.left.close(fd);
      --depth;
      ++closed;
    });
  }
  for (const int server : servers) CHECK(TwoHosts::send(hosts.right, server, "x") == 1);
  hosts.pair.world.run_for(1s);
  CHECK(closed == kConnections);
  CHECK(deepest == kDeepest);
  CHECK(hosts.left.size() == 0);
  for (const int server : servers) {
    char byte = 0;
    CHECK(hosts.right.recv(server, &byte, 1, MSG_DONTWAIT) == 0);  // the end of the stream, in order
  }
}

namespace {

/// Two hosts, and a handler on the left one that acts while a call waits there.
struct ActingHandler {
  explicit ActingHandler(const PairConfig& config = far_apart(10ms)) : hosts{config} {
    const sockaddr_in here = socket_address(tapir::Ipv4Address{}, kPort);
    REQUIRE(hosts.left.bind(called, generic(here), sizeof(here)) == 0);
  }
  /// As soon as the stack runs, a datagram comes that has `act` called once.
  void soon(std::function<void()> act) {
    (void)hosts.left.on_event(called, [this, does = std::move(act)] {
      if (TwoHosts::receive(hosts.left, called, 1, MSG_DONTWAIT).empty()) return;
      const auto once = does;
      (void)hosts.left.on_event(called, {});
      acted = true;
      once();
    });
    const sockaddr_in there = socket_address(kLeftAddress, kPort);
    REQUIRE(hosts.right.sendto(from, "x", 1, 0, generic(there), sizeof(there)) == 1);
  }
  int disconnect(int fd) {
    const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
    return hosts.left.connect(fd, &nobody, sizeof(nobody));
  }

  static constexpr std::uint16_t kPort = 77;
  TwoHosts hosts;
  int called = hosts.left.socket(AF_INET, SOCK_DGRAM, 0);
  int from = hosts.right.socket(AF_INET, SOCK_DGRAM, 0);
  bool acted = false;
};

/// A link on which few datagrams find room, and each takes a second.
PairConfig narrow() {
  PairConfig config;
  config.cable.rate_bits_per_second = 10'000;
  config.cable.queue_bytes = 2000;
  return config;
}

}  // namespace

TEST_CASE("a datagram waits for room while a handler acts on its socket", "[socket]") {
  ActingHandler handler{narrow()};
  TwoHosts& hosts = handler.hosts;
  const int fd = hosts.left.socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in to = socket_address(kRightAddress, 9);
  const std::string bytes(1000, 'x');
  const auto send = [&] { return hosts.left.sendto(fd, bytes.data(), bytes.size(), 0, generic(to), sizeof(to)); };
  REQUIRE(hosts.left.sendto(fd, "x", 1, 0, generic(to), sizeof(to)) == 1);
  hosts.pair.world.run_for(5s);  // the neighbours know each other now
  enum class Act : std::uint8_t { close, disconnect, shutdown };
  const auto act = GENERATE(Act::close, Act::disconnect, Act::shutdown);
  if (act == Act::shutdown) REQUIRE(hosts.connect(fd, 9) == 0);  // without a peer there is nothing to shut
  handler.soon([&] {
    const auto acts = [&] {
      if (act == Act::close) return hosts.left.close(fd);
      return act == Act::disconnect ? handler.disconnect(fd) : hosts.left.shutdown(fd, SHUT_WR);
    };
    CHECK(acts() == 0);
  });
  ssize_t sent = 0;
  for (int i = 0; i < 10 && !handler.acted; ++i) sent = send();
  REQUIRE(handler.acted);
  if (act == Act::disconnect) {
    CHECK(sent == 1000);  // it had been told where to
    CHECK(send() == 1000);
    return;
  }
  const int number = act == Act::close ? EBADF : EPIPE;
  CHECK(sent == -1);
  CHECK(errno == number);
  CHECK(hosts.left.sendto(fd, "x", 1, 0, generic(to), sizeof(to)) == -1);
  CHECK(errno == number);
}

TEST_CASE("a handler closes the epoll that a call waits on", "[socket][epoll]") {
  ActingHandler handler;
  const int epoll = handler.hosts.left.epoll_create1(0);
  const bool anew = GENERATE(false, true);
  handler.soon([&] {
    CHECK(handler.hosts.left.close(epoll) == 0);
    if (anew) CHECK(handler.hosts.left.epoll_create1(0) == epoll);  // the number is another's now
  });
  const auto start = handler.hosts.pair.world.now();
  epoll_event event{};
  CHECK(handler.hosts.left.epoll_wait(epoll, &event, 1, 5000) == -1);
  CHECK(errno == EBADF);
  CHECK(handler.acted);
  CHECK(handler.hosts.pair.world.now() - start < 1s);
}

TEST_CASE("a handler closes the descriptor that a call waits on", "[socket]") {
  ActingHandler handler;
  TwoHosts& hosts = handler.hosts;
  const auto ends = hosts.linked();
  char byte = 0;
  const auto closes = [&](int fd) { handler.soon([&hosts, fd] { CHECK(hosts.left.close(fd) == 0); }); };
  SECTION("a stream that sends") {
    const std::string much(50'000'000, 'x');  // more than all buffers hold
    const ssize_t queued = hosts.left.send(ends.client, much.data(), much.size(), MSG_DONTWAIT);
    CHECK(queued > 0);
    SECTION("nothing of it taken") {
      closes(ends.client);
      CHECK(hosts.left.send(ends.client, much.data(), much.size(), 0) == -1);
      CHECK(errno == EBADF);
    }
    SECTION("some of it taken") {
      hosts.pair.world.run_for(1s);
      (void)TwoHosts::receive(hosts.right, ends.server, 1'000'000, MSG_DONTWAIT);
      hosts.pair.world.run_for(1s);
      closes(ends.client);
      CHECK(hosts.left.send(ends.client, much.data(), much.size(), 0) > 0);
    }
  }
  SECTION("a stream that receives") {
    closes(ends.client);
    CHECK(hosts.left.recv(ends.client, &byte, 1, 0) == -1);
    CHECK(errno == EBADF);
  }
  SECTION("a stream that has received some of what it waits for") {
    REQUIRE(TwoHosts::send(hosts.right, ends.server, "words") == 5);
    hosts.pair.world.run_for(1s);
    closes(ends.client);
    CHECK(TwoHosts::receive(hosts.left, ends.client, 10, MSG_WAITALL) == "words");
  }
  SECTION("a stream that connects") {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in nobody = socket_address(tapir::Ipv4Address{kRightAddress.value() + 7}, 7);
    closes(fd);
    CHECK(hosts.left.connect(fd, generic(nobody), sizeof(nobody)) == -1);
    CHECK(errno == EBADF);
  }
  SECTION("a listener") {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in here = socket_address(kLeftAddress, 99);
    REQUIRE(hosts.left.bind(fd, generic(here), sizeof(here)) == 0);
    REQUIRE(hosts.left.listen(fd, 1) == 0);
    closes(fd);
    CHECK(hosts.left.accept(fd, nullptr, nullptr) == -1);
    CHECK(errno == EBADF);
  }
  SECTION("datagrams and ICMP messages") {
    const bool raw = GENERATE(false, true);
    const int fd = raw ? hosts.left.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) : hosts.left.socket(AF_INET, SOCK_DGRAM, 0);
    closes(fd);
    CHECK(hosts.left.recv(fd, &byte, 1, 0) == -1);
    CHECK(errno == EBADF);
  }
  SECTION("a close that lingers goes on") {
    const linger on{.l_onoff = 1, .l_linger = 60};
    REQUIRE(hosts.left.setsockopt(ends.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on)) == 0);
    REQUIRE(TwoHosts::send(hosts.left, ends.client, "words") == 5);
    const auto start = hosts.pair.world.now();
    handler.soon([] {});
    CHECK(hosts.left.close(ends.client) == 0);
    CHECK(hosts.pair.world.now() - start >= 20ms);  // a round trip
    return;
  }
  CHECK(handler.acted);
}

TEST_CASE("a handler gives up the connection that a call waits on", "[socket]") {
  ActingHandler handler;
  TwoHosts& hosts = handler.hosts;
  const auto ends = hosts.linked();
  const bool again = GENERATE(false, true);
  const bool asked = GENERATE(false, true);
  const auto gives_up = [&](int fd) {
    handler.soon([&, fd] {
      CHECK(handler.disconnect(fd) == 0);
      if (asked) CHECK(TwoHosts::get(hosts.left, fd, SOL_SOCKET, SO_ERROR) == ECONNRESET);
      if (again) CHECK(hosts.connect(fd) == 0);
    });
  };
  SECTION("a stream that sends") {
    const std::string much(50'000'000, 'x');
    CHECK(hosts.left.send(ends.client, much.data(), much.size(), MSG_DONTWAIT) > 0);
    gives_up(ends.client);
    CHECK(hosts.left.send(ends.client, much.data(), much.size(), 0) == -1);
    CHECK(errno == (asked || again ? EPIPE : ECONNRESET));
  }
  SECTION("a stream some of whose octets are taken") {
    REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE) == 0);
    const std::string much(50'000'000, 'x');
    gives_up(ends.client);
    CHECK(hosts.left.send(ends.client, much.data(), much.size(), 0) > 0);
    hosts.pair.world.run_for(1s);
    tapir::test::MessageRoom room{0};
    CHECK(hosts.left.recvmsg(ends.client, &room.header, MSG_ERRQUEUE) == -1);  // nothing of it is the new connection's
  }
  SECTION("a stream that receives") {
    gives_up(ends.client);
    char byte = 0;
    CHECK(hosts.left.recv(ends.client, &byte, 1, 0) == -1);
    CHECK(errno == EPIPE);
  }
  CHECK(handler.acted);
  hosts.pair.world.run_for(1s);
  if (again) {
    const int server = hosts.right.accept(ends.listener, nullptr, nullptr);
    CHECK(TwoHosts::send(hosts.left, ends.client, "anew") == 4);
    CHECK(TwoHosts::receive(hosts.right, server, 10) == "anew");
  }
}
