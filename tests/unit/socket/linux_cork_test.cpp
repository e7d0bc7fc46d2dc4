// Several sends that are one datagram, and one that is several (man 7 udp), against the kernel's.
#include <catch2/catch.hpp>

#include <netinet/udp.h>

#include <cstdint>
#include <string>

#include "same_as_linux.hpp"
#include "send_control.hpp"
#include "socket_address.hpp"

using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::same_as_linux_on;
using tapir::test::send_with;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {
constexpr int kSegment = 103;  // UDP_SEGMENT

/// A socket that receives, one that sends.
struct Ends {
  explicit Ends(Transcript& t) : receiver{t.far_datagram(SOCK_NONBLOCK)}, sender{t.datagram()} {
    t.bind(receiver);
    place = t.place_of(receiver);
  }
  int receiver;
  int sender;
  Place place;
};

/// Tells of all datagrams that wait.
void drain(Transcript& t, int fd) {
  while (t.recv(fd, 2000) >= 0) {}
}
}  // namespace

TEST_CASE("options of IPPROTO_UDP", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram();
    for (const int name : {UDP_CORK, kSegment}) {
      t.get(fd, IPPROTO_UDP, name);
      for (const int value : {-1, 0, 1, 7, 65535, 65536, 0}) {
        t.set(fd, IPPROTO_UDP, name, value);
        t.get(fd, IPPROTO_UDP, name);
      }
      t.set(fd, IPPROTO_UDP, name, 1, 3);
      char byte = 'x';
      t.get_raw(fd, IPPROTO_UDP, name, &byte, 1);
      for (const int other : {t.stream(), t.raw()}) {
        t.set(other, IPPROTO_UDP, name, 1);
        t.get(other, IPPROTO_UDP, name);
      }
    }
    t.set(fd, IPPROTO_UDP, 9999, 1);
    t.set(fd, IPPROTO_UDP, 9999, 1, 3);
    t.get(fd, IPPROTO_UDP, 9999);
  });
}

TEST_CASE("UDP_CORK gathers until it is taken back", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 1);
    t.send_to(ends.sender, "ab", ends.place);
    t.send_to(ends.sender, "cd", {ends.place.address, 9});  // the first says where
    t.send(ends.sender, "ef");
    t.send_to(ends.sender, "gh", ends.place, MSG_MORE);
    drain(t, ends.receiver);
    t.poll(ends.sender);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 0);
    drain(t, ends.receiver);
    t.send(ends.sender, "nowhere");
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 0);  // there is nothing
    t.send_to(ends.sender, "more", ends.place, MSG_MORE);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 0);  // ends what MSG_MORE has begun, too
    drain(t, ends.receiver);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 1);
    t.send_to(ends.sender, "", ends.place);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 0);
    drain(t, ends.receiver);
    t.connect(ends.sender, ends.place);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 1);
    t.send(ends.sender, "never");
    t.close(ends.sender);
    drain(t, ends.receiver);
  });
}

