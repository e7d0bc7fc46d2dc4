// What becomes of a message on a full link: what is told of it, and what else happens to its socket meanwhile.
#include <catch2/catch.hpp>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>

#include <cerrno>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "full_link.hpp"
#include "message_room.hpp"

using namespace std::chrono_literals;
using tapir::test::FullLink;
using tapir::test::generic;
using tapir::test::kEach;
using tapir::test::kLeftAddress;
using tapir::test::kMuch;
using tapir::test::kRightAddress;
using tapir::test::kSegment;
using tapir::test::MessageRoom;
using tapir::test::pattern;
using tapir::test::socket_address;
using tapir::test::TwoHosts;

namespace {

constexpr int kTimes = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;

/// The next message of the sender's error queue.
std::optional<sock_extended_err> told(FullLink& ends) {
  MessageRoom room{0};
  if (ends.left.recvmsg(ends.sender, &room.header, MSG_ERRQUEUE) < 0) return std::nullopt;
  sock_extended_err error{};
  tapir::test::for_each_control(room.header, [&error](const cmsghdr& control) {
    if (control.cmsg_level == IPPROTO_IP) error = tapir::test::control_data<sock_extended_err>(control);
  });
  return error;
}

/// Has `act` called while a call on the left host waits.
void meanwhile(FullLink& ends, std::function<void()> act) {
  const int called = ends.left.socket(AF_INET, SOCK_DGRAM, 0);
  const sockaddr_in here = socket_address(kLeftAddress, 77);
  REQUIRE(ends.left.bind(called, generic(here), sizeof(here)) == 0);
  (void)ends.left.on_event(called, [&ends, called, does = std::move(act)] {
    if (!TwoHosts::receive(ends.left, called, 1, MSG_DONTWAIT).empty()) does();
  });
  REQUIRE(ends.right.sendto(ends.receiver, "x", 1, 0, generic(here), sizeof(here)) == 1);
}

int disconnect(FullLink& ends) {
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  return ends.left.connect(ends.sender, &nobody, sizeof(nobody));
}

/// The ports that the datagrams come from which arrive.
std::set<std::uint16_t> ports_of_arrivals(FullLink& ends) {
  ends.pair.world.run_for(1s);
  std::set<std::uint16_t> ports;
  for (;;) {
    sockaddr_in from{};
    socklen_t size = sizeof(from);
    std::string bytes(kEach, '\0');
    if (ends.right.recvfrom(ends.receiver, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size) < 0) return ports;
    ports.insert(ntohs(from.sin_port));
  }
}

}  // namespace

TEST_CASE("each call that sends a part of a message is told of its leaving once", "[socket][timestamping]") {
  FullLink ends{SOCK_NONBLOCK};
  REQUIRE(TwoHosts::set(ends.left, ends.sender, SOL_SOCKET, SO_TIMESTAMPING, kTimes) == 0);
  const std::string all = pattern(kMuch);
  std::uint32_t calls = 0;
  for (std::size_t sent = 0; sent < all.size(); ++calls) {
    const ssize_t count = TwoHosts::send(ends.left, ends.sender, std::string_view{all}.substr(sent));
    REQUIRE(count > 0);
    sent += static_cast<std::size_t>(count);
    const auto report = told(ends);
    REQUIRE(report);
    CHECK(report->ee_origin == SO_EE_ORIGIN_TIMESTAMPING);
    CHECK(report->ee_data == calls);
    CHECK_FALSE(told(ends));
    (void)ends.drain();
  }
  CHECK(calls > 1);
  ends.fill();
  CHECK(TwoHosts::send(ends.left, ends.sender, "x") == -1);
  CHECK_FALSE(told(ends));  // nothing has left
}

TEST_CASE("what is lost when the cork is taken out is told of", "[socket][zerocopy]") {
  FullLink ends{SOCK_NONBLOCK};
  REQUIRE(TwoHosts::set(ends.left, ends.sender, SOL_SOCKET, SO_ZEROCOPY, 1) == 0);
  REQUIRE(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, UDP_CORK, 1) == 0);
  const bool empty = GENERATE(false, true);
  const std::string bytes = empty ? "" : "gone";
  const int sends = empty ? 1 : 2;
  for (int i = 0; i < sends; ++i) CHECK(TwoHosts::send(ends.left, ends.sender, bytes, MSG_ZEROCOPY) == std::ssize(bytes));
  ends.fill();
  CHECK_FALSE(told(ends));
  CHECK(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, UDP_CORK, 0) == 0);
  const auto lost = told(ends);
  REQUIRE(lost);
  CHECK(lost->ee_origin == SO_EE_ORIGIN_ZEROCOPY);
  CHECK(lost->ee_info == 0);
  CHECK(lost->ee_data == static_cast<std::uint32_t>(sends - 1));
  CHECK_FALSE(told(ends));
  (void)ends.drain();
  CHECK(TwoHosts::send(ends.left, ends.sender, "next", MSG_ZEROCOPY) == 4);
  const auto next = told(ends);
  REQUIRE(next);
  CHECK(next->ee_info == static_cast<std::uint32_t>(sends));
}

