// Control messages that do not fit, and those of calls that take several steps: each body runs over the kernel's sockets and over ours, and both must tell the
// same.
#include <catch2/catch.hpp>

#include <cerrno>
#include <cstring>
#include <string>

#include "message_room.hpp"
#include "timed_sockets.hpp"

using tapir::test::Clock;
using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

namespace {
/// recvmsg() with `room` bytes for control messages: how much of each came.
void recv_within(Transcript& t, int fd, std::size_t room, int flags = 0) {
  tapir::test::MessageRoom message{10, room};
  const ssize_t count = t.calls().recvmsg(fd, &message.header, flags);
  if (count < 0) return t.say(::strerrorname_np(errno));
  t.say(std::to_string(room) + " bytes of room: " + std::to_string(count) + ", flags " + std::to_string(message.header.msg_flags) +
        ", used " + std::to_string(message.header.msg_controllen));
  tapir::test::for_each_control(message.header, [&t](const cmsghdr& control) {
    t.say("  level " + std::to_string(control.cmsg_level) + " type " + std::to_string(control.cmsg_type) + " length " +
          std::to_string(control.cmsg_len));
  });
}

constexpr std::size_t kMostRoom = 120;
}  // namespace

TEST_CASE("control messages of a datagram are cut to the room there is", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.bind(fd);
    t.set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.set(fd, IPPROTO_IP, IP_RECVTTL, 1);
    t.set(fd, IPPROTO_IP, IP_RECVTOS, 1);
    t.set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    const int from = t.far_datagram();
    t.connect(from, t.place_of(fd));
    for (std::size_t room = 0; room <= kMostRoom; room += room < 40 ? 1 : 4) {
      (void)t.calls().send(from, "x", 1, 0);
      t.await(fd, POLLIN);
      recv_within(t, fd, room);
    }
  });
}

TEST_CASE("control messages of a stream are cut to the room there is", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const auto all = t.linked();
    t.set(all.server, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.set(all.server, IPPROTO_TCP, TCP_INQ, 1);
    t.send(all.client, "words");
    t.await(all.server, POLLIN);
    for (std::size_t room = 0; room <= 64; ++room) recv_within(t, all.server, room, MSG_PEEK);
    recv_within(t, all.server, 0);
  });
}

TEST_CASE("an error is cut to the room there is", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    for (const std::size_t room : {0U, 15U, 16U, 17U, 31U, 32U, 40U, 47U, 48U, 64U}) {
      t.send_to(fd, "lost", {t.address_of(Host::far), 9});
      t.await(fd, POLLERR);
      recv_within(t, fd, room, MSG_ERRQUEUE);
    }
  });
}

TEST_CASE("MSG_WAITALL tells when the last octet of all came", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    for (const int inquiry : {0, 1}) {
      const auto all = t.linked();
      t.set(all.server, SOL_SOCKET, SO_TIMESTAMP, 1);
      t.set(all.server, IPPROTO_TCP, TCP_INQ, inquiry);
      t.set(all.client, IPPROTO_TCP, TCP_NODELAY, 1);
      for (int i = 0; i < 3; ++i) t.send(all.client, "words");
      t.await(all.server, POLLIN);
      t.recv_control(all.server, 10, MSG_WAITALL);
      t.shutdown(all.client, SHUT_WR);
      t.await(all.server, POLLRDHUP);
      t.recv_control(all.server, 10, MSG_WAITALL);  // five, and the end
      t.recv_control(all.server, 10, MSG_WAITALL);
    }
    const int fd = t.datagram();
    t.bind(fd);
    t.set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.send_to(t.far_datagram(), "words", t.place_of(fd));
    t.recv_control(fd, 10, MSG_WAITALL);
  });
}

namespace {
struct Choice {
  int level;
  int name;
  int value;
};
constexpr Choice kInherited[] = {{IPPROTO_IP, IP_TOS, 0x20},  // first: on Linux it sets SO_PRIORITY, too
                                 {SOL_SOCKET, SO_TIMESTAMP, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},    {SOL_SOCKET, SO_OOBINLINE, 1},
                                 {SOL_SOCKET, SO_RCVLOWAT, 3},     {SOL_SOCKET, SO_REUSEADDR, 1},    {SOL_SOCKET, SO_ZEROCOPY, 1},
                                 {SOL_SOCKET, SO_PRIORITY, 3},     {IPPROTO_IP, IP_TTL, 9},          {IPPROTO_IP, IP_MINTTL, 3},
                                 {IPPROTO_IP, IP_RECVERR, 1},      {IPPROTO_IP, IP_MTU_DISCOVER, 0}, {IPPROTO_TCP, TCP_NODELAY, 1},
                                 {IPPROTO_TCP, TCP_CORK, 1},       {IPPROTO_TCP, TCP_INQ, 1},        {IPPROTO_TCP, TCP_KEEPIDLE, 77},
                                 {IPPROTO_TCP, TCP_KEEPINTVL, 77}, {IPPROTO_TCP, TCP_KEEPCNT, 7},    {IPPROTO_TCP, TCP_USER_TIMEOUT, 7777},
                                 {IPPROTO_TCP, TCP_SYNCNT, 3},     {IPPROTO_TCP, TCP_LINGER2, 9},    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 7}};

void get_all(Transcript& t, int fd) {
  for (const Choice& choice : kInherited) t.get(fd, choice.level, choice.name);
}
}  // namespace

TEST_CASE("a connection has the options that its listener had when it came", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int listener = t.far_stream();
    t.bind(listener);
    t.listen(listener);
    const Place place = t.place_of(listener);
    const int first = t.stream();
    t.connect(first, place);
    t.await(listener, POLLIN);
    for (const Choice& choice : kInherited) t.set(listener, choice.level, choice.name, choice.value);
    t.set(listener, SOL_SOCKET, SO_TIMESTAMP, 0);
    t.set(listener, SOL_SOCKET, SO_TIMESTAMP, 1);
    const int second = t.stream();
    t.connect(second, place);
    t.connect(t.stream(), place);
    t.set(listener, IPPROTO_IP, IP_TTL, 10);
    t.connect(t.stream(), place);
    const int early = t.accept(listener);
    const int late = t.accept(listener);
    get_all(t, early);
    get_all(t, late);
    get_all(t, t.accept(listener));
    get_all(t, t.accept(listener));
    get_all(t, listener);
    t.send(first, "words");
    t.send(second, "words");
    t.await(early, POLLIN);
    t.await(late, POLLIN);
    t.recv_control(early, 5);
    t.recv_control(late, 5);
    t.set(early, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.send(first, "words");
    t.await(early, POLLIN);
    t.recv_control(early, 5);
  });
}

TEST_CASE("a listener that listens anew has no heirs of before", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream();
    t.bind(listener);
    t.listen(listener);
    t.connect(t.stream(), t.place_of(listener));
    t.await(listener, POLLIN);
    t.set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    t.disconnect(listener);
    t.listen(listener);
    t.connect(t.stream(), t.place_of(listener));
    t.get(t.accept(listener), IPPROTO_TCP, TCP_NODELAY);
  });
}
