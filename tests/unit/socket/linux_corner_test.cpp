// Corners of the calls: addresses too short, messages in pieces, flags that say nothing. Each against the kernel's.
#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <string>

#include "same_as_linux.hpp"
#include "socket_address.hpp"

using tapir::test::generic;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

namespace {
sockaddr_in socket_address(const Place& place) { return tapir::test::socket_address(place.address, place.port); }

/// Tells what a call came to.
long tell(Transcript& t, const std::string& call, long result) {
  t.say(call + ": " + std::to_string(result) + (result < 0 ? std::string{" "} + std::strerror(errno) : std::string{}));
  return result;
}
iovec part_of(std::string& text) { return {.iov_base = text.data(), .iov_len = text.size()}; }
}  // namespace

TEST_CASE("an address that finds little room is cut", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    for (const socklen_t room : {socklen_t{0}, socklen_t{2}, socklen_t{8}, socklen_t{16}, socklen_t{100}}) {
      socklen_t size = room;
      std::array<unsigned char, 128> bytes{};
      tell(t, "getsockname", t.calls().getsockname(all.client, reinterpret_cast<sockaddr*>(bytes.data()), &size));
      t.say(std::to_string(size) + " " + std::to_string(bytes[0]) + " " + std::to_string(bytes[4]));
      size = room;
      bytes = {};
      tell(t, "getpeername", t.calls().getpeername(all.client, reinterpret_cast<sockaddr*>(bytes.data()), &size));
      t.say(std::to_string(size) + " " + std::to_string(bytes[0]) + " " + std::to_string(bytes[4]));
    }
    sockaddr_in in{};
    socklen_t size = static_cast<socklen_t>(-1);
    tell(t, "getsockname", t.calls().getsockname(all.client, generic(in), &size));
    const int client = t.stream();
    t.connect(client, all.place);
    size = 4;
    in.sin_addr.s_addr = 0x55;
    tell(t, "accept", t.calls().accept4(all.listener, generic(in), &size, 0) >= 0 ? 0 : -1);
    t.say(std::to_string(size) + " " + std::to_string(in.sin_addr.s_addr));
    t.connect(t.stream(), all.place);
    tell(t, "accept without an address", t.calls().accept4(all.listener, nullptr, nullptr, 0) >= 0 ? 0 : -1);
    t.connect(t.stream(), all.place);
    tell(t, "accept with odd flags", t.calls().accept4(all.listener, nullptr, nullptr, 0x10) >= 0 ? 0 : -1);
    tell(t, "accept", t.calls().accept4(all.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK) >= 0 ? 0 : -1);
  });
}

TEST_CASE("addresses that connect refuses", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream();
    t.bind(listener);
    t.listen(listener);
    const sockaddr_in good = socket_address(t.place_of(listener));
    for (const int fd : {t.stream(), t.datagram()}) {
      for (const socklen_t size : {socklen_t{0}, socklen_t{1}, socklen_t{2}, socklen_t{8}, socklen_t{15}})
        t.connect_raw(fd, generic(good), size);
      sockaddr_in other = good;
      other.sin_family = AF_INET6;
      t.connect_raw(fd, generic(other), sizeof(other));
      other.sin_family = AF_UNIX;
      t.connect_raw(fd, generic(other), sizeof(other));
      t.connect_raw(fd, generic(good), sizeof(good));
      t.peer_of(fd);
    }
  });
}