TEST_CASE("what has left when the cork was taken out is told of, though the link took no more", "[socket][timestamping]") {
  FullLink ends{SOCK_NONBLOCK};
  REQUIRE(TwoHosts::set(ends.left, ends.sender, SOL_SOCKET, SO_TIMESTAMPING, kTimes) == 0);
  CHECK(TwoHosts::send(ends.left, ends.sender, pattern(kMuch), MSG_MORE) == static_cast<ssize_t>(kMuch));
  CHECK(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, UDP_CORK, 0) == 0);
  const auto report = told(ends);
  REQUIRE(report);
  CHECK(report->ee_origin == SO_EE_ORIGIN_TIMESTAMPING);
  CHECK_FALSE(told(ends));
  const std::string arrived = ends.drain();
  CHECK(!arrived.empty());
  CHECK(arrived.size() < kMuch);
}

TEST_CASE("an empty beginning outlasts a send that finds the link full", "[socket]") {
  FullLink ends{SOCK_NONBLOCK};
  const sockaddr_in there = socket_address(kRightAddress, TwoHosts::kPort);
  REQUIRE(ends.left.sendto(ends.sender, "", 0, MSG_MORE, generic(there), sizeof(there)) == 0);
  REQUIRE(disconnect(ends) == 0);  // from here on only the beginning says where
  ends.fill();
  CHECK(TwoHosts::send(ends.left, ends.sender, "ab") == -1);
  CHECK(errno == EAGAIN);
  (void)ends.drain();
  CHECK(TwoHosts::send(ends.left, ends.sender, "ab") == 2);
  CHECK(ends.drain() == "ab");
}

TEST_CASE("of a message whose gathered part has left nothing stays", "[socket][timestamping]") {
  FullLink ends{SOCK_NONBLOCK};
  REQUIRE(TwoHosts::set(ends.left, ends.sender, SOL_SOCKET, SO_TIMESTAMPING, kTimes) == 0);
  const std::string some(kEach, 's');
  ends.fill();
  // Until the link has room for one datagram, and for no more.
  const auto has_room = [&ends] { return (ends.left.readiness(ends.sender) & EPOLLOUT) != 0; };
  CHECK(TwoHosts::send(ends.left, ends.sender, some) == -1);
  REQUIRE(ends.pair.world.run_until(has_room, 1s));
  CHECK(TwoHosts::send(ends.left, ends.sender, some, MSG_MORE) == std::ssize(some));
  CHECK(TwoHosts::send(ends.left, ends.sender, some) == -1);
  CHECK(errno == EAGAIN);
  CHECK(told(ends));
  const std::string arrived = ends.drain();
  CHECK(arrived.substr(arrived.find('s')) == some);
  CHECK(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, UDP_CORK, 0) == 0);
  CHECK_FALSE(told(ends));
  ends.pair.world.run_for(1s);
  char byte = 0;
  CHECK(ends.right.recv(ends.receiver, &byte, 1, 0) == -1);  // no empty datagram
}

TEST_CASE("a send that brings nothing and finds the link full takes no notice of MSG_ZEROCOPY with it", "[socket][zerocopy]") {
  FullLink ends{SOCK_NONBLOCK};
  REQUIRE(TwoHosts::set(ends.left, ends.sender, SOL_SOCKET, SO_ZEROCOPY, 1) == 0);
  CHECK(TwoHosts::send(ends.left, ends.sender, "ab", MSG_MORE | MSG_ZEROCOPY) == 2);
  ends.fill();
  CHECK(TwoHosts::send(ends.left, ends.sender, "", MSG_ZEROCOPY) == -1);
  (void)ends.drain();
  CHECK(TwoHosts::send(ends.left, ends.sender, "") == 0);
  const auto report = told(ends);
  REQUIRE(report);
  CHECK(report->ee_info == 0);
  CHECK(report->ee_data == 0);
}

