// TCP Fast Open against the kernel's (man 7 tcp: MSG_FASTOPEN, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT).
#include <catch2/catch.hpp>

#include <string>

#include "same_as_linux.hpp"

using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

namespace {
/// A listener on the far host that takes data with the SYN, and has given its cookie to the near one.
int known_listener(Transcript& t) {
  const int listener = t.far_stream(SOCK_NONBLOCK);
  t.bind(listener);
  t.set(listener, IPPROTO_TCP, TCP_FASTOPEN, 5);
  t.get(listener, IPPROTO_TCP, TCP_FASTOPEN);
  t.listen(listener);
  const int client = t.stream();
  t.send_to(client, "first", t.place_of(listener), MSG_FASTOPEN);
  t.await(listener, POLLIN);
  const int server = t.accept(listener);
  t.recv(server, 10);
  t.close(client);
  t.close(server);
  return listener;
}
}  // namespace

TEST_CASE("MSG_FASTOPEN with a cookie", "[socket][fastopen][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = known_listener(t);
    const Place place = t.place_of(listener);
    const int fd = t.stream(SOCK_NONBLOCK);
    t.send_to(fd, "hello", place, MSG_FASTOPEN);
    t.await(fd, POLLOUT);
    t.peer_of(fd);
    t.send_to(fd, "hello", place, MSG_FASTOPEN);
    t.send(fd, ", world");
    t.await(listener, POLLIN);
    const int server = t.accept(listener);
    t.recv(server, 12, MSG_WAITALL);
    t.send_to(listener, "x", place, MSG_FASTOPEN);
    t.send_to(t.datagram(), "x", place, MSG_FASTOPEN);
    t.send(t.stream(), "x", MSG_FASTOPEN);
  });
}

TEST_CASE("TCP_FASTOPEN_CONNECT with a cookie", "[socket][fastopen][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = known_listener(t);
    const Place place = t.place_of(listener);
    const int fd = t.stream(SOCK_NONBLOCK);
    t.set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    t.get(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
    t.connect(fd, place);  // nothing leaves before there is something to send
    t.poll(fd);
    t.poll(listener);
    t.peer_of(fd);
    t.send(fd, "hello");
    t.await(listener, POLLIN);
    const int server = t.accept(listener);
    t.recv(server, 10);
    t.connect(fd, place);
    t.send(server, "and back");
    t.recv(fd, 10, MSG_DONTWAIT | MSG_PEEK);
    t.await(fd, POLLIN);
    t.recv(fd, 10);
  });
}

TEST_CASE("MSG_FASTOPEN where nobody listens, and where a listener does not know of it", "[socket][fastopen][linux]") {
  same_as_linux([](Transcript& t) {
    const int holder = t.far_stream();
    t.bind(holder);
    const Place place = t.place_of(holder);
    const int refused = t.stream();
    t.send_to(refused, "hello", place, MSG_FASTOPEN);
    t.get(refused, SOL_SOCKET, SO_ERROR);
    t.listen(holder);
    const int fd = t.stream();
    t.send_to(fd, "hello", place, MSG_FASTOPEN);
    t.recv(t.accept(holder), 10);
    t.set(holder, IPPROTO_TCP, TCP_FASTOPEN, -1);
    t.set(holder, IPPROTO_TCP, TCP_FASTOPEN, 3);
    t.set(fd, IPPROTO_TCP, TCP_FASTOPEN, 3);
    t.set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    t.set(t.stream(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 2);
  });
}
