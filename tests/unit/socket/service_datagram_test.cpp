// Datagram sockets of a Service: calls that wait while others change what they wait for.
#include <catch2/catch.hpp>

#include <linux/errqueue.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include <tapir/core/scheduler.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/socket/service.hpp>

#include "message_room.hpp"
#include "service_host.hpp"

using tapir::posix::Service;
using tapir::test::Door;
using tapir::test::generic;
using tapir::test::kPort;
using tapir::test::MessageRoom;
using Host = tapir::test::ServiceHost;

namespace {
/// A socket that datagrams reach, its own as well.
int receiver(Service& sockets) {
  const int fd = sockets.socket(AF_INET, SOCK_DGRAM, 0);
  const auto in = tapir::test::socket_address(tapir::Ipv4Address{0x7f000001}, kPort);
  REQUIRE(sockets.bind(fd, generic(in), sizeof(in)) == 0);
  REQUIRE(sockets.connect(fd, generic(in), sizeof(in)) == 0);
  return fd;
}

/// A Service whose link takes nothing until it is opened, and a socket that may send to all there.
struct BehindDoor {
  BehindDoor() {
    const int on = 1;
    REQUIRE(sockets.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) == 0);
  }
  std::atomic<bool> open{false};
  tapir::Runtime runtime;
  tapir::Stack stack{runtime, std::make_unique<Door>(&open), {.address = tapir::Ipv4Prefix{tapir::test::kLeftAddress, 24}}};
  Service sockets{runtime, stack};
  int fd = sockets.socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in all = tapir::test::socket_address(tapir::Ipv4Address{tapir::test::kLeftAddress.value() | 0xff}, kPort);
};
}  // namespace

TEST_CASE("a look beyond all datagrams that wait is one for the next", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int fd = receiver(sockets);
  const int offset = 100;
  REQUIRE(sockets.setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0);
  REQUIRE(sockets.send(fd, "abc", 3, 0) == 3);
  std::string seen(10, '-');
  const timeval soon{.tv_sec = 0, .tv_usec = 10'000};
  REQUIRE(sockets.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) == 0);
  CHECK(sockets.recv(fd, seen.data(), seen.size(), MSG_PEEK) == -1);
  CHECK(errno == EAGAIN);
  const timeval ever{};
  REQUIRE(sockets.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ever, sizeof(ever)) == 0);
  ssize_t count = 0;
  std::thread looker{[&] { count = sockets.recv(fd, seen.data(), seen.size(), MSG_PEEK); }};
  REQUIRE(sockets.send(fd, "def", 3, 0) == 3);  // not enough
  const std::string longer(200, 'z');
  REQUIRE(sockets.send(fd, longer.data(), longer.size(), 0) == 200);
  looker.join();
  CHECK(count == 10);
  CHECK(seen == std::string(10, 'z'));
}

TEST_CASE("behind shutdown() nobody waits for a datagram", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int fd = receiver(sockets);
  char byte = 0;
  ssize_t waited = -1;
  std::thread reader{[&] {
    char unread = 0;
    waited = sockets.recv(fd, &unread, 1, 0);
  }};
  CHECK(sockets.shutdown(fd, SHUT_RD) == 0);
  reader.join();
  CHECK(waited == 0);
  CHECK(sockets.recv(fd, &byte, 1, 0) == 0);
  CHECK(sockets.recv(fd, &byte, 1, MSG_DONTWAIT) == -1);
  CHECK(errno == EAGAIN);
}

TEST_CASE("behind shutdown() a receive call tells of no address and of no control messages", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int fd = receiver(sockets);
  REQUIRE(sockets.shutdown(fd, SHUT_RD) == 0);
  MessageRoom room{10};
  room.header.msg_flags = MSG_TRUNC;
  CHECK(sockets.recvmsg(fd, &room.header, 0) == 0);
  CHECK(room.header.msg_namelen == 0);
  CHECK(room.header.msg_controllen == 0);
  CHECK(room.header.msg_flags == 0);
  char byte = 0;
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  CHECK(sockets.recvfrom(fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) == 0);
  CHECK(size == 0);
}

