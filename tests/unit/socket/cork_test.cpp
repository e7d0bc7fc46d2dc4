// What is sent on a link that is full: gathered into a datagram, cut into several; who waits for room, and who is told of it.
#include <catch2/catch.hpp>

#include <sys/epoll.h>

#include <cerrno>
#include <string>

#include "full_link.hpp"

using namespace std::chrono_literals;
using tapir::test::FullLink;
using tapir::test::generic;
using tapir::test::kEach;
using tapir::test::kLeftAddress;
using tapir::test::kMuch;
using tapir::test::pattern;
using tapir::test::socket_address;
using tapir::test::TwoHosts;

TEST_CASE("a send that becomes several datagrams tells how much of it a full link took", "[socket]") {
  FullLink ends{SOCK_NONBLOCK};
  const std::string all = pattern(kMuch);
  std::string arrived;
  std::size_t sent = 0;
  int calls = 0;
  for (; sent < all.size() && calls < 100; ++calls) {
    const ssize_t count = TwoHosts::send(ends.left, ends.sender, std::string_view{all}.substr(sent));
    REQUIRE(count > 0);
    CHECK(static_cast<std::size_t>(count) % kEach == 0);
    sent += static_cast<std::size_t>(count);
    arrived += ends.drain();
  }
  CHECK(calls > 1);
  CHECK(arrived == all);
}

TEST_CASE("that there is no way comes before that a datagram is too large for it", "[socket]") {
  FullLink ends;
  const sockaddr_in nowhere = socket_address(tapir::Ipv4Address{0xcb007101}, 7);  // 203.0.113.1
  const auto send = [&](const std::string& bytes) {
    return ends.left.sendto(ends.sender, bytes.data(), bytes.size(), 0, generic(nowhere), sizeof(nowhere));
  };
  CHECK(send(pattern(kMuch)) == -1);
  CHECK(errno == ENETUNREACH);
  CHECK(send("x") == -1);
  CHECK(errno == ENETUNREACH);
}

TEST_CASE("a send that becomes several datagrams waits for a full link", "[socket]") {
  FullLink ends;
  const std::string all = pattern(kMuch);
  CHECK(TwoHosts::send(ends.left, ends.sender, all) == static_cast<ssize_t>(all.size()));
  CHECK(ends.drain() == all);
}

TEST_CASE("what MSG_MORE has gathered outlasts a send that finds the link full", "[socket]") {
  FullLink ends{SOCK_NONBLOCK};
  ends.fill();
  CHECK(TwoHosts::send(ends.left, ends.sender, "ab", MSG_MORE) == 2);
  CHECK(TwoHosts::send(ends.left, ends.sender, "cd") == -1);
  CHECK(errno == EAGAIN);
  (void)ends.drain();
  CHECK(TwoHosts::send(ends.left, ends.sender, "cd") == 2);
  CHECK(ends.drain() == "abcd");
}

TEST_CASE("what is corked and finds the link full when the cork is taken out is gone", "[socket]") {
  FullLink ends{SOCK_NONBLOCK};
  REQUIRE(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, UDP_CORK, 1) == 0);
  CHECK(TwoHosts::send(ends.left, ends.sender, "gone") == 4);
  ends.fill();
  CHECK(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, UDP_CORK, 0) == 0);
  CHECK(ends.drain().find_first_not_of('f') == std::string::npos);
  CHECK(TwoHosts::send(ends.left, ends.sender, "next") == 4);
  CHECK(ends.drain() == "next");
}

TEST_CASE("what a handler gathers while a send waits follows what had been gathered before", "[socket]") {
  FullLink ends;
  ends.limit(ends.sender);
  const int called = ends.left.socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in here = socket_address(kLeftAddress, 77);
  REQUIRE(ends.left.bind(called, generic(here), sizeof(here)) == 0);
  bool acted = false;
  (void)ends.left.on_event(called, [&] {
    if (TwoHosts::receive(ends.left, called, 1, MSG_DONTWAIT).empty()) return;
    acted = true;
    CHECK(TwoHosts::send(ends.left, ends.sender, "cd", MSG_MORE) == 2);
  });
  ends.fill();
  CHECK(TwoHosts::send(ends.left, ends.sender, "ab", MSG_MORE) == 2);
  REQUIRE(ends.right.sendto(ends.receiver, "x", 1, 0, generic(here), sizeof(here)) == 1);
  CHECK(TwoHosts::send(ends.left, ends.sender, "late") == -1);
  CHECK(errno == EAGAIN);
  CHECK(acted);
  (void)ends.drain();
  CHECK(TwoHosts::send(ends.left, ends.sender, "ef") == 2);
  CHECK(ends.drain() == "abcdef");
}

