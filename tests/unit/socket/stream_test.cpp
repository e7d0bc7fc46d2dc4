// What needs two hosts and a cable: time that passes, segments on the wire.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::far_apart;
using tapir::test::TwoHosts;

TEST_CASE("a connection under way", "[socket]") {
  TwoHosts hosts{far_apart(10ms)};
  hosts.listen();
  const int fd = hosts.left.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EINPROGRESS);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EALREADY);
  CHECK(hosts.left.readiness(fd) == 0);
  CHECK(TwoHosts::send(hosts.left, fd, "x") == -1);
  CHECK(errno == EAGAIN);
  CHECK(hosts.left.recv(fd, nullptr, 0, 0) == -1);
  CHECK(errno == EAGAIN);
  hosts.pair.world.run_for(1s);
  CHECK(hosts.left.readiness(fd) == (EPOLLOUT | EPOLLWRNORM));
  CHECK(TwoHosts::get(hosts.left, fd, SOL_SOCKET, SO_ERROR) == 0);
  CHECK(hosts.connect(fd) == 0);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EISCONN);
}

TEST_CASE("a port is taken by connections that are no socket's", "[socket]") {
  constexpr std::uint16_t kFirst = 40000, kLast = 40002;
  TwoHosts hosts;
  hosts.listen();
  tapir::posix::Sockets sockets{*hosts.pair.left, {.first_port = tapir::Port{kFirst}, .last_port = tapir::Port{kLast}}};
  const auto bind = [&](tapir::Ipv4Address address, std::uint16_t port, bool shares = false) {
    const int fd = sockets.socket(AF_INET, SOCK_STREAM, 0);
    if (shares) (void)TwoHosts::set(sockets, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const auto in = tapir::test::socket_address(address, port);
    return sockets.bind(fd, tapir::test::generic(in), sizeof(in)) == 0 ? fd : -1;
  };
  std::vector<tapir::tcp::Connection> others;
  for (std::uint16_t port = kFirst; port < kLast; ++port) {
    auto opened = hosts.pair.left->tcp().connect({tapir::test::kRightAddress, tapir::Port{TwoHosts::kPort}},
                                                 {.local = {tapir::test::kLeftAddress, tapir::Port{port}}});
    REQUIRE(opened.has_value());
    others.push_back(std::move(*opened));
  }
  hosts.pair.world.run_for(100s);  // long enough for them to sleep
  CHECK(bind({}, kFirst) == -1);
  CHECK(errno == EADDRINUSE);
  CHECK(bind(tapir::test::kLeftAddress, kFirst) == -1);
  CHECK(bind(tapir::Ipv4Address{0x7f000001}, kFirst) >= 0);  // at another address
  CHECK(bind({}, kFirst + 1, true) >= 0);                    // nobody said that it is not to be shared
  const int chosen = bind(tapir::test::kLeftAddress, 0);     // the one that is left
  REQUIRE(chosen >= 0);
  sockaddr_in got{};
  socklen_t size = sizeof(got);
  CHECK(sockets.getsockname(chosen, tapir::test::generic(got), &size) == 0);
  CHECK(ntohs(got.sin_port) == kLast);
  CHECK(bind({}, 0) == -1);
  CHECK(errno == EADDRINUSE);
  CHECK(hosts.pair.left->tcp().stats().sleeps == 2);
  CHECK(hosts.pair.left->tcp().stats().wakes == 0);
}

TEST_CASE("a port whose connection outlives its socket is free when that is over", "[socket]") {
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  const auto bind = [&](int port, bool shares) {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    if (shares) (void)TwoHosts::set(hosts.left, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const auto in = tapir::test::socket_address(tapir::Ipv4Address{}, static_cast<std::uint16_t>(port));
    const int result = hosts.left.bind(fd, tapir::test::generic(in), sizeof(in));
    (void)hosts.left.close(fd);
    return result;
  };
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  REQUIRE(hosts.left.getsockname(ends.client, tapir::test::generic(in), &size) == 0);
  const int port = ntohs(in.sin_port);
  CHECK(hosts.left.close(ends.client) == 0);
  CHECK(hosts.right.close(ends.server) == 0);
  hosts.pair.world.run_for(1s);
  for (const bool shares : {true, false}) CHECK(bind(port, shares) == -1);  // its socket did not agree to share
  hosts.pair.world.run_for(300s);                                           // TIME-WAIT is over
  for (const bool shares : {true, false}) CHECK(bind(port, shares) == 0);
}

TEST_CASE("a port that nobody asked for is of the range that was set", "[socket]") {
  TwoHosts hosts;
  constexpr std::uint16_t kFirst = 40000, kLast = 40002;
  tapir::posix::Sockets sockets{*hosts.pair.right, {.first_port = tapir::Port{kFirst}, .last_port = tapir::Port{kLast}}};
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    std::set<int> ports;
    const sockaddr_in any = tapir::test::socket_address(tapir::Ipv4Address{}, 0);
    for (std::uint16_t i = kFirst; i <= kLast; ++i) {
      const int fd = sockets.socket(AF_INET, type, 0);
      REQUIRE(sockets.bind(fd, tapir::test::generic(any), sizeof(any)) == 0);
      sockaddr_in got{};
      socklen_t size = sizeof(got);
      REQUIRE(sockets.getsockname(fd, tapir::test::generic(got), &size) == 0);
      ports.insert(ntohs(got.sin_port));
    }
    CHECK((ports == std::set<int>{kFirst, kFirst + 1, kLast}));
    CHECK(sockets.bind(sockets.socket(AF_INET, type, 0), tapir::test::generic(any), sizeof(any)) == -1);
    CHECK(errno == EADDRINUSE);
  }
}

TEST_CASE("a blocking call lets virtual time pass", "[socket]") {
  TwoHosts hosts{far_apart(25ms)};
  const auto ends = hosts.linked();
  const auto before = hosts.pair.world.now();
  hosts.pair.world.after(3s, [&] { (void)TwoHosts::send(hosts.right, ends.server, "late"); });
  CHECK(TwoHosts::receive(hosts.left, ends.client, 10) == "late");
  CHECK(hosts.pair.world.now() - before >= 3s + 25ms);
}

TEST_CASE("SO_SNDTIMEO ends the wait of connect, which goes on", "[socket]") {
  TwoHosts hosts{far_apart(400ms)};
  hosts.listen();
  const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  const timeval soon{.tv_sec = 0, .tv_usec = 100'000};
  REQUIRE(hosts.left.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)) == 0);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EINPROGRESS);
  CHECK(hosts.connect(fd) == -1);
  CHECK(errno == EALREADY);
  hosts.pair.world.run_for(5s);
  CHECK(hosts.connect(fd) == 0);
}

