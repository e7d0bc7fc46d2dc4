// Datagram sockets against the kernel's.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include <cstdint>
#include <string>

#include "message_room.hpp"
#include "same_as_linux.hpp"
#include "send_control.hpp"
#include "socket_address.hpp"

using tapir::test::Host;
using tapir::test::same_as_linux;
using tapir::test::send_with;
using tapir::test::Transcript;

TEST_CASE("a datagram socket before anything happens", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.poll(fd);
    t.name_of(fd);
    t.peer_of(fd);
    t.send(fd, "x");
    t.recv(fd, 1);
    t.recv(fd, 1, MSG_OOB);
    t.recv(fd, 1, MSG_ERRQUEUE);
    t.listen(fd);
    t.accept(fd);
    t.shutdown(fd, SHUT_RD);
    t.recv(fd, 1);
    t.poll(fd);
    t.shutdown(fd, SHUT_WR);
    t.poll(fd);
    t.shutdown(fd, 5);
  });
}

TEST_CASE("datagrams", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    t.bind(server);
    const auto place = t.place_of(server);
    const int client = t.datagram();
    t.send_to(client, "hello", place);
    t.name_of(client);
    t.await(server, POLLIN);
    t.poll(server);
    t.ioctl(server, SIOCINQ);
    t.recv(server, 10, MSG_PEEK);
    t.recv(server, 2, MSG_PEEK);
    t.recv(server, 2, MSG_PEEK | MSG_TRUNC);
    t.recv(server, 2);
    t.recv(server, 10, MSG_DONTWAIT);
    t.send_to(client, "", place);
    t.send_to(client, "second", place);
    t.await(server, POLLIN);
    t.ioctl(server, SIOCINQ);
    t.recv(server, 10);
    t.recv(server, 10);
    t.send_to(client, "x", {place.address, 0});
    t.send_to(client, "x", place, MSG_OOB);
    t.send_to(client, std::string(65508, 'x'), place);
    t.send_to(client, std::string(70000, 'x'), place);
    t.send_to(client, "x", {INADDR_BROADCAST, place.port});
    t.send_to(client, "a", place, MSG_MORE);
    t.send_to(client, "b", place, MSG_MORE);
    t.recv(server, 10, MSG_DONTWAIT);
    t.send_to(client, "c", place);
    t.recv(server, 10);
    t.read(server, 0);
  });
}

TEST_CASE("a datagram socket with a peer", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    const int client = t.datagram(SOCK_NONBLOCK);
    t.connect(client, t.place_of(server));
    t.name_of(client);
    t.peer_of(client);
    t.send(client, "x");
    t.recv(server, 1);
    const int stranger = t.datagram();
    t.send_to(stranger, "not for you", t.place_of(client));
    t.recv(client, 20);
    t.send_to(server, "for you", t.place_of(client));
    t.await(client, POLLIN);
    t.recv(client, 20);
    t.disconnect(client);
    t.peer_of(client);
    t.name_of(client);
    t.send(client, "x");
    t.connect(client, t.place_of(server));
    t.shutdown(client, SHUT_WR);
    t.send(client, "x");
    t.poll(client);
    t.shutdown(client, SHUT_RD);
    t.poll(client);
    t.recv(client, 1);
  });
}

TEST_CASE("what has arrived outlasts the port", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int peer = t.far_datagram();
    t.bind(peer);
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.connect(fd, t.place_of(peer));
    t.set(fd, SOL_SOCKET, SO_PEEK_OFF, 2);
    for (const auto* const bytes : {"first", "", "third", "fourth"}) t.send_to(peer, bytes, t.place_of(fd));
    t.recv(fd, 1);
    t.recv(fd, 10, MSG_PEEK);
    t.disconnect(fd);
    t.name_of(fd);
    t.poll(fd);
    t.ioctl(fd, SIOCINQ);
    t.recv(fd, 10, MSG_PEEK);
    t.recv(fd, 10);
    t.connect(fd, t.place_of(peer));
    t.send_to(peer, "fifth", t.place_of(fd));
    t.recv(fd, 10);
    t.disconnect(fd);
    t.bind(fd);
    t.send_to(peer, "sixth", t.place_of(fd));
    for (int i = 0; i < 5; ++i) t.recv(fd, 10);
    t.poll(fd);
  });
}

