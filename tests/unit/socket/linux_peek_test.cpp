// Looking at what has not been read, and what is told of it, against the kernel's.
#include <catch2/catch.hpp>

#include <linux/sock_diag.h>

#include <array>
#include <cstdint>
#include <string>

#include "message_room.hpp"
#include "same_as_linux.hpp"

using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

TEST_CASE("SO_PEEK_OFF as an option", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      t.get(fd, SOL_SOCKET, SO_PEEK_OFF);
      for (const int value : {-5, -1, 0, 3}) {
        t.set(fd, SOL_SOCKET, SO_PEEK_OFF, value);
        t.get(fd, SOL_SOCKET, SO_PEEK_OFF);
      }
      t.set(fd, SOL_SOCKET, SO_PEEK_OFF, 1, 3);
    }
  });
}

TEST_CASE("SO_PEEK_OFF of datagrams", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram(SOCK_NONBLOCK);
    t.bind(server);
    const auto place = t.place_of(server);
    const int client = t.datagram();
    const auto look = [&](std::size_t size, int flags = 0) {
      t.recv(server, size, MSG_PEEK | flags);
      t.get(server, SOL_SOCKET, SO_PEEK_OFF);
    };
    const auto read = [&](std::size_t size, int flags = 0) {
      t.recv(server, size, flags);
      t.get(server, SOL_SOCKET, SO_PEEK_OFF);
    };
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 0);
    look(1);
    for (const char* text : {"hello", "", "world!", "abc"}) t.send_to(client, text, place);
    t.await(server, POLLIN);
    for (const std::size_t size : {2, 1, 2, 10, 10, 3, 3, 1, 10, 10}) look(size);
    t.poll(server);
    t.ioctl(server, SIOCINQ);
    read(10);
    look(10);
    read(10);
    look(10);
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 2);
    look(2, MSG_TRUNC);
    look(2);
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 1);
    read(2);
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 1);
    read(1, MSG_TRUNC);
    t.send_to(client, "", place);
    t.send_to(client, "last", place);
    t.await(server, POLLIN);
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, -1);
    look(10);
    look(10);
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 0);
    look(10);
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 100);
    look(10);
    read(10);
    read(10);
    read(10);
  });
}

TEST_CASE("looks and reads that could wait and have nothing to wait for", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    const auto place = t.place_of(server);
    const int client = t.datagram();
    t.connect(client, place);
    const timeval soon{.tv_sec = 0, .tv_usec = 10'000};
    t.set_raw(server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    t.set(server, SOL_SOCKET, SO_PEEK_OFF, 100);
    t.send(client, "abc");
    t.recv_plain(server, 10, MSG_PEEK);  // beyond what waits
    t.send(client, std::string(200, 'x'));
    t.recv_plain(server, 10, MSG_PEEK);
    const timeval ever{};
    t.set_raw(client, SOL_SOCKET, SO_RCVTIMEO, &ever, sizeof(ever));
    t.shutdown(client, SHUT_RD);
    t.recv_plain(client, 10);
    t.recv_plain(client, 10, MSG_PEEK);
    t.recv_plain(client, 10, MSG_DONTWAIT);
    t.recv(client, 10);
    t.recv_control(client, 10);
    t.recv_from(client, 10);
    t.readv(client, {2, 3});
  });
}

TEST_CASE("SO_PEEK_OFF of a stream", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const auto look = [&](std::size_t size, int flags = 0) {
      t.recv(all.server, size, MSG_PEEK | MSG_DONTWAIT | flags);
      t.get(all.server, SOL_SOCKET, SO_PEEK_OFF);
    };
    const auto read = [&](std::size_t size, int flags = 0) {
      t.recv(all.server, size, MSG_DONTWAIT | flags);
      t.get(all.server, SOL_SOCKET, SO_PEEK_OFF);
    };
    t.send(all.client, "0123456789");
    t.await(all.server, POLLIN);
    t.set(all.server, SOL_SOCKET, SO_PEEK_OFF, 0);
    look(2);
    look(3, MSG_TRUNC);
    look(0);
    look(20);
    look(1);
    t.poll(all.server);
    read(4);
    look(1);
    t.send(all.client, "ab");
    t.await(all.server, POLLIN);
    look(3);
    read(3, MSG_TRUNC);
    t.set(all.server, SOL_SOCKET, SO_PEEK_OFF, 2);
    look(2);
    read(1);
    t.set(all.server, SOL_SOCKET, SO_PEEK_OFF, 1000);
    look(1);
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    look(1);
    read(100);
    read(1);
  });
}

TEST_CASE("SO_PEEK_OFF and an urgent octet", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.set(all.server, SOL_SOCKET, SO_PEEK_OFF, 0);
    t.send(all.client, "abc", MSG_OOB);
    t.send(all.client, "def");
    t.await(all.server, POLLIN);
    for (int i = 0; i < 4; ++i) {
      t.recv(all.server, i == 0 ? 1 : 10, MSG_PEEK | MSG_DONTWAIT);
      t.get(all.server, SOL_SOCKET, SO_PEEK_OFF);
    }
    t.recv(all.server, 1, MSG_OOB);
    t.get(all.server, SOL_SOCKET, SO_PEEK_OFF);
    t.recv(all.server, 10, MSG_DONTWAIT);
    t.recv(all.server, 10, MSG_DONTWAIT);
    t.get(all.server, SOL_SOCKET, SO_PEEK_OFF);
  });
}