TEST_CASE("SO_SNDTIMEO ends the wait of a write", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  const timeval soon{.tv_sec = 1, .tv_usec = 0};
  REQUIRE(hosts.left.setsockopt(ends.client, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)) == 0);
  const std::string much(4'000'000, 'x');
  const auto before = hosts.pair.world.now();
  const ssize_t sent = TwoHosts::send(hosts.left, ends.client, much);  // nobody reads
  CHECK(sent > 0);
  CHECK(sent < static_cast<ssize_t>(much.size()));
  CHECK(hosts.pair.world.now() - before >= 1s);
  for (int i = 0; i < 100 && TwoHosts::send(hosts.left, ends.client, much) > 0; ++i) continue;  // buffers grow for a while
  for (int i = 0; i < 100 && TwoHosts::send(hosts.left, ends.client, "x") > 0; ++i) continue;   // what window probes make room for
  CHECK(TwoHosts::send(hosts.left, ends.client, "x") == -1);
  CHECK(errno == EAGAIN);
}

TEST_CASE("a blocking write goes on until all is queued", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  std::size_t received = 0;
  std::string buffer(65536, '\0');
  REQUIRE(hosts.right.on_event(ends.server, [&] {
    for (;;) {
      const ssize_t count = hosts.right.recv(ends.server, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count <= 0) break;
      received += static_cast<std::size_t>(count);
    }
  }) == 0);
  const std::string much(4'000'000, 'x');
  CHECK(TwoHosts::send(hosts.left, ends.client, much) == static_cast<ssize_t>(much.size()));
  hosts.pair.world.run_for(10s);
  CHECK(received == much.size());
}