TEST_CASE("a socket is not writable while its link is full, and those who watch are told when it is again", "[socket][epoll]") {
  const bool raw = GENERATE(false, true);
  FullLink ends;
  const int fd = raw ? ends.left.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) : ends.sender;
  REQUIRE(ends.connect(fd) == 0);
  const std::string message(kEach, '\0');  // an echo reply, to a raw socket
  const auto send = [&] { return TwoHosts::send(ends.left, fd, message, MSG_DONTWAIT); };
  const int edges = ends.left.epoll_create1(0);
  const int levels = ends.left.epoll_create1(0);
  epoll_event event{.events = EPOLLOUT | EPOLLET, .data = {.fd = fd}};
  REQUIRE(ends.left.epoll_ctl(edges, EPOLL_CTL_ADD, fd, &event) == 0);
  event.events = EPOLLOUT;
  REQUIRE(ends.left.epoll_ctl(levels, EPOLL_CTL_ADD, fd, &event) == 0);
  CHECK(ends.left.epoll_wait(edges, &event, 1, 0) == 1);
  CHECK(ends.left.epoll_wait(levels, &event, 1, 0) == 1);
  for (int round = 0; round < 2; ++round) {
    while (send() > 0) {}
    CHECK(errno == EAGAIN);
    CHECK((ends.left.readiness(fd) & EPOLLOUT) == 0);
    for (const int epoll : {edges, levels}) CHECK(ends.left.epoll_wait(epoll, &event, 1, 0) == 0);
    for (const int epoll : {edges, levels}) {
      event.events = 0;
      CHECK(ends.left.epoll_wait(epoll, &event, 1, 5000) == 1);
      CHECK(event.events == EPOLLOUT);
    }
    CHECK(ends.left.epoll_wait(edges, &event, 1, 0) == 0);  // told once
    CHECK((ends.left.readiness(fd) & EPOLLOUT) != 0);
    CHECK(send() > 0);
    (void)ends.drain();
  }
}

TEST_CASE("a datagram to a group waits for the link of the address that it leaves with", "[socket]") {
  constexpr std::uint32_t kOther = 0xc6336401;  // 198.51.100.1
  FullLink ends;
  tapir::sim::Cable cable{ends.pair.world, tapir::test::slow().cable};
  REQUIRE(ends.pair.left->add_interface(cable.left(), {.address = tapir::Ipv4Prefix{tapir::Ipv4Address{kOther}, 24}}));
  const bool raw = GENERATE(false, true);
  const int fd = raw ? ends.left.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) : ends.left.socket(AF_INET, SOCK_DGRAM, 0);
  const in_addr from{.s_addr = htonl(kOther)};
  REQUIRE(ends.left.setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof(from)) == 0);
  const sockaddr_in group = socket_address(tapir::Ipv4Address{0xe0010203}, 9);
  const std::string message(kEach, '\0');
  const auto send = [&](int flags) { return ends.left.sendto(fd, message.data(), message.size(), flags, generic(group), sizeof(group)); };
  for (int i = 0; i < 20; ++i) CHECK(send(0) == std::ssize(message));
  while (send(MSG_DONTWAIT) > 0) {}
  CHECK((ends.left.readiness(fd) & EPOLLOUT) == 0);
  CHECK(ends.pair.world.run_until([&] { return (ends.left.readiness(fd) & EPOLLOUT) != 0; }, 1s));
}

TEST_CASE("a raw socket's send waits for a full link", "[socket]") {
  constexpr int kMessages = 20;
  FullLink ends;
  const int listener = ends.right.socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
  const int raw = ends.left.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  REQUIRE(ends.connect(raw) == 0);
  const std::string message(kEach, '\0');  // an echo reply
  for (int i = 0; i < kMessages; ++i) CHECK(TwoHosts::send(ends.left, raw, message) == static_cast<ssize_t>(kEach));
  ends.pair.world.run_for(1s);
  int arrived = 0;
  while (!TwoHosts::receive(ends.right, listener, 2 * kEach).empty()) ++arrived;
  CHECK(arrived == kMessages);
  SECTION("but no longer than SO_SNDTIMEO") {
    ends.limit(raw);
    ends.fill();
    const auto start = ends.pair.world.now();
    CHECK(TwoHosts::send(ends.left, raw, message) == -1);
    CHECK(errno == EAGAIN);
    CHECK(ends.pair.world.now() - start == 1ms);
  }
}
