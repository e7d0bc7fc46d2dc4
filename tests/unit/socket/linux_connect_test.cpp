// How stream sockets are named, listen and connect: each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include "same_as_linux.hpp"

using tapir::test::same_as_linux;
using tapir::test::Transcript;

TEST_CASE("a stream that was never connected", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream(SOCK_NONBLOCK);
    t.poll(fd);
    t.name_of(fd);
    t.peer_of(fd);
    t.send(fd, "x");
    t.recv(fd, 10);
    t.recv(fd, 10, MSG_OOB);
    t.ioctl(fd, SIOCINQ);
    t.ioctl(fd, SIOCOUTQ);
    t.ioctl(fd, SIOCATMARK);
    t.accept(fd);
    t.shutdown(fd, SHUT_WR);
    t.poll(fd);
    t.shutdown(fd, SHUT_RD);
    t.recv(fd, 10);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.shutdown(fd, 3);
    t.close(fd);
    t.close(fd);
  });
}

TEST_CASE("sockets that there are not", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    t.socket(SOCK_STREAM, IPPROTO_UDP);
    t.socket(SOCK_DGRAM, IPPROTO_TCP);
    t.socket(SOCK_STREAM, 0, -1);
    t.socket(SOCK_STREAM, 0, 1000);
    t.socket(77);
    t.socket(SOCK_STREAM, -1);
    t.socket(SOCK_STREAM, 100000);
    t.socket(SOCK_SEQPACKET);
    t.socket(SOCK_STREAM, IPPROTO_TCP);
    t.bind(-1);
    t.send(999999, "x");
    t.recv(-1, 1);
    t.poll(-1);
    t.poll(999999);
    const int epoll = t.epoll();
    t.send(epoll, "x");
    t.read(epoll, 1);
    t.listen(epoll);
    t.get(epoll, SOL_SOCKET, SO_ERROR);
  });
}

TEST_CASE("binding", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    sockaddr_in in{};
    in.sin_family = AF_INET;
    t.bind_raw(fd, reinterpret_cast<const sockaddr*>(&in), sizeof(in) - 1);
    in.sin_family = AF_INET6;
    t.bind_raw(fd, reinterpret_cast<const sockaddr*>(&in), sizeof(in));
    in.sin_family = AF_UNSPEC;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    t.bind_raw(fd, reinterpret_cast<const sockaddr*>(&in), sizeof(in));
    t.bind_raw(fd, nullptr, sizeof(in));
    t.bind(fd, {.address = 0xc6336401});  // 198.51.100.1 is nobody here
    t.name_of(fd);
    t.bind(fd);
    t.name_of(fd);
    t.bind(fd);
    const auto place = t.place_of(fd);
    const int same = t.stream();
    t.bind(same, place);
    t.bind(same, {INADDR_ANY, place.port});
    t.bind(same, {INADDR_LOOPBACK + 1, place.port});
    const int unspecified = t.stream();
    in.sin_addr.s_addr = htonl(INADDR_ANY);
    t.bind_raw(unspecified, reinterpret_cast<const sockaddr*>(&in), sizeof(in));
  });
}

TEST_CASE("sharing a port", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int first = t.stream();
    t.set(first, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(first);
    const auto place = t.place_of(first);
    const int second = t.stream();
    t.bind(second, place);
    t.set(second, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(second, place);
    t.listen(first);
    t.listen(second);
    const int third = t.stream();
    t.set(third, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(third, place);
    t.close(first);
    t.bind(third, place);
    t.listen(second);
  });
}

TEST_CASE("a socket that connects to itself", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    t.bind(fd);
    t.connect(fd, t.place_of(fd));
    t.name_of(fd);
    t.peer_of(fd);
    t.poll(fd);
    t.connect(fd, t.place_of(fd));
    t.send(fd, "to myself");
    t.recv(fd, 20);
    t.send(fd, "the last");
    t.shutdown(fd, SHUT_WR);
    t.await(fd, POLLRDHUP);
    t.poll(fd);
    t.recv(fd, 20);
    t.recv(fd, 20);
    t.send(fd, "x");
    t.close(fd);
    const int waiting = t.stream(SOCK_NONBLOCK);
    t.bind(waiting);
    t.connect(waiting, t.place_of(waiting));
    t.await(waiting, POLLOUT);
    t.get(waiting, SOL_SOCKET, SO_ERROR);
    t.close(waiting);
  });
}

TEST_CASE("a port whose connection lingers", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    auto all = t.linked();
    t.close(all.listener);
    t.shutdown(all.server, SHUT_WR);
    t.await(all.client, POLLRDHUP);
    t.close(all.client);
    t.await(all.server, POLLRDHUP);
    t.recv(all.server, 1);
    t.close(all.server);  // TIME-WAIT holds the port
    const int again = t.stream();
    t.bind(again, all.place);
    t.set(again, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(again, all.place);
    t.listen(again);
  });
}