TEST_CASE("nobody answers", "[socket]") {
  TwoHosts hosts;
  SECTION("TCP_SYNCNT says how often a SYN is repeated") {
    REQUIRE(hosts.linked().client >= 0);  // the neighbour is known
    hosts.pair.cable.filter([](tapir::sim::End from, std::span<const std::byte>) {
      return from == tapir::sim::End::left ? tapir::sim::Verdict::drop : tapir::sim::Verdict::pass;
    });
    hosts.log.segments.clear();
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    TwoHosts::set(hosts.left, fd, IPPROTO_TCP, TCP_SYNCNT, 2);
    const auto before = hosts.pair.world.now();
    CHECK(hosts.connect(fd) == -1);
    CHECK(errno == ETIMEDOUT);
    CHECK(hosts.log.segments.size() == 3);
    CHECK(hosts.pair.world.now() - before == 7s);  // 1 + 2 + 4
  }
  SECTION("the neighbour is not there") {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    const auto in = tapir::test::socket_address(tapir::Ipv4Address{0xc0000263}, 7);
    CHECK(hosts.left.connect(fd, tapir::test::generic(in), sizeof(in)) == -1);
    CHECK(errno == EHOSTUNREACH);
  }
  SECTION("there is no route") {
    const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
    const auto in = tapir::test::socket_address(tapir::Ipv4Address{0x08080808}, 7);
    CHECK(hosts.left.connect(fd, tapir::test::generic(in), sizeof(in)) == -1);
    CHECK(errno == ENETUNREACH);
  }
}

TEST_CASE("a TCP_USER_TIMEOUT of 0 is the system's again", "[socket]") {
  const bool taken_back = GENERATE(true, false);
  auto config = far_apart(10ms);
  config.left.tcp.user_timeout = 100s;
  TwoHosts hosts{config};
  const auto ends = hosts.linked();
  REQUIRE(TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000) == 0);
  const bool under_way = GENERATE(true, false);  // what is sent is being timed already when it is taken back
  hosts.pair.cable.cut(true);
  if (under_way) CHECK(TwoHosts::send(hosts.left, ends.client, "x") == 1);
  if (taken_back) REQUIRE(TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_USER_TIMEOUT, 0) == 0);
  CHECK(TwoHosts::get(hosts.left, ends.client, IPPROTO_TCP, TCP_USER_TIMEOUT) == (taken_back ? 0 : 5000));
  if (!under_way) CHECK(TwoHosts::send(hosts.left, ends.client, "x") == 1);
  const auto over = [&] { return (hosts.left.readiness(ends.client) & EPOLLHUP) != 0; };
  CHECK(hosts.pair.world.run_until(over, 90s) != taken_back);
  CHECK(hosts.pair.world.run_until(over, 20s));
}

TEST_CASE("TCP_USER_TIMEOUT ends a connection whose peer is silent", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
  hosts.pair.cable.filter([](tapir::sim::End, std::span<const std::byte>) { return tapir::sim::Verdict::drop; });
  const auto before = hosts.pair.world.now();
  REQUIRE(TwoHosts::send(hosts.left, ends.client, "anybody?") == 8);
  CHECK(TwoHosts::receive(hosts.left, ends.client, 1).empty());
  CHECK(errno == ETIMEDOUT);
  CHECK(hosts.pair.world.now() - before == 5s);
}

TEST_CASE("SO_KEEPALIVE finds a peer that is gone", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_KEEPCNT, 3);
  TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_KEEPALIVE, 1);
  hosts.pair.world.run_for(60s);
  CHECK(hosts.left.readiness(ends.client) == (EPOLLOUT | EPOLLWRNORM));  // it answers
  hosts.pair.cable.filter([](tapir::sim::End, std::span<const std::byte>) { return tapir::sim::Verdict::drop; });
  hosts.pair.world.run_for(60s);
  CHECK(TwoHosts::get(hosts.left, ends.client, SOL_SOCKET, SO_ERROR) == ETIMEDOUT);
}