TEST_CASE("a send with MSG_ZEROCOPY has one number, however often it had to wait", "[socket][service][zerocopy]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  const int on = 1;
  REQUIRE(sockets.setsockopt(client, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) == 0);
  const std::string much(3'000'000, 'x');
  std::thread reader{[&] {
    std::string bytes(10'000, '\0');
    for (std::size_t read = 0; read <= much.size();) read += static_cast<std::size_t>(sockets.recv(server, bytes.data(), bytes.size(), 0));
  }};
  CHECK(sockets.send(client, much.data(), much.size(), MSG_ZEROCOPY) == std::ssize(much));
  CHECK(sockets.send(client, "x", 1, MSG_ZEROCOPY) == 1);
  reader.join();
  std::uint32_t last = 0;
  for (std::uint32_t next = 0; last == 0; next = last + 1) {
    pollfd entry{.fd = client, .events = 0, .revents = 0};
    REQUIRE(sockets.poll(&entry, 1, -1) == 1);
    MessageRoom room{0};
    REQUIRE(sockets.recvmsg(client, &room.header, MSG_ERRQUEUE) == 0);
    const auto told = tapir::test::control_data<sock_extended_err>(*CMSG_FIRSTHDR(&room.header));
    CHECK(told.ee_info == next);
    last = told.ee_data;
  }
  CHECK(last == 1);
}

TEST_CASE("a send waits for a full link, whose room is told of", "[socket][service]") {
  BehindDoor host;
  auto& sockets = host.sockets;
  const int fd = host.fd;
  const auto all = host.all;
  const auto send = [&](int flags) { return sockets.sendto(fd, "abc", 3, flags, generic(all), sizeof(all)); };
  pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
  CHECK(sockets.poll(&entry, 1, 0) == 1);
  CHECK(send(MSG_DONTWAIT) == -1);
  CHECK(errno == EAGAIN);
  CHECK(sockets.poll(&entry, 1, 0) == 0);
  const timeval soon{.tv_sec = 0, .tv_usec = 10'000};
  REQUIRE(sockets.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)) == 0);
  CHECK(send(0) == -1);
  CHECK(errno == EAGAIN);
  const timeval ever{};
  REQUIRE(sockets.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ever, sizeof(ever)) == 0);
  ssize_t sent = 0;
  std::thread sender{[&] { sent = send(0); }};
  host.runtime.post([&] {
    host.open = true;
    host.stack.context().scheduler.unblock();
  });
  CHECK(sockets.poll(&entry, 1, -1) == 1);
  CHECK(entry.revents == POLLOUT);
  sender.join();
  CHECK(sent == 3);
}

TEST_CASE("shutdown() ends a send that waits for a full link", "[socket][service]") {
  BehindDoor host;
  auto& sockets = host.sockets;
  const int fd = host.fd;
  const auto all = host.all;
  REQUIRE(sockets.connect(fd, generic(all), sizeof(all)) == 0);
  ssize_t sent = 0;
  int why = 0;
  std::thread sender{[&] {
    sent = sockets.send(fd, "abc", 3, 0);
    why = errno;
  }};
  pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
  while (sockets.poll(&entry, 1, 0) != 0) std::this_thread::yield();
  CHECK(sockets.shutdown(fd, SHUT_WR) == 0);
  sender.join();
  CHECK(sent == -1);
  CHECK(why == EPIPE);
}

TEST_CASE("a send that gets no port has nothing to wait for", "[socket][service]") {
  tapir::Runtime runtime;
  tapir::Stack stack{runtime, tapir::StackConfig{}};
  Service sockets{runtime, stack, {.first_port = tapir::Port{5000}, .last_port = tapir::Port{5000}}};
  const auto there = tapir::test::socket_address(tapir::Ipv4Address{0x7f000001}, kPort);
  const auto send = [&] { return sockets.sendto(sockets.socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, generic(there), sizeof(there)); };
  CHECK(send() == 1);
  CHECK(send() == -1);
  CHECK(errno == EAGAIN);
}
