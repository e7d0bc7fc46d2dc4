// epoll against the kernel's.
#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <string>

#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

TEST_CASE("level-triggered", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const int epoll = t.far_epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, all.server, EPOLLIN);
    t.epoll_wait(epoll);
    t.poll(epoll);
    t.send(all.client, "ab");
    t.await(all.server, POLLIN);
    t.poll(epoll);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.recv(all.server, 1);
    t.epoll_wait(epoll);
    t.recv(all.server, 1);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, all.server, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, all.server, 0);
    t.epoll_wait(epoll);
    t.close(all.client);
    t.await(all.server, POLLRDHUP);
    t.epoll_wait(epoll);
    t.shutdown(all.server, SHUT_WR);
    t.await(all.server, POLLHUP);
    t.epoll_wait(epoll);
    t.close(all.server);
    t.epoll_wait(epoll);
  });
}

TEST_CASE("edge-triggered", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const int epoll = t.far_epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, all.server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.send(all.client, "ab");
    t.await(all.server, POLLIN);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.recv(all.server, 1);
    t.epoll_wait(epoll);
    t.send(all.client, "more");
    t.await(all.server, POLLIN);
    t.epoll_wait(epoll, 1000);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, all.server, EPOLLIN | EPOLLET);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.recv(all.server, 100);
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.epoll_wait(epoll, 1000);
    t.epoll_wait(epoll);
  });
}

TEST_CASE("one shot", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const int epoll = t.far_epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, all.server, EPOLLIN | EPOLLONESHOT);
    t.send(all.client, "ab");
    t.await(all.server, POLLIN);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.send(all.client, "ab");
    t.await(all.server, POLLIN);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, all.server, EPOLLIN | EPOLLONESHOT);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.close(all.client);
    t.await(all.server, POLLRDHUP);
    t.epoll_wait(epoll);
  });
}

TEST_CASE("a listener and a connection under way in an epoll", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.bind(listener);
    t.listen(listener);
    const int client = t.stream(SOCK_NONBLOCK);
    const int first = t.far_epoll();
    const int second = t.epoll();
    t.epoll_ctl(first, EPOLL_CTL_ADD, listener, EPOLLIN);
    t.epoll_ctl(second, EPOLL_CTL_ADD, client, EPOLLIN | EPOLLOUT);
    t.epoll_wait(second);
    t.connect(client, t.place_of(listener));
    t.epoll_wait(first, 1000);
    t.epoll_wait(second, 1000);
    t.accept(listener);
    t.epoll_wait(first);
  });
}

TEST_CASE("what epoll refuses", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const int epoll = t.epoll();
    const int other = t.epoll();
    const int fd = t.stream();
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, 0);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
    t.epoll_ctl(epoll, 77, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, EPOLLIN);
    t.epoll_ctl(fd, EPOLL_CTL_ADD, epoll, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, -1, EPOLLIN);
    t.epoll_ctl(-1, EPOLL_CTL_ADD, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE);
    t.epoll_ctl(other, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT);
    t.epoll_ctl(other, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE);
    t.epoll_ctl(other, EPOLL_CTL_MOD, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, other, EPOLLIN);
    t.epoll_ctl(other, EPOLL_CTL_ADD, epoll, EPOLLIN);
    t.epoll_wait(epoll);
    t.epoll_wait(fd);
    t.epoll_wait(epoll, 0, 0);
    t.epoll_wait(-1);
    t.close(other);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
  });
}

TEST_CASE("an epoll in an epoll", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const int inner = t.far_epoll();
    const int outer = t.far_epoll();
    t.epoll_ctl(outer, EPOLL_CTL_ADD, inner, EPOLLIN);
    t.epoll_ctl(inner, EPOLL_CTL_ADD, all.server, EPOLLIN);
    t.epoll_wait(outer);
    t.send(all.client, "x");
    t.await(all.server, POLLIN);
    t.epoll_wait(outer);
    t.epoll_wait(inner);
    t.recv(all.server, 1);
    t.epoll_wait(outer);
  });
}

TEST_CASE("what a reset is to those who watch", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const int level = t.epoll();
    const int edge = t.epoll();
    const int shot = t.epoll();
    t.epoll_ctl(level, EPOLL_CTL_ADD, all.client, 0);
    t.epoll_ctl(edge, EPOLL_CTL_ADD, all.client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    t.epoll_ctl(shot, EPOLL_CTL_ADD, all.client, EPOLLONESHOT);
    for (const int epoll : {level, edge, shot}) t.epoll_wait(epoll);
    const linger now{.l_onoff = 1, .l_linger = 0};
    t.set_raw(all.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(all.server);
    for (const int epoll : {level, edge, shot}) {
      t.epoll_wait(epoll, 1000);
      t.epoll_wait(epoll);
    }
    t.get(all.client, SOL_SOCKET, SO_ERROR);
    for (const int epoll : {level, edge, shot}) t.epoll_wait(epoll);
    t.epoll_ctl(shot, EPOLL_CTL_MOD, all.client, EPOLLIN | EPOLLONESHOT);
    t.epoll_wait(shot);
  });
}

TEST_CASE("with little room an epoll tells of all in turn", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const int epoll = t.epoll();
    std::array<int, 3> all{};
    for (int& fd : all) {
      fd = t.datagram();
      t.bind(fd);
    }
    std::uint64_t number = 0;
    for (const int fd : all) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = number++;
      (void)t.calls().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
    const int client = t.far_datagram();
    for (const int fd : {all[1], all[0], all[2]}) {
      t.send_to(client, "x", t.place_of(fd));
      t.await(fd, POLLIN);
    }
    for (int i = 0; i < 4; ++i) t.epoll_wait(epoll, 0, 1);
    t.epoll_wait(epoll, 0, 2);
    t.epoll_wait(epoll, 0, 8);
    t.recv(all[0], 1);
    for (int i = 0; i < 3; ++i) t.epoll_wait(epoll, 0, 1);
  });
}

TEST_CASE("room in a send buffer is an edge", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.control(all.client, F_SETFL, O_NONBLOCK);
    const int epoll = t.epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, all.client, EPOLLOUT | EPOLLET);
    t.epoll_wait(epoll);
    const std::string much(std::size_t{64} * 1024, 'x');
    std::size_t sent = 0;
    while (true) {
      const ssize_t count = t.calls().send(all.client, much.data(), much.size(), 0);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    t.epoll_wait(epoll);
    std::string into(std::size_t{1024} * 1024, '\0');
    for (std::size_t received = 0; received < sent;) {
      const ssize_t count = t.calls().recv(all.server, into.data(), into.size(), 0);
      if (count <= 0) break;
      received += static_cast<std::size_t>(count);
    }
    t.epoll_wait(epoll, 1000);
    t.epoll_wait(epoll);
  });
}

TEST_CASE("epoll_create1() and its flags", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int flags : {0, static_cast<int>(EPOLL_CLOEXEC), EPOLL_CLOEXEC | O_NONBLOCK, 1}) {
      const int epoll = t.calls().epoll_create1(Host::near, flags);
      t.say(epoll >= 0 ? "a descriptor" : "none");
      if (epoll < 0) continue;
      t.control(epoll, F_GETFD);
      t.control(epoll, F_GETFL);
      t.name_of(epoll);
      t.shutdown(epoll, SHUT_WR);
      t.accept(epoll);
      t.write(epoll, "x");
      t.set(epoll, SOL_SOCKET, SO_KEEPALIVE, 1);
      t.close(epoll);
    }
  });
}