TEST_CASE("what is gathered and does not fit is gone", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    t.set(ends.sender, IPPROTO_IP, IP_RECVERR, 1);
    t.send_to(ends.sender, std::string(60'000, 'x'), ends.place, MSG_MORE);
    t.send_to(ends.sender, std::string(6'000, 'x'), ends.place, MSG_MORE);
    t.recv_error(ends.sender);
    t.send_to(ends.sender, "z", ends.place);
    drain(t, ends.receiver);
    t.send_to(ends.sender, std::string(65'508, 'x'), ends.place, MSG_MORE);
    t.recv_error(ends.sender);
    t.send_to(ends.sender, "ab", ends.place, MSG_MORE);
    t.send_to(ends.sender, "c", ends.place, MSG_OOB);
    t.send_to(ends.sender, std::string(66'000, 'x'), ends.place, MSG_MORE);
    t.send_to(ends.sender, "d", ends.place);
    drain(t, ends.receiver);
    t.send_to(ends.sender, "no way there", {0xc6336401, 9}, MSG_MORE);  // 198.51.100.1
    t.send_to(ends.sender, "e", ends.place);
    drain(t, ends.receiver);
    t.send_to(ends.sender, "f", ends.place, MSG_MORE);
    t.shutdown(ends.sender, SHUT_WR);
    t.send_to(ends.sender, "g", ends.place);
    t.send_to(ends.sender, "h", ends.place);
    drain(t, ends.receiver);
  });
}

TEST_CASE("what is gathered outlasts a disconnect", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    t.connect(ends.sender, ends.place);
    t.send(ends.sender, "ab", MSG_MORE);
    t.disconnect(ends.sender);
    t.send_to(ends.sender, "cd", ends.place);
    drain(t, ends.receiver);
    t.connect(ends.sender, ends.place);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 1);
    t.send(ends.sender, "ef");
    t.disconnect(ends.sender);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 0);
    drain(t, ends.receiver);
    t.send(ends.sender, "nowhere");
  });
}

TEST_CASE("MSG_ZEROCOPY of what is gathered, and of what is gone", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    t.set(ends.sender, SOL_SOCKET, SO_ZEROCOPY, 1);
    const auto told = [&] {
      drain(t, ends.receiver);
      while (t.recv_error(ends.sender) >= 0) {}
    };
    t.send_to(ends.sender, "ab", ends.place, MSG_MORE | MSG_ZEROCOPY);
    t.send_to(ends.sender, std::string(65'506, 'x'), ends.place, MSG_ZEROCOPY);
    told();
    t.send_to(ends.sender, "c", ends.place, MSG_ZEROCOPY);
    told();
    t.send_to(ends.sender, "d", ends.place, MSG_MORE | MSG_ZEROCOPY);
    t.send_to(ends.sender, "", ends.place, MSG_ZEROCOPY);
    told();
    t.send_to(ends.sender, "e", ends.place, MSG_ZEROCOPY);
    told();
    t.set(ends.sender, IPPROTO_UDP, kSegment, 3000);  // more than leaves whole on Ethernet
    t.send_to(ends.sender, std::string(4000, 'x'), ends.place, MSG_MORE);
    t.send_to(ends.sender, "f", ends.place);
    while (t.recv_plain(ends.receiver, 0, MSG_TRUNC) >= 0) {}
    t.set(ends.sender, IPPROTO_UDP, kSegment, 0);
    t.send_to(ends.sender, "g", ends.place, MSG_ZEROCOPY);
    told();
  });
}

TEST_CASE("a datagram that must not be cut grows no longer than its way takes", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const Ends ends{t};
    for (const int first : {IP_PMTUDISC_DO, IP_PMTUDISC_WANT}) {
      for (const int then : {IP_PMTUDISC_DO, IP_PMTUDISC_WANT}) {
        for (const std::size_t size : {472, 473}) {
          t.set(ends.sender, IPPROTO_IP, IP_MTU_DISCOVER, first);
          t.send_to(ends.sender, std::string(1000, 'x'), ends.place, MSG_MORE);
          t.send_to(ends.sender, std::string(size, 'y'), ends.place, MSG_MORE);
          t.set(ends.sender, IPPROTO_IP, IP_MTU_DISCOVER, then);
          t.send_to(ends.sender, "", ends.place);
          while (t.recv_plain(ends.receiver, 0, MSG_TRUNC) >= 0) {}
        }
      }
    }
  });
}

TEST_CASE("what a send without effect is told first", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    t.send(ends.sender, "x");
    t.name_of(ends.sender);  // it has a port now
    const int fd = t.datagram();
    t.shutdown(fd, SHUT_WR);
    t.send(fd, "x");
    t.send_to(fd, "x", {ends.place.address, 0});
    t.send_to(fd, "x", ends.place);
    t.send_to(fd, "x", ends.place, MSG_OOB);
    t.send_to(fd, "x", ends.place, MSG_MORE);
    t.send_to(fd, std::string(65'508, 'x'), ends.place);
    t.send_to(fd, "x", {0xc6336401, 9}, MSG_MORE);
  });
}

