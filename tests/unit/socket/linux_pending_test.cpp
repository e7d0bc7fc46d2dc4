// Connections that are not there yet, or cannot be: each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::same_as_linux_on;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {
constexpr Place kNobody{.address = 0xc000024d, .port = 7};     // 192.0.2.77: on the link, if anywhere
constexpr Place kSilent{.address = 0xc000024e, .port = 7};     // 192.0.2.78: answers nothing
constexpr Place kElsewhere{.address = 0xcb007101, .port = 7};  // 203.0.113.1: no way there
}  // namespace

TEST_CASE("what a connection under way refuses", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.stream(SOCK_NONBLOCK);
    t.connect(fd, kSilent);
    t.connect(fd, kSilent);
    t.connect(fd, kElsewhere);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.name_of(fd);
    t.peer_of(fd);
    t.send(fd, "x");
    t.send(fd, "x", MSG_OOB);
    t.recv(fd, 1);
    t.recv(fd, 1, MSG_OOB);
    t.recv(fd, 0);
    t.listen(fd);
    t.bind(fd);
    t.accept(fd);
    t.ioctl(fd, SIOCINQ);
    t.ioctl(fd, SIOCOUTQ);
    t.ioctl(fd, SIOCOUTQNSD);
    t.ioctl(fd, SIOCATMARK);
    t.get(fd, SOL_SOCKET, SO_ACCEPTCONN);
    t.shutdown(fd, SHUT_RD);
    t.name_of(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
  });
}

TEST_CASE("nobody is there", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.stream(SOCK_NONBLOCK);
    t.connect(fd, kNobody);
    t.await(fd, POLLOUT);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.peer_of(fd);
    t.connect(fd, kNobody);
    t.await(fd, POLLOUT);
    t.connect(fd, kNobody);
    const int blocking = t.stream();
    t.connect(blocking, kNobody);
    t.get(blocking, SOL_SOCKET, SO_ERROR);
    const int writer = t.stream(SOCK_NONBLOCK);
    t.connect(writer, kNobody);
    t.await(writer, POLLOUT);
    t.send(writer, "x");
    t.send(writer, "x");
    t.recv(writer, 1);
    t.recv(writer, 1);
  });
}

TEST_CASE("no way there", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.stream(SOCK_NONBLOCK), t.datagram(), t.raw()}) {
      t.connect(fd, kElsewhere);
      t.name_of(fd);
      t.peer_of(fd);
      t.poll(fd);
      t.get(fd, SOL_SOCKET, SO_ERROR);
    }
    t.send_to(t.datagram(), "x", kElsewhere);
    t.send_to(t.datagram(), "x", {0xe0000105, 9});  // a group, where there is no way to groups
  });
}

TEST_CASE("SO_SNDTIMEO ends the wait for a connection, not the connection", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.stream();
    const timeval soon{.tv_sec = 0, .tv_usec = 30'000};
    t.set_raw(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
    t.connect(fd, kSilent);
    t.connect(fd, kSilent);
    t.peer_of(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.send(fd, "x");
  });
}

TEST_CASE("giving up a connection under way", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int listener = t.far_stream();
    t.bind(listener);
    t.listen(listener);
    const int fd = t.stream(SOCK_NONBLOCK);
    t.connect(fd, kSilent);
    t.disconnect(fd);
    t.name_of(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.control(fd, F_SETFL, 0);
    t.connect(fd, t.place_of(listener));
    t.send(fd, "after all");
    t.recv(t.accept(listener), 20);
    for (const int how : {SHUT_WR, SHUT_RDWR}) {
      const int other = t.stream(SOCK_NONBLOCK);
      t.connect(other, kSilent);
      t.shutdown(other, how);
      t.poll(other);
      t.get(other, SOL_SOCKET, SO_ERROR);
      t.name_of(other);
      t.send(other, "x");
      t.recv(other, 1);
      t.connect(other, kSilent);
    }
    const int closed = t.stream(SOCK_NONBLOCK);
    t.connect(closed, kSilent);
    t.close(closed);
  });
}

TEST_CASE("a listener whose queue is full answers later", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.bind(listener);
    t.listen(listener, 0);
    const Place place = t.place_of(listener);
    const int first = t.stream();
    t.connect(first, place);
    const int second = t.stream(SOCK_NONBLOCK);
    t.connect(second, place);
    t.connect(second, place);
    t.poll(second);
    t.accept(listener);
    t.await(second, POLLOUT);
    t.poll(second);
    t.get(second, SOL_SOCKET, SO_ERROR);
    t.connect(second, place);
    t.connect(second, place);
    t.await(listener, POLLIN);
    t.accept(listener);
  });
}

TEST_CASE("a connection under way in an epoll", "[socket][epoll][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.stream(SOCK_NONBLOCK);
    const int epoll = t.epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    t.epoll_wait(epoll);
    t.connect(fd, kNobody);
    t.epoll_wait(epoll, 5000);
    t.epoll_wait(epoll);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.epoll_wait(epoll);
    const int silent = t.stream(SOCK_NONBLOCK);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, silent, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    t.epoll_wait(epoll);
    t.connect(silent, kSilent);
    t.epoll_wait(epoll);
  });
}

TEST_CASE("a datagram for nobody on the link", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int plain = t.datagram(SOCK_NONBLOCK);
    const int connected = t.datagram(SOCK_NONBLOCK);
    const int asked = t.datagram(SOCK_NONBLOCK);
    t.set(asked, IPPROTO_IP, IP_RECVERR, 1);
    t.connect(connected, kNobody);
    t.send_to(plain, "x", kNobody);
    t.send(connected, "x");  // to whom the error is no more than a hint
    t.send_to(asked, "lost words", kNobody);
    t.await(asked, POLLERR);
    t.poll(plain);
    t.poll(connected);
    t.get(connected, SOL_SOCKET, SO_ERROR);
    t.recv_error(asked);
    t.recv_error(asked);
  });
}