TEST_CASE("a disconnect and an error that is pending", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.connect(fd, {t.address_of(Host::far), 9});
    t.send(fd, "x");
    t.await(fd, POLLERR);
    t.disconnect(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.connect(fd, {t.address_of(Host::far), 9});
    t.send(fd, "x");
    t.await(fd, POLLERR);
    t.connect(fd, {t.address_of(Host::far), 10});
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.send(fd, "x");
    t.await(fd, POLLERR);
    t.shutdown(fd, SHUT_WR);
    t.send(fd, "x");
    t.send(fd, "x");
  });
}

TEST_CASE("nobody at the port", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int holder = t.far_datagram();
    t.bind(holder);
    const auto place = t.place_of(holder);
    t.close(holder);
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.send_to(fd, "x", place);
    t.recv(fd, 1);
    t.poll(fd);
    t.connect(fd, place);
    t.send(fd, "x");
    t.await(fd, POLLERR);
    t.poll(fd);
    t.send(fd, "y");
    t.send(fd, "z");
    t.await(fd, POLLERR);
    t.recv(fd, 1);
    t.recv(fd, 1);
    t.send(fd, "z");
    t.await(fd, POLLERR);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.get(fd, SOL_SOCKET, SO_ERROR);
  });
}

TEST_CASE("the error queue", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int holder = t.far_datagram();
    t.bind(holder);
    const auto place = t.place_of(holder);
    t.close(holder);
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.send_to(fd, "lost words", place);
    t.await(fd, POLLERR);
    t.poll(fd);
    t.recv(fd, 1);
    t.poll(fd);
    t.recv_error(fd);
    t.poll(fd);
    t.recv_error(fd);
    t.recv(fd, 1);
  });
}

TEST_CASE("control messages of a datagram", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    t.set(server, IPPROTO_IP, IP_RECVTTL, 1);
    t.set(server, IPPROTO_IP, IP_RECVTOS, 1);
    const int client = t.datagram();
    t.set(client, IPPROTO_IP, IP_TTL, 7);
    t.set(client, IPPROTO_IP, IP_TOS, 0x20);
    t.send_to(client, "x", t.place_of(server));
    t.recv_control(server, 1);
    t.set(server, IPPROTO_IP, IP_PKTINFO, 1);
    t.send_to(client, "x", t.place_of(server));
    t.recv_control(server, 1);
  });
}

TEST_CASE("a multicast group", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram();
    ip_mreq request{};
    request.imr_multiaddr.s_addr = htonl(0xe0000101);
    request.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
    t.set_raw(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request));
    t.set_raw(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, 3);
    t.set_raw(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    t.set_raw(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    t.set_raw(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request));
    t.set_raw(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request));
    request.imr_multiaddr.s_addr = htonl(INADDR_LOOPBACK);
    t.set_raw(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    const in_addr interface{.s_addr = htonl(INADDR_LOOPBACK)};
    t.set_raw(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface));
    t.get(fd, IPPROTO_IP, IP_MULTICAST_IF);
    t.set_raw(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, 3);
  });
}

TEST_CASE("sharing a datagram port", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int first = t.datagram();
    t.bind(first);
    const auto place = t.place_of(first);
    const int second = t.datagram();
    t.bind(second, place);
    t.bind(second, {INADDR_ANY, place.port});
    t.set(second, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(second, place);
    t.set(first, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(second, place);
    t.name_of(second);
  });
}