TEST_CASE("UDP_SEGMENT cuts a message into datagrams", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    const std::string ten = "0123456789";
    for (const int segment : {1, 3, 5, 10, 11, 1400}) {
      t.set(ends.sender, IPPROTO_UDP, kSegment, segment);
      t.send_to(ends.sender, ten, ends.place);
      drain(t, ends.receiver);
    }
    t.set(ends.sender, IPPROTO_UDP, kSegment, 4);
    t.send_to(ends.sender, "", ends.place);
    t.send_to(ends.sender, std::string(64 * 4, 'x'), ends.place);
    drain(t, ends.receiver);
    t.send_to(ends.sender, std::string(128 * 4 + 1, 'x'), ends.place);
    t.connect(ends.sender, ends.place);
    t.send(ends.sender, "abcd", MSG_MORE);
    t.set(ends.sender, IPPROTO_UDP, kSegment, 2);  // too late for what has begun
    t.send(ends.sender, "efg");
    drain(t, ends.receiver);
    t.set(ends.sender, SOL_SOCKET, SO_NO_CHECK, 1);
    t.send(ends.sender, ten);
    t.send(ends.sender, "x");
    t.set(ends.sender, IPPROTO_UDP, kSegment, 0);
    t.send(ends.sender, ten);
    drain(t, ends.receiver);
  });
}

TEST_CASE("UDP_SEGMENT of one message", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    const sockaddr_in to = tapir::test::socket_address(ends.place.address, ends.place.port);
    const auto next = [&](int type, const auto& value) {
      send_with(t, ends.sender, to, IPPROTO_UDP, type, value, CMSG_LEN(sizeof(value)), "0123456789");
      drain(t, ends.receiver);
    };
    next(kSegment, std::uint16_t{4});
    next(kSegment, 4);
    next(kSegment, std::uint8_t{4});
    next(UDP_CORK, 1);
    t.set(ends.sender, IPPROTO_UDP, kSegment, 3);
    next(kSegment, std::uint16_t{6});
    next(kSegment, std::uint16_t{0});
    t.send_to(ends.sender, "0123456789", ends.place);
    drain(t, ends.receiver);
    // To a raw socket and a stream it says nothing.
    const int raw = t.raw();
    send_with(t, raw, to, IPPROTO_UDP, kSegment, std::uint16_t{4}, CMSG_LEN(2), std::string(8, '\x08'));
  });
}

TEST_CASE("each datagram of UDP_SEGMENT leaves whole", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const Ends ends{t};
    for (const int segment : {1472, 1473, 65'535}) {
      t.set(ends.sender, IPPROTO_UDP, kSegment, segment);
      for (const std::size_t size : {1472, 1473, 2944, 3000}) {
        t.send_to(ends.sender, std::string(size, 'x'), ends.place);
        while (t.recv_plain(ends.receiver, 0, MSG_TRUNC) >= 0) {}
      }
    }
  });
}

TEST_CASE("TTL and TOS of what is gathered", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Ends ends{t};
    for (const int name : {IP_RECVTTL, IP_RECVTOS}) t.set(ends.receiver, IPPROTO_IP, name, 1);
    const auto tell = [&] {
      t.recv_control(ends.receiver, 10);
      t.recv_control(ends.receiver, 10);
    };
    t.send_to(ends.sender, "a", ends.place, MSG_MORE);
    t.set(ends.sender, IPPROTO_IP, IP_TTL, 9);
    t.set(ends.sender, IPPROTO_IP, IP_TOS, 0x20);
    t.send_to(ends.sender, "b", ends.place);
    tell();
    t.send_to(ends.sender, "c", ends.place, MSG_MORE);
    t.set(ends.sender, IPPROTO_IP, IP_TTL, -1);
    t.set(ends.sender, IPPROTO_IP, IP_TOS, 0);
    t.set(ends.sender, IPPROTO_UDP, UDP_CORK, 0);
    tell();
  });
}