TEST_CASE("a message in pieces", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    std::string a = "ab";
    std::string none;
    std::string b = "cdef";
    std::array<iovec, 3> parts{part_of(a), part_of(none), part_of(b)};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    tell(t, "sendmsg", t.calls().sendmsg(all.client, &message, 0));
    message.msg_iovlen = 0;
    tell(t, "sendmsg of nothing", t.calls().sendmsg(all.client, &message, 0));
    sockaddr_in elsewhere = tapir::test::socket_address(INADDR_LOOPBACK, 1);
    message.msg_iovlen = 1;
    message.msg_name = &elsewhere;
    message.msg_namelen = sizeof(elsewhere);
    tell(t, "sendmsg with an address", t.calls().sendmsg(all.client, &message, 0));
    t.await(all.server, POLLIN);
    std::string x(3, '.');
    std::string y(1, '.');
    std::string z(10, '.');
    std::array<iovec, 4> into{part_of(x), part_of(none), part_of(y), part_of(z)};
    sockaddr_in from{};
    msghdr received{};
    received.msg_name = &from;
    received.msg_namelen = sizeof(from);
    received.msg_iov = into.data();
    received.msg_iovlen = into.size();
    tell(t, "recvmsg", t.calls().recvmsg(all.server, &received, 0));
    t.say(x + "|" + y + "|" + z + " " + std::to_string(received.msg_namelen) + " " + std::to_string(received.msg_flags));
    received.msg_iovlen = 0;
    tell(t, "recvmsg into nothing", t.calls().recvmsg(all.server, &received, MSG_DONTWAIT));
    message.msg_iovlen = 1025;  // UIO_MAXIOV and one
    tell(t, "sendmsg in too many pieces", t.calls().sendmsg(all.client, &message, 0));
  });
}

TEST_CASE("a datagram in pieces", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    const int client = t.datagram();
    sockaddr_in to = socket_address(t.place_of(server));
    std::string a = "ab";
    std::string none;
    std::string b = "cdef";
    std::array<iovec, 3> parts{part_of(a), part_of(none), part_of(b)};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof(to);
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    tell(t, "sendmsg", t.calls().sendmsg(client, &message, 0));
    message.msg_iovlen = 0;
    tell(t, "sendmsg of nothing", t.calls().sendmsg(client, &message, 0));
    message.msg_namelen = 4;
    tell(t, "sendmsg to half an address", t.calls().sendmsg(client, &message, 0));
    message.msg_namelen = 0;
    tell(t, "sendmsg to nobody", t.calls().sendmsg(client, &message, 0));
    t.await(server, POLLIN);
    t.ioctl(server, FIONREAD);
    std::string x(3, '.');
    std::array<iovec, 1> into{part_of(x)};
    msghdr received{};
    received.msg_iov = into.data();
    received.msg_iovlen = 1;
    tell(t, "recvmsg", t.calls().recvmsg(server, &received, MSG_PEEK));
    t.say(x + " " + std::to_string(received.msg_flags));
    tell(t, "recvmsg", t.calls().recvmsg(server, &received, MSG_TRUNC));
    t.say(x + " " + std::to_string(received.msg_flags));
    t.await(server, POLLIN);
    t.ioctl(server, FIONREAD);
    tell(t, "recvmsg of nothing", t.calls().recvmsg(server, &received, 0));
    tell(t, "recvmsg", t.calls().recvmsg(server, &received, MSG_DONTWAIT));
  });
}

TEST_CASE("what each state refuses", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.listen(all.client);
    t.listen(all.listener, 1);  // once more, with another backlog
    t.bind(all.client);
    t.bind(all.listener);
    t.connect(all.listener, all.place);
    t.accept(all.client);
    t.accept(t.datagram());
    t.listen(t.datagram());
    t.send(all.listener, "x");
    t.recv(all.listener, 1, MSG_DONTWAIT);
    t.peer_of(all.listener);
    t.ioctl(all.listener, SIOCATMARK);
    t.get(all.listener, SOL_SOCKET, SO_ACCEPTCONN);
    t.get(all.client, SOL_SOCKET, SO_ACCEPTCONN);
    t.shutdown(t.datagram(), SHUT_RD);
    t.disconnect(t.stream());
    t.disconnect(t.datagram());
  });
}