TEST_CASE("keep-alive follows the stack's settings, as far as the socket has none", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  const auto keep = [&](int name) { return TwoHosts::get(hosts.left, ends.client, IPPROTO_TCP, name); };
  CHECK(keep(TCP_KEEPIDLE) == 7200);
  CHECK(keep(TCP_KEEPINTVL) == 75);
  CHECK(keep(TCP_KEEPCNT) == 9);
  TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  auto config = hosts.pair.left->tcp().config();
  config.keepalive_idle = 10s;
  config.keepalive_interval = 1h;
  config.keepalive_probes = 3;
  hosts.pair.left->tcp().set_config(config);
  CHECK(keep(TCP_KEEPIDLE) == 10);
  CHECK(keep(TCP_KEEPINTVL) == 2);
  CHECK(keep(TCP_KEEPCNT) == 3);
  TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_KEEPALIVE, 1);
  hosts.pair.cable.filter([](tapir::sim::End, std::span<const std::byte>) { return tapir::sim::Verdict::drop; });
  hosts.pair.world.run_for(17s);  // 10 + 3 * 2
  CHECK(TwoHosts::get(hosts.left, ends.client, SOL_SOCKET, SO_ERROR) == ETIMEDOUT);
}

TEST_CASE("what a cork holds back, and for how long", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  auto& world = hosts.pair.world;
  SECTION("a cork keeps less than a segment until it is pulled") {
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_CORK, 1);
    TwoHosts::send(hosts.left, ends.client, "head");
    world.run_for(100ms);
    TwoHosts::send(hosts.left, ends.client, "tail");
    world.run_for(50ms);
    CHECK(hosts.log.sizes().empty());
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_CORK, 0);
    world.run_for(1ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{8});
  }
  SECTION("200 ms is the longest that a cork holds") {
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_CORK, 1);
    TwoHosts::send(hosts.left, ends.client, "head");
    world.run_for(199ms);
    CHECK(hosts.log.sizes().empty());
    world.run_for(2ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{4});
  }
  SECTION("full segments leave past a cork") {
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_CORK, 1);
    const auto mss = static_cast<std::size_t>(TwoHosts::get(hosts.left, ends.client, IPPROTO_TCP, TCP_MAXSEG));
    TwoHosts::send(hosts.left, ends.client, std::string(mss + 1, 'x'));
    world.run_for(100ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{mss});
  }
  SECTION("setting TCP_NODELAY lets go what a cork holds") {
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_CORK, 1);
    TwoHosts::send(hosts.left, ends.client, "head");
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_NODELAY, 1);
    world.run_for(1ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{4});
  }
  SECTION("a half-close does, too") {
    TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_CORK, 1);
    TwoHosts::send(hosts.left, ends.client, "head");
    hosts.left.shutdown(ends.client, SHUT_WR);
    world.run_for(1ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{4});
  }
}

TEST_CASE("what leaves together without a cork", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  auto& world = hosts.pair.world;
  SECTION("MSG_MORE waits for the next write") {
    TwoHosts::send(hosts.left, ends.client, "head", MSG_MORE);
    world.run_for(100ms);
    CHECK(hosts.log.sizes().empty());
    TwoHosts::send(hosts.left, ends.client, "tail");
    world.run_for(1ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{8});
  }
  SECTION("without any of it a small write leaves at once") {
    TwoHosts::send(hosts.left, ends.client, "head");
    world.run_for(1ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{4});
  }
  SECTION("the parts of one writev() leave together") {
    std::string head = "head";
    std::string tail = "tail";
    const std::array parts{iovec{head.data(), head.size()}, iovec{tail.data(), tail.size()}};
    CHECK(hosts.left.writev(ends.client, parts.data(), 2) == 8);
    world.run_for(1ms);
    CHECK(hosts.log.sizes() == std::vector<std::size_t>{8});
  }
}