TEST_CASE("nobody listens", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int holder = t.far_stream();
    t.bind(holder);
    const auto place = t.place_of(holder);
    const int blocking = t.stream();
    t.connect(blocking, place);
    t.get(blocking, SOL_SOCKET, SO_ERROR);
    t.poll(blocking);
    t.connect(blocking, place);
    const int fd = t.stream(SOCK_NONBLOCK);
    t.connect(fd, place);
    t.await(fd, POLLOUT);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.connect(fd, place);
    t.peer_of(fd);
    const int other = t.stream(SOCK_NONBLOCK);
    t.connect(other, place);
    t.await(other, POLLOUT);
    t.send(other, "x");
    t.send(other, "x");
    t.recv(other, 1);
    const int third = t.stream(SOCK_NONBLOCK);
    t.connect(third, place);
    t.await(third, POLLOUT);
    t.connect(third, place);
    t.connect(third, place);
  });
}

TEST_CASE("connecting", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.bind(listener);
    t.poll(listener);
    t.listen(listener);
    t.poll(listener);
    t.accept(listener);
    const auto place = t.place_of(listener);
    t.connect(listener, place);
    t.send(listener, "x");
    t.recv(listener, 1);
    t.ioctl(listener, SIOCINQ);
    t.ioctl(listener, SIOCOUTQ);
    t.peer_of(listener);
    t.get(listener, SOL_SOCKET, SO_ACCEPTCONN);
    const int fd = t.stream(SOCK_NONBLOCK);
    t.get(fd, SOL_SOCKET, SO_ACCEPTCONN);
    sockaddr_in in{};
    in.sin_family = AF_INET6;
    t.connect_raw(fd, reinterpret_cast<const sockaddr*>(&in), sizeof(in));
    in.sin_family = AF_INET;
    t.connect_raw(fd, reinterpret_cast<const sockaddr*>(&in), 4);
    t.connect_raw(fd, reinterpret_cast<const sockaddr*>(&in), 1);
    t.connect_raw(fd, nullptr, sizeof(in));
    t.connect(fd, {INADDR_BROADCAST, place.port});
    t.connect(fd, {0xe0000001, place.port});
    t.connect(fd, place);
    t.await(fd, POLLOUT);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.connect(fd, place);
    t.connect(fd, place);
    t.listen(fd);
    t.bind(fd);
    t.name_of(fd);
    t.peer_of(fd);
    t.await(listener, POLLIN);
    t.poll(listener);
    t.accept(listener, 1);
    t.accept(listener, SOCK_NONBLOCK | SOCK_CLOEXEC);
    t.poll(listener);
    const int anywhere = t.far_stream();  // this host is the listener's, too
    t.connect(anywhere, {INADDR_ANY, place.port});
    t.peer_of(anywhere);
    t.accept(listener);
  });
}

TEST_CASE("what an accepted connection inherits", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream();
    t.set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    t.set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    t.set(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    t.set(listener, IPPROTO_IP, IP_TTL, 9);
    t.set(listener, SOL_SOCKET, SO_RCVBUF, 20000);
    const linger on{.l_onoff = 1, .l_linger = 5};
    t.set_raw(listener, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    t.bind(listener);
    t.listen(listener);
    t.control(listener, F_SETFL, O_NONBLOCK);
    const int client = t.stream();
    t.connect(client, t.place_of(listener));
    t.await(listener, POLLIN);
    const int server = t.accept(listener);
    t.get(server, SOL_SOCKET, SO_KEEPALIVE);
    t.get(server, IPPROTO_TCP, TCP_NODELAY);
    t.get(server, IPPROTO_TCP, TCP_KEEPIDLE);
    t.get(server, IPPROTO_IP, IP_TTL);
    t.get(server, SOL_SOCKET, SO_RCVBUF);
    t.control(server, F_GETFL);
    t.control(server, F_GETFD);
    linger got{};
    t.get_raw(server, SOL_SOCKET, SO_LINGER, &got, sizeof(got));
    t.say(std::to_string(got.l_onoff) + " " + std::to_string(got.l_linger));
    t.poll(server);
  });
}

TEST_CASE("a listener that is shut", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.bind(listener);
    t.listen(listener);
    t.shutdown(listener, SHUT_WR);
    t.poll(listener);
    t.shutdown(listener, SHUT_RD);
    t.poll(listener);
    t.accept(listener);
    t.listen(listener);
    t.listen(listener, 3);
    t.listen(listener, -1);
    t.accept(listener);
  });
}

TEST_CASE("AF_UNSPEC ends a connection, and the socket connects again", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.disconnect(all.client);
    t.name_of(all.client);
    t.poll(all.client);
    t.peer_of(all.client);
    t.get(all.client, SOL_SOCKET, SO_ERROR);
    t.poll(all.client);
    t.recv(all.client, 1, MSG_DONTWAIT);
    t.send(all.client, "x");
    t.await(all.server, POLLHUP);
    t.poll(all.server);
    t.recv(all.server, 1);
    t.connect(all.client, all.place);
    const int server = t.accept(all.listener);
    t.send(all.client, "again");
    t.recv(server, 10);
    const int fresh = t.stream();
    t.disconnect(fresh);
    t.disconnect(all.listener);
    t.poll(all.listener);
    t.name_of(all.listener);
  });
}
