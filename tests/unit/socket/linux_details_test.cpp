// Corners that man pages tell of in passing, against the kernel's.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include <array>
#include <cstring>
#include <string>

#include "message_room.hpp"
#include "same_as_linux.hpp"
#include "send_control.hpp"
#include "socket_address.hpp"

using tapir::test::generic;
using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::same_as_linux_on;
using tapir::test::send_with;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {
long note(Transcript& t, const std::string& call, long result) {
  t.say(call + ": " + std::to_string(result) + (result < 0 ? std::string{" "} + std::strerror(errno) : std::string{}));
  return result;
}
}  // namespace

TEST_CASE("IP_MULTICAST_ALL", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int joined = t.datagram();
    ip_mreq request{};
    request.imr_multiaddr.s_addr = htonl(0xe0000105);
    request.imr_interface.s_addr = htonl(t.address_of(Host::near));
    t.set_raw(joined, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    const int other = t.datagram(SOCK_NONBLOCK);
    t.bind(other, {INADDR_ANY, 0});
    t.get(other, IPPROTO_IP, IP_MULTICAST_ALL);
    const auto place = t.place_of(other);
    const int sender = t.datagram();
    const in_addr interface{.s_addr = htonl(t.address_of(Host::near))};
    t.set_raw(sender, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface));
    t.send_to(sender, "to all", {0xe0000105, place.port});
    t.recv(other, 10);
    for (const int v : {0, 2, -1, 1}) {
      t.set(other, IPPROTO_IP, IP_MULTICAST_ALL, v);
      t.get(other, IPPROTO_IP, IP_MULTICAST_ALL);
    }
    t.set(other, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    t.send_to(sender, "to members", {0xe0000105, place.port});
    t.recv(other, 10);
    t.set_raw(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    t.send_to(sender, "to members", {0xe0000105, place.port});
    t.recv(other, 10);
    t.get(t.stream(), IPPROTO_IP, IP_MULTICAST_ALL);
  });
}

TEST_CASE("a connection to port 0", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream(SOCK_NONBLOCK);
    t.connect(fd, {t.address_of(Host::far), 0});
    t.await(fd, POLLOUT);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.connect(t.stream(), {t.address_of(Host::far), 0});
  });
}

TEST_CASE("sockets bound to a group or a broadcast", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    t.bind(t.raw(), {0xe0000105, 0});
    t.bind(t.datagram(), {INADDR_BROADCAST, 0});
  });
}

TEST_CASE("headers of messages that are odd", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram(SOCK_NONBLOCK);
    t.bind(server);
    const auto place = t.place_of(server);
    const int client = t.datagram();
    std::array<std::byte, 256> room{};
    const sockaddr_in to = tapir::test::socket_address(place.address, place.port);
    std::memcpy(room.data(), &to, sizeof(to));
    char byte = 'x';
    iovec part{.iov_base = &byte, .iov_len = 1};
    msghdr m{};
    m.msg_name = room.data();
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    for (const socklen_t size : {16U, 128U, 129U, 200U, static_cast<socklen_t>(-1)}) {
      m.msg_namelen = size;
      note(t, "sendmsg namelen " + std::to_string(size), t.calls().sendmsg(client, &m, 0));
    }
    m.msg_namelen = 16;
    m.msg_control = nullptr;
    m.msg_controllen = 16;
    note(t, "sendmsg null control", t.calls().sendmsg(client, &m, 0));
    std::array<std::byte, 64> control{};
    m.msg_control = control.data();
    m.msg_controllen = 8;
    note(t, "sendmsg short control", t.calls().sendmsg(client, &m, 0));
    m.msg_controllen = 16;
    note(t, "sendmsg zero control", t.calls().sendmsg(client, &m, 0));
    m.msg_controllen = std::size_t{1} << 32U;
    note(t, "sendmsg much control", t.calls().sendmsg(client, &m, 0));
    m.msg_controllen = 0;
    m.msg_name = nullptr;
    m.msg_namelen = 16;
    note(t, "sendmsg null name", t.calls().sendmsg(client, &m, 0));
    m.msg_namelen = static_cast<socklen_t>(-1);
    note(t, "sendmsg null name -1", t.calls().sendmsg(client, &m, 0));
    for (const socklen_t size : {16U, 200U, static_cast<socklen_t>(-1), 0U}) {
      t.send_to(client, "y", place);
      t.await(server, POLLIN);
      msghdr in{};
      in.msg_name = room.data();
      in.msg_namelen = size;
      in.msg_iov = &part;
      in.msg_iovlen = 1;
      note(t, "recvmsg namelen " + std::to_string(size), t.calls().recvmsg(server, &in, 0));
      t.say(std::to_string(in.msg_namelen));
      in.msg_name = nullptr;
      in.msg_namelen = size;
      note(t, "recvmsg no name", t.calls().recvmsg(server, &in, 0));
      t.say(std::to_string(in.msg_namelen));
    }
    msghdr in{};
    in.msg_iov = &part;
    in.msg_iovlen = 1;
    in.msg_control = nullptr;
    in.msg_controllen = 16;
    t.set(server, IPPROTO_IP, IP_RECVTTL, 1);
    note(t, "recvmsg null control", t.calls().recvmsg(server, &in, 0));
    t.say(std::to_string(in.msg_controllen) + " " + std::to_string(in.msg_flags));
    while (t.recv(server, 1) >= 0) {}
  });
}