TEST_CASE("poll tells of errors unasked, and of nothing else", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "x");
    t.await(all.server, POLLIN);
    t.poll(all.server, 0);
    t.poll(all.server, POLLIN);
    t.poll(all.server, POLLRDNORM | POLLWRNORM);
    t.shutdown(all.client, SHUT_RDWR);
    t.await(all.server, POLLRDHUP);
    t.poll(all.server, 0);
    t.poll(all.server, POLLRDHUP);
    t.recv(all.server, 1);
    t.shutdown(all.server, SHUT_RDWR);
    t.poll(all.server, 0);
    std::array<pollfd, 3> three{pollfd{.fd = -5, .events = POLLIN, .revents = 77}, pollfd{.fd = all.server, .events = POLLIN, .revents = 0},
                                pollfd{.fd = 99999, .events = POLLIN, .revents = 0}};
    tell(t, "poll of three", t.calls().poll(three.data(), three.size(), 0));
    for (const auto& each : three) t.say(std::to_string(each.revents));
    tell(t, "poll of none", t.calls().poll(nullptr, 0, 0));
  });
}

TEST_CASE("flags of a stream that the other end never sees", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "record", MSG_EOR);
    t.send(all.client, "more", MSG_MORE);
    t.send(all.client, "!", MSG_DONTROUTE | MSG_NOSIGNAL | MSG_CONFIRM);
    t.recv(all.server, 11, MSG_WAITALL);
    t.recv(all.server, 1, MSG_DONTWAIT);
    t.recv(all.server, 1, MSG_DONTWAIT | MSG_ERRQUEUE);
    t.send(all.client, "abc");
    t.await(all.server, POLLIN);
    t.recv(all.server, 2, MSG_PEEK | MSG_TRUNC);
    t.recv(all.server, 100, MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT);
    t.recv(all.server, 3, MSG_PEEK | MSG_WAITALL);
    t.recv(all.server, 3, MSG_WAITALL | MSG_TRUNC);
  });
}

TEST_CASE("MSG_ZEROCOPY and what is told of it", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.get(all.client, SOL_SOCKET, SO_ZEROCOPY);
    t.send(all.client, "unasked", MSG_ZEROCOPY);  // without the option the flag says nothing
    t.recv(all.server, 7, MSG_WAITALL);
    t.recv_error(all.client);
    t.set(all.client, SOL_SOCKET, SO_ZEROCOPY, 2);
    t.set(all.client, SOL_SOCKET, SO_ZEROCOPY, 1);
    t.get(all.client, SOL_SOCKET, SO_ZEROCOPY);
    t.send(all.client, "zero", MSG_ZEROCOPY);
    t.recv(all.server, 4, MSG_WAITALL);
    t.await(all.client, POLLERR);
    t.poll(all.client);
    t.recv_error(all.client);
    t.recv_error(all.client);
    t.poll(all.client);
    t.send(all.client, "plain");
    t.recv(all.server, 5, MSG_WAITALL);
    t.recv_error(all.client);
  });
}

TEST_CASE("the congestion control of a socket", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto name_of = [&t](int fd) {
      std::array<char, 32> name{};
      t.get_raw(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), name.size());
      t.say(name.data());
    };
    const int listener = t.far_stream();
    t.set_raw(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 5);  // with its zero
    name_of(listener);
    t.bind(listener);
    t.listen(listener);
    const int client = t.stream();
    t.set_raw(client, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    t.connect(client, t.place_of(listener));
    const int server = t.accept(listener);
    name_of(server);  // inherited
    name_of(client);
    t.set_raw(client, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);  // in mid-connection
    name_of(client);
    t.send(client, "x");
    t.recv(server, 1);
    t.set_raw(client, IPPROTO_TCP, TCP_CONGESTION, "no such thing at all", 20);
    t.set_raw(client, IPPROTO_TCP, TCP_CONGESTION, "cubic and more than sixteen", 27);
    name_of(client);
    std::array<char, 4> little{};
    t.get_raw(client, IPPROTO_TCP, TCP_CONGESTION, little.data(), little.size());
    t.say(std::string{little.begin(), little.end()});
  });
}