TEST_CASE("datagrams in an epoll", "[socket][epoll][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    const int client = t.datagram();
    const int epoll = t.far_epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, server, EPOLLIN | EPOLLET);
    t.epoll_wait(epoll);
    t.send_to(client, "a", t.place_of(server));
    t.epoll_wait(epoll, 1000);
    t.epoll_wait(epoll);
    t.send_to(client, "b", t.place_of(server));
    t.epoll_wait(epoll, 1000);
    t.recv(server, 1);
    t.epoll_wait(epoll);
    t.recv(server, 1);
    t.recv(server, 1, MSG_DONTWAIT);
  });
}

TEST_CASE("what a control message says of one datagram", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    for (const int name : {IP_RECVTTL, IP_RECVTOS, IP_PKTINFO}) t.set(server, IPPROTO_IP, name, 1);
    const auto place = t.place_of(server);
    const sockaddr_in to = tapir::test::socket_address(place.address, place.port);
    const int client = t.datagram();
    const auto next = [&](int type, const auto& value) {
      send_with(t, client, to, IPPROTO_IP, type, value);
      t.await(server, POLLIN);
      t.recv_control(server, 1);
    };
    next(IP_TTL, 9);
    next(IP_TOS, 0x28);
    next(IP_TOS, std::uint8_t{0x28});
    in_pktinfo info{};
    next(IP_PKTINFO, info);
    info.ipi_spec_dst.s_addr = htonl(t.address_of(Host::near));
    next(IP_PKTINFO, info);
    t.set(server, SOL_SOCKET, SO_RCVBUF, 10'000);
    t.send_to(client, "x", place);  // the next one is as before
    t.recv_control(server, 1);
  });
}

TEST_CASE("control messages that a datagram does not take", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram(SOCK_NONBLOCK);
    t.bind(server);
    const auto place = t.place_of(server);
    const sockaddr_in to = tapir::test::socket_address(place.address, place.port);
    const int client = t.datagram();
    for (const int ttl : {-1, 0, 1, 255, 256}) send_with(t, client, to, IPPROTO_IP, IP_TTL, ttl);
    for (const int tos : {-1, 0, 255, 256}) send_with(t, client, to, IPPROTO_IP, IP_TOS, tos);
    send_with(t, client, to, IPPROTO_IP, IP_TTL, std::uint8_t{5});
    send_with(t, client, to, IPPROTO_IP, IP_TOS, std::uint16_t{5});
    send_with(t, client, to, IPPROTO_IP, IP_RECVERR, 1);
    send_with(t, client, to, IPPROTO_TCP, 1, 1);
    send_with(t, client, to, SOL_SOCKET, 9999, 1);
    send_with(t, client, to, IPPROTO_IP, IP_TTL, 5, 3);
    send_with(t, client, to, IPPROTO_IP, IP_TTL, 5, 1000);
    send_with(t, client, to, IPPROTO_IP, IP_PKTINFO, 5);
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(0xc6336401);  // 198.51.100.1 is nobody here
    send_with(t, client, to, IPPROTO_IP, IP_PKTINFO, info);
    t.await(server, POLLIN);
    while (t.recv_plain(server, 1) >= 0) {}
  });
}

TEST_CASE("little room for control messages", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    for (const int name : {IP_RECVTTL, IP_RECVTOS, IP_PKTINFO}) t.set(server, IPPROTO_IP, name, 1);
    const int client = t.datagram();
    for (const std::size_t room : {0, 1, 15, 16, 17, 20, 24, 27, 28, 32, 48, 60, 72, 73, 100}) {
      t.send_to(client, "x", t.place_of(server));
      t.await(server, POLLIN);
      tapir::test::MessageRoom message{1, room};
      const ssize_t count = t.calls().recvmsg(server, &message.header, 0);
      t.say(std::to_string(count) + " flags " + std::to_string(message.header.msg_flags) + " of " + std::to_string(room) + ": " +
            std::to_string(message.header.msg_controllen));
      tapir::test::for_each_control(message.header, [&t](const cmsghdr& control) {
        t.say("  " + std::to_string(control.cmsg_type) + " in " + std::to_string(control.cmsg_len));
      });
    }
  });
}