TEST_CASE("a message that becomes several datagrams leaves from one port", "[socket]") {
  FullLink ends;
  const std::string all = pattern(kMuch);
  const bool again = GENERATE(false, true);
  SECTION("a handler gives the port back while the send waits") {
    meanwhile(ends, [&ends, again] {
      CHECK(disconnect(ends) == 0);
      const sockaddr_in there = socket_address(kRightAddress, 9);
      if (again) (void)ends.left.sendto(ends.sender, "x", 1, MSG_DONTWAIT, generic(there), sizeof(there));  // it has a port again
    });
    const ssize_t sent = TwoHosts::send(ends.left, ends.sender, all);
    CHECK(sent > 0);
    CHECK(sent < std::ssize(all));
    CHECK(sent % static_cast<ssize_t>(kEach) == 0);
  }
  SECTION("the program does between two calls") {
    CHECK(TwoHosts::send(ends.left, ends.sender, all, MSG_MORE) == std::ssize(all));
    CHECK(TwoHosts::send(ends.left, ends.sender, "x", MSG_DONTWAIT) == -1);
    CHECK(errno == EAGAIN);
    CHECK(disconnect(ends) == 0);
    ends.pair.world.run_for(1s);
    CHECK(TwoHosts::send(ends.left, ends.sender, "x") == -1);
    CHECK(errno == EAGAIN);
  }
  CHECK(ports_of_arrivals(ends).size() == 1);
  if (!again) return;
  REQUIRE(ends.connect(ends.sender) == 0);
  CHECK(TwoHosts::send(ends.left, ends.sender, "anew") == 4);
  CHECK(ends.drain() == "anew");
}

TEST_CASE("what a send has sent before it fails is told", "[socket]") {
  FullLink ends;
  const int act = GENERATE(0, 1, 2);
  meanwhile(ends, [&ends, act] {
    if (act == 0) CHECK(ends.pair.left->ipv4().remove_address(tapir::InterfaceIndex{}, kLeftAddress));
    if (act == 1) CHECK(ends.left.shutdown(ends.sender, SHUT_WR) == 0);
    if (act == 2) CHECK(ends.left.close(ends.sender) == 0);
  });
  const ssize_t sent = TwoHosts::send(ends.left, ends.sender, pattern(kMuch));
  CHECK(sent > 0);
  CHECK(sent < static_cast<ssize_t>(kMuch));
}

TEST_CASE("shutdown() does not keep a raw socket from waiting for a full link", "[socket][raw]") {
  FullLink ends;
  const int raw = ends.left.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  REQUIRE(ends.connect(raw) == 0);
  REQUIRE(ends.left.shutdown(raw, SHUT_WR) == 0);
  const std::string message(kEach, '\0');  // an echo reply
  ends.fill();
  CHECK(TwoHosts::send(ends.left, raw, message) == std::ssize(message));
}

TEST_CASE("a datagram that is cut by IP leaves though its link is full", "[socket]") {
  constexpr int kDatagrams = 10;
  FullLink ends;
  REQUIRE(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, kSegment, 0) == 0);
  const std::size_t size = GENERATE(std::size_t{3000}, std::size_t{20'000});
  const std::string bytes(size, 'x');
  REQUIRE(TwoHosts::set(ends.right, ends.receiver, SOL_SOCKET, SO_RCVBUF, 1'000'000) == 0);
  for (int i = 0; i < kDatagrams; ++i) CHECK(TwoHosts::send(ends.left, ends.sender, bytes) == std::ssize(bytes));
  ends.pair.world.run_for(10s);
  int arrived = 0;
  while (TwoHosts::receive(ends.right, ends.receiver, size).size() == size) ++arrived;
  CHECK(arrived == kDatagrams);
}

TEST_CASE("what was gathered stays, though a handler throws while a send waits", "[socket]") {
  FullLink ends;
  REQUIRE(TwoHosts::set(ends.left, ends.sender, IPPROTO_UDP, kSegment, 0) == 0);
  REQUIRE(TwoHosts::send(ends.left, ends.sender, "gathered, ", MSG_MORE) == 10);
  ends.fill();
  meanwhile(ends, [] { throw std::runtime_error{"from a handler"}; });
  CHECK_THROWS_AS(TwoHosts::send(ends.left, ends.sender, "interrupted"), std::runtime_error);
  (void)ends.drain();
  REQUIRE(TwoHosts::send(ends.left, ends.sender, "sent") == 4);
  CHECK(ends.drain() == "gathered, sent");
}