TEST_CASE("options of IPPROTO_IP in fewer bytes than an int has", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram();
    t.connect(fd, {t.address_of(Host::far), 9});
    for (const int name : {IP_TTL, IP_MTU_DISCOVER, IP_MULTICAST_IF, IP_TOS, IP_MULTICAST_LOOP, IP_RECVERR, IP_MULTICAST_TTL}) {
      for (const socklen_t size : {0U, 1U, 2U, 3U, 4U, 8U}) {
        std::array<unsigned char, 8> v{};
        t.get_raw(fd, IPPROTO_IP, name, v.data(), size);
        t.say(std::to_string(v[0]) + " " + std::to_string(v[1]) + " " + std::to_string(v[2]));
      }
    }
    for (const int name :
         {IP_MULTICAST_LOOP, IP_RECVTTL, IP_PKTINFO, IP_MULTICAST_ALL, IP_TOS, IP_TTL, IP_RECVERR, IP_FREEBIND, IP_MTU_DISCOVER}) {
      for (const socklen_t size : {0U, 1U, 2U, 3U}) {
        t.set(fd, IPPROTO_IP, name, 1, size);
        t.get(fd, IPPROTO_IP, name);
      }
      t.set(fd, IPPROTO_IP, name, 7);
      t.get(fd, IPPROTO_IP, name);
    }
  });
}

TEST_CASE("IP_MTU does not fit into a byte", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.datagram();
    t.connect(fd, {t.address_of(Host::far), 9});
    for (const socklen_t size : {0U, 1U, 2U, 3U, 4U, 8U}) {
      std::array<unsigned char, 8> v{};
      t.get_raw(fd, IPPROTO_IP, IP_MTU, v.data(), size);
      t.say(std::to_string(v[0]) + " " + std::to_string(v[1]) + " " + std::to_string(v[2]));
    }
    t.set(fd, IPPROTO_IP, IP_MTU, 7);
  });
}

TEST_CASE("ioctl() without an argument, and flags that say nothing to a socket", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      for (const unsigned long request :
           {0x7fffUL, static_cast<unsigned long>(FIONBIO), static_cast<unsigned long>(SIOCINQ), static_cast<unsigned long>(SIOCOUTQ)})
        note(t, "ioctl null " + std::to_string(request), t.calls().ioctl(fd, request, nullptr));
      t.ioctl(fd, SIOCINQ);
      t.control(fd, F_SETFL, O_APPEND);
      t.control(fd, F_GETFL);
      t.control(fd, F_SETFL, O_NONBLOCK);
      t.control(fd, F_GETFL);
      t.control(fd, F_SETFL, O_NONBLOCK | O_NOATIME);
      t.control(fd, F_GETFL);
      t.control(fd, F_SETFL, O_DIRECT);
      t.control(fd, F_GETFL);
    }
  });
}

