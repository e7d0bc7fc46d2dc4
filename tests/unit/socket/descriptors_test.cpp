#include <catch2/catch.hpp>

#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include <tapir/sim/world.hpp>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::posix::Sockets;
using tapir::test::TwoHosts;

namespace {
struct Host {
  explicit Host(tapir::posix::SocketsConfig config = {}) : sockets{stack, std::move(config)} {}
  tapir::sim::World world;
  tapir::Stack stack{world, tapir::StackConfig{}};
  Sockets sockets;
};
}  // namespace

TEST_CASE("the lowest free number is given out, up to a bound", "[socket]") {
  Host host{{.first_descriptor = 10, .descriptors = 3}};
  CHECK(host.sockets.socket(AF_INET, SOCK_STREAM, 0) == 10);
  CHECK(host.sockets.socket(AF_INET, SOCK_DGRAM, 0) == 11);
  CHECK(host.sockets.epoll_create1(0) == 12);
  CHECK(host.sockets.socket(AF_INET, SOCK_STREAM, 0) == -1);
  CHECK(errno == EMFILE);
  CHECK(host.sockets.close(11) == 0);
  CHECK(host.sockets.size() == 2);
  CHECK(host.sockets.socket(AF_INET, SOCK_STREAM, 0) == 11);
  CHECK(host.sockets.close(9) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("the lowest free number is given out, whatever was closed", "[socket]") {
  constexpr std::size_t kMost = 2000;
  Host host{{.descriptors = kMost}};
  std::set<int> open;
  std::mt19937 random{1};
  const auto lowest = [&open] {
    int number = 3;
    for (const int each : open) {
      if (each != number) break;
      ++number;
    }
    return number;
  };
  for (std::size_t i = 0; i < 4 * kMost; ++i) {
    if (open.size() < kMost && (i < kMost || random() % 2 == 0)) {
      const int expected = lowest();
      REQUIRE(host.sockets.socket(AF_INET, SOCK_DGRAM, 0) == expected);
      open.insert(expected);
    } else if (!open.empty()) {
      const auto chosen = std::next(open.begin(), static_cast<std::ptrdiff_t>(random() % open.size()));
      REQUIRE(host.sockets.close(*chosen) == 0);
      open.erase(chosen);
    }
  }
  CHECK(host.sockets.size() == open.size());
}

TEST_CASE("an option without a value, or without room for it, is of length 0", "[socket]") {
  Host host;
  const int socket = host.sockets.socket(AF_INET, SOCK_STREAM, 0);
  std::array<char, 8> value{};
  socklen_t size = value.size();
  CHECK(host.sockets.getsockopt(socket, IPPROTO_TCP, TCP_CC_INFO, value.data(), &size) == 0);
  CHECK(size == 0);
  CHECK(host.sockets.getsockopt(socket, SOL_SOCKET, SO_TYPE, nullptr, &size) == 0);
  CHECK(size == 0);
  size = value.size();
  CHECK(host.sockets.getsockopt(socket, SOL_SOCKET, SO_TYPE, value.data(), &size) == 0);
  CHECK(size == sizeof(int));
}

TEST_CASE("accept leaves a connection waiting when no descriptor is free", "[socket]") {
  TwoHosts hosts;
  Sockets small{*hosts.pair.right, {.descriptors = 1}};
  const int listener = small.socket(AF_INET, SOCK_STREAM, 0);
  const auto in = tapir::test::socket_address(tapir::Ipv4Address{}, TwoHosts::kPort);
  REQUIRE(small.bind(listener, tapir::test::generic(in), sizeof(in)) == 0);
  REQUIRE(small.listen(listener, 4) == 0);
  const int client = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(hosts.connect(client) == 0);
  hosts.pair.world.run_for(1s);
  CHECK(small.accept(listener, nullptr, nullptr) == -1);
  CHECK(errno == EMFILE);
  CHECK(small.readiness(listener) == (EPOLLIN | EPOLLRDNORM));
}

TEST_CASE("raw sockets can be forbidden", "[socket]") {
  Host host{{.raw_allowed = false}};
  CHECK(host.sockets.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == -1);
  CHECK(errno == EPERM);
}

TEST_CASE("a wait of one's own", "[socket]") {
  int asked = 0;
  tapir::sim::World* world = nullptr;  // that time passes in while a call waits; without one the call is interrupted
  Host host{{.wait = [&](const std::function<bool()>& done, std::optional<tapir::Duration>) {
    ++asked;
    return world != nullptr && world->run_until(done, 1s);
  }}};
  const int fd = host.sockets.socket(AF_INET, SOCK_DGRAM, 0);
  char byte = 0;
  CHECK(host.sockets.recv(fd, &byte, 1, 0) == -1);
  CHECK(errno == EINTR);
  CHECK(asked == 1);
  const auto self = tapir::test::socket_address(tapir::Ipv4Address{0x7f000001}, 7);
  REQUIRE(host.sockets.bind(fd, tapir::test::generic(self), sizeof(self)) == 0);
  world = &host.world;
  host.world.after(1ms, [&] { CHECK(host.sockets.sendto(fd, "x", 1, 0, tapir::test::generic(self), sizeof(self)) == 1); });
  CHECK(host.sockets.recv(fd, &byte, 1, 0) == 1);
  CHECK(byte == 'x');
  CHECK(asked == 2);
}

TEST_CASE("poll over several descriptors waits for the first", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  std::array<pollfd, 3> entries{{{ends.client, POLLIN, 0}, {-1, POLLIN, 0}, {500, POLLIN, 0}}};
  CHECK(hosts.left.poll(entries.data(), 3, 1000) == 1);
  CHECK(entries[2].revents == POLLNVAL);
  const auto before = hosts.pair.world.now();
  CHECK(hosts.left.poll(entries.data(), 2, 1000) == 0);
  CHECK(hosts.pair.world.now() - before == 1s);
  hosts.pair.world.after(200ms, [&] { (void)TwoHosts::send(hosts.right, ends.server, "x"); });
  CHECK(hosts.left.poll(entries.data(), 2, -1) == 1);
  CHECK(entries[0].revents == POLLIN);
}

TEST_CASE("an edge is told once for each arrival", "[socket][epoll]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  const int epoll = hosts.left.epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  REQUIRE(hosts.left.epoll_ctl(epoll, EPOLL_CTL_ADD, ends.client, &event) == 0);
  CHECK(hosts.left.epoll_wait(epoll, &event, 1, 100) == 0);
  for (int i = 0; i < 3; ++i) {
    (void)TwoHosts::send(hosts.right, ends.server, "x");
    CHECK(hosts.left.epoll_wait(epoll, &event, 1, 1000) == 1);
    CHECK(hosts.left.epoll_wait(epoll, &event, 1, 1000) == 0);
  }
  CHECK(TwoHosts::receive(hosts.left, ends.client, 10) == "xxx");
}

TEST_CASE("a handler of events may close its descriptor", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  int called = 0;
  REQUIRE(hosts.left.on_event(ends.client, [&] {
    ++called;
    (void)hosts.left.close(ends.client);
  }) == 0);
  (void)TwoHosts::send(hosts.right, ends.server, "x");
  hosts.pair.world.run_for(1s);
  CHECK(called == 1);
  CHECK(hosts.left.readiness(ends.client) == 0);
  CHECK(hosts.left.on_event(ends.client, {}) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("a raw ICMP socket pings", "[socket]") {
  TwoHosts hosts;
  const int fd = hosts.left.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  REQUIRE(fd >= 0);
  const auto to = tapir::test::socket_address(tapir::test::kRightAddress, 0);
  // Type 8, code 0, checksum, identifier 1, sequence 1, no data: all words sum to 0xffff.
  const std::array<unsigned char, 8> request{8, 0, 0xf7, 0xfd, 0, 1, 0, 1};
  REQUIRE(hosts.left.sendto(fd, request.data(), request.size(), 0, tapir::test::generic(to), sizeof(to)) == 8);
  std::array<unsigned char, 100> reply{};
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  const ssize_t count = hosts.left.recvfrom(fd, reply.data(), reply.size(), 0, tapir::test::generic(from), &size);
  CHECK(count == 28);       // with its IP header
  CHECK(reply[0] == 0x45);  // IPv4, 20 bytes
  CHECK(reply[9] == IPPROTO_ICMP);
  CHECK(reply[20] == ICMP_ECHOREPLY);
  CHECK(reply[25] == 1);
  CHECK(from.sin_addr.s_addr == htonl(tapir::test::kRightAddress.value()));
  SECTION("a filter keeps types away") {
    const std::uint32_t no_replies = 1U << ICMP_ECHOREPLY;
    REQUIRE(hosts.left.setsockopt(fd, SOL_RAW, 1, &no_replies, sizeof(no_replies)) == 0);
    (void)hosts.left.sendto(fd, request.data(), request.size(), 0, tapir::test::generic(to), sizeof(to));
    hosts.pair.world.run_for(1s);
    CHECK(hosts.left.readiness(fd) == (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND));
  }
  SECTION("the stack's own ICMP goes on working") {
    bool answered = false;
    auto ping = hosts.pair.right->ping(tapir::IpAddress{tapir::test::kLeftAddress}, {.count = 1},
                                       [&](const tapir::icmp::PingEvent& event) { answered = event.reply.has_value(); });
    REQUIRE(ping.has_value());
    hosts.pair.world.run_for(1s);
    CHECK(answered);
    CHECK(hosts.left.readiness(fd) == (EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND));  // it saw the request
  }
}