TEST_CASE("TCP_MAXSEG bounds what is sent and what is offered", "[socket]") {
  TwoHosts hosts;
  hosts.listen();
  const int fd = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  TwoHosts::set(hosts.left, fd, IPPROTO_TCP, TCP_MAXSEG, 500);
  CHECK(TwoHosts::get(hosts.left, fd, IPPROTO_TCP, TCP_MAXSEG) == 500);
  REQUIRE(hosts.connect(fd) == 0);
  hosts.log.segments.clear();
  TwoHosts::send(hosts.left, fd, std::string(1200, 'x'));
  hosts.pair.world.run_for(1s);
  CHECK(hosts.log.sizes() == std::vector<std::size_t>{488, 488, 224});
  const auto others = hosts.pair.right->tcp().connections();
  REQUIRE(others.size() == 1);
  CHECK(others.front().mss <= 500);
}

TEST_CASE("TCP_NOTSENT_LOWAT bounds what waits to be sent", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  hosts.left.fcntl(ends.client, F_SETFL, O_NONBLOCK);
  TwoHosts::set(hosts.left, ends.client, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1000);
  CHECK((hosts.left.readiness(ends.client) & EPOLLOUT) != 0);
  CHECK(TwoHosts::send(hosts.left, ends.client, std::string(2000, 'x')) == 2000);
  CHECK((hosts.left.readiness(ends.client) & EPOLLOUT) == 0);
  hosts.pair.world.run_for(1s);
  CHECK((hosts.left.readiness(ends.client) & EPOLLOUT) != 0);
  CHECK(TwoHosts::send(hosts.left, ends.client, "x") == 1);
}

TEST_CASE("close with SO_LINGER", "[socket]") {
  TwoHosts hosts{far_apart(50ms)};
  const auto ends = hosts.linked();
  const linger on{.l_onoff = 1, .l_linger = 10};
  hosts.left.setsockopt(ends.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
  TwoHosts::send(hosts.left, ends.client, "bye");
  const auto before = hosts.pair.world.now();
  SECTION("waits until the peer has everything") {
    CHECK(hosts.left.close(ends.client) == 0);
    CHECK(hosts.pair.world.now() - before >= 100ms);
    CHECK(hosts.pair.world.now() - before < 1s);
  }
  SECTION("waits no longer than it says") {
    hosts.pair.cable.filter([](tapir::sim::End, std::span<const std::byte>) { return tapir::sim::Verdict::drop; });
    CHECK(hosts.left.close(ends.client) == 0);
    CHECK(hosts.pair.world.now() - before == 10s);
  }
}

TEST_CASE("SIOCOUTQ tells what the peer has not acknowledged", "[socket]") {
  TwoHosts hosts{far_apart(10ms)};
  const auto ends = hosts.linked();
  int value = -1;
  TwoHosts::send(hosts.left, ends.client, "12345");
  REQUIRE(hosts.left.ioctl(ends.client, TIOCOUTQ, &value) == 0);
  CHECK(value == 5);
  hosts.pair.world.run_for(1s);
  REQUIRE(hosts.left.ioctl(ends.client, TIOCOUTQ, &value) == 0);
  CHECK(value == 0);
}

TEST_CASE("a host reaches itself by its own address", "[socket]") {
  TwoHosts hosts;
  hosts.listen();
  const int fd = hosts.right.socket(AF_INET, SOCK_STREAM, 0);
  const auto in = tapir::test::socket_address(tapir::test::kRightAddress, TwoHosts::kPort);
  CHECK(hosts.right.connect(fd, tapir::test::generic(in), sizeof(in)) == 0);
  CHECK((hosts.right.readiness(fd) & EPOLLOUT) != 0);
}

TEST_CASE("a full backlog lets nobody in, an emptied one does", "[socket]") {
  TwoHosts hosts;
  const int listener = hosts.listen(0);  // one may wait, as on Linux
  const int first = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(hosts.connect(first) == 0);
  hosts.pair.world.run_for(1s);
  const int second = hosts.left.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  (void)hosts.connect(second);
  hosts.pair.world.run_for(500ms);
  CHECK(hosts.left.readiness(second) == 0);
  CHECK(hosts.right.accept(listener, nullptr, nullptr) >= 0);
  hosts.pair.world.run_for(5s);
  CHECK((hosts.left.readiness(second) & EPOLLOUT) != 0);
}
