// epoll against the kernel's.
#include <catch2/catch.hpp>

#include "same_as_linux.hpp"

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