namespace {
/// Fills a socket's buffer and reads it again. How many of `sent` are lost.
int overflow(Transcript& t, int client, int server, const Place& place, int sent) {
  for (int i = 0; i < sent; ++i) (void)t.calls().sendto(client, "x", 1, 0, nullptr, 0);
  int read = 0;
  std::array<char, 2000> bytes{};
  while (t.calls().recv(server, bytes.data(), bytes.size(), MSG_DONTWAIT) >= 0) ++read;
  t.say(read > 0 && read < sent ? "some are lost" : "none or all are lost");
  t.send_to(client, "y", place);
  t.await(server, POLLIN);
  return sent - read;
}

void tell_overflow(Transcript& t, int server, int lost) {
  tapir::test::MessageRoom room{2000};
  const auto count = t.calls().recvmsg(server, &room.header, 0);
  t.say("recvmsg " + std::to_string(count));
  tapir::test::for_each_control(room.header, [&](const cmsghdr& control) {
    const bool right = tapir::test::control_data<std::uint32_t>(control) == static_cast<std::uint32_t>(lost);
    t.say("  type " + std::to_string(control.cmsg_type) + " in " + std::to_string(control.cmsg_len) + (right ? ": right" : ""));
  });
}
}  // namespace

TEST_CASE("SO_RXQ_OVFL tells of what was lost", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      t.get(fd, SOL_SOCKET, SO_RXQ_OVFL);
      t.set(fd, SOL_SOCKET, SO_RXQ_OVFL, 7);
      t.get(fd, SOL_SOCKET, SO_RXQ_OVFL);
    }
    const int server = t.far_datagram();
    t.bind(server);
    const auto place = t.place_of(server);
    t.set(server, SOL_SOCKET, SO_RXQ_OVFL, 1);
    t.set(server, SOL_SOCKET, SO_RCVBUF, 4000);
    const int client = t.datagram();
    t.connect(client, place);
    t.send(client, "x");
    tell_overflow(t, server, 0);
    const int lost = overflow(t, client, server, place, 50);
    t.set(server, IPPROTO_IP, IP_RECVTTL, 1);
    t.set(server, SOL_SOCKET, SO_TIMESTAMP, 1);
    tell_overflow(t, server, lost);
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    t.get_raw(server, SOL_SOCKET, SO_MEMINFO, memory.data(), sizeof(memory));
    t.say(memory[SK_MEMINFO_DROPS] == static_cast<std::uint32_t>(lost) ? "SO_MEMINFO says so, too" : "SO_MEMINFO says another thing");
    t.set(server, SOL_SOCKET, SO_RXQ_OVFL, 0);
    t.send(client, "x");
    tell_overflow(t, server, lost);
  });
}

TEST_CASE("SO_RXQ_OVFL of a socket that gives its port back", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int client = t.datagram();
    t.bind(client);
    const int server = t.far_datagram();
    t.connect(server, t.place_of(client));
    t.set(server, SOL_SOCKET, SO_RXQ_OVFL, 1);
    t.set(server, SOL_SOCKET, SO_RCVBUF, 4000);
    t.connect(client, t.place_of(server));
    const int lost = overflow(t, client, server, t.place_of(server), 50);
    t.disconnect(server);
    const auto dropped = [&] {
      std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
      t.get_raw(server, SOL_SOCKET, SO_MEMINFO, memory.data(), sizeof(memory));
      t.say(memory[SK_MEMINFO_DROPS] == static_cast<std::uint32_t>(lost) ? "so many" : "another number");
    };
    dropped();
    tell_overflow(t, server, lost);
    t.connect(server, t.place_of(client));
    dropped();
    t.send_to(client, "z", t.place_of(server));
    t.await(server, POLLIN);
    tell_overflow(t, server, lost);
  });
}

TEST_CASE("SO_COOKIE is a number of the socket's own", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    std::uint64_t former = 0;
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      std::uint64_t cookie = 0;
      t.get_raw(fd, SOL_SOCKET, SO_COOKIE, &cookie, sizeof(cookie));
      t.say(cookie == 0 ? "none" : cookie == former ? "another's" : "its own");
      former = cookie;
      std::array<std::uint64_t, 2> again{};
      t.get_raw(fd, SOL_SOCKET, SO_COOKIE, again.data(), sizeof(again));
      t.say(again[0] == cookie ? "the same" : "another");
      for (const socklen_t size : {socklen_t{0}, socklen_t{4}, socklen_t{7}}) t.get_raw(fd, SOL_SOCKET, SO_COOKIE, again.data(), size);
      t.set(fd, SOL_SOCKET, SO_COOKIE, 1);
    }
  });
}

TEST_CASE("an option that is not set, with too few bytes", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      for (const int level : {int{SOL_SOCKET}, int{IPPROTO_IP}, int{IPPROTO_TCP}, int{IPPROTO_UDP}, int{SOL_RAW}}) {
        t.set(fd, level, 9999, 1, 3);
        t.set(fd, level, 9999, 1);
      }
      for (const int name : {SO_ERROR, SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_ACCEPTCONN, SO_SNDLOWAT, SO_COOKIE, SO_MEMINFO}) {
        t.set(fd, SOL_SOCKET, name, 1, 3);
      }
    }
  });
}