TEST_CASE("MSG_ZEROCOPY of datagrams", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int raw = t.raw();
    t.set(raw, SOL_SOCKET, SO_ZEROCOPY, 1);
    t.get(raw, SOL_SOCKET, SO_ZEROCOPY);
    const int server = t.far_datagram(SOCK_NONBLOCK);
    t.bind(server);
    const auto place = t.place_of(server);
    const int client = t.datagram();
    t.set(client, SOL_SOCKET, SO_ZEROCOPY, 1);
    t.get(client, SOL_SOCKET, SO_ZEROCOPY);
    t.send_to(client, "abc", place, MSG_ZEROCOPY);
    t.recv(server, 10);
    t.poll(client);
    t.recv_error(client);
    t.recv_error(client);
    t.send_to(client, "a", place, MSG_ZEROCOPY);
    t.send_to(client, "", place, MSG_ZEROCOPY);
    t.send_to(client, "c", place, MSG_ZEROCOPY);
    t.recv(server, 10);
    t.recv(server, 10);
    t.recv(server, 10);
    t.recv_error(client);
    t.recv_error(client);
  });
}

TEST_CASE("IP_PKTINFO of an interface that there is not", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int server = t.far_datagram(SOCK_NONBLOCK);
    t.bind(server);
    const auto place = t.place_of(server);
    const sockaddr_in to = tapir::test::socket_address(place.address, place.port);
    const int client = t.datagram();
    in_pktinfo info{};
    info.ipi_ifindex = 12345;
    send_with(t, client, to, IPPROTO_IP, IP_PKTINFO, info);
    info.ipi_ifindex = -1;
    send_with(t, client, to, IPPROTO_IP, IP_PKTINFO, info);
  });
}

TEST_CASE("SO_SELECT_ERR_QUEUE", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int holder = t.far_datagram();
    t.bind(holder);
    const auto place = t.place_of(holder);
    t.close(holder);
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.get(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE);
    t.set(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 4);
    t.get(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE);
    t.connect(fd, place);
    t.send(fd, "x");
    t.await(fd, POLLERR);
    t.poll(fd);
    t.recv(fd, 1);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.send(fd, "x");
    t.await(fd, POLLERR);
    t.poll(fd);
  });
}

TEST_CASE("what is left after shutdown() and a disconnect", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.shutdown(all.client, 7);
    t.shutdown(all.client, -1);
    t.shutdown(all.listener, SHUT_WR);
    t.poll(all.listener);
    t.shutdown(all.listener, SHUT_RD);
    t.poll(all.listener);
    t.name_of(all.listener);
    t.listen(all.listener);
    const int fd = t.datagram();
    t.connect(fd, {t.address_of(Host::far), 0});
    t.peer_of(fd);
    t.shutdown(fd, SHUT_WR);
    t.bind(fd);
    t.disconnect(fd);
    t.name_of(fd);
    t.bind(fd);
    t.name_of(fd);
    t.connect(fd, {t.address_of(Host::far), 9});
    t.bind(fd);
    t.disconnect(fd);
    t.name_of(fd);
    t.send_to(fd, "x", {t.address_of(Host::far), 9});
    t.name_of(fd);
  });
}

TEST_CASE("epoll_ctl() and what it refuses", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int epoll = t.epoll();
    const int fd = t.datagram();
    t.bind(fd);
    t.epoll_ctl(epoll, 99, fd, EPOLLIN);
    note(t, "99 null", t.calls().epoll_ctl(epoll, 99, fd, nullptr));
    note(t, "add null", t.calls().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, nullptr));
    note(t, "del null", t.calls().epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr));
    t.epoll_ctl(fd, EPOLL_CTL_ADD, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, -1, EPOLLIN);
    t.epoll_ctl(-1, EPOLL_CTL_ADD, fd, EPOLLIN);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLEXCLUSIVE);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, 0);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, 0);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLONESHOT);
    t.poll(epoll);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLET);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.epoll_ctl(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLET);
    t.epoll_wait(epoll);
    t.shutdown(fd, SHUT_RDWR);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll);
    t.epoll_wait(epoll, 0, 0);
    t.epoll_wait(epoll, 0, -1);
    t.epoll_wait(fd);
    t.epoll_wait(-1);
    t.send(epoll, "x");
    t.recv(epoll, 1);
    t.get(epoll, SOL_SOCKET, SO_TYPE);
    t.listen(epoll);
    t.name_of(epoll);
    t.read(epoll, 1);
    t.write(epoll, "x");
  });
}
