// Raw sockets with IPPROTO_ICMP against the kernel's (man 7 raw).
#include <catch2/catch.hpp>

#include <linux/icmp.h>
#include <linux/sockios.h>

#include <array>
#include <cstring>
#include <string>

#include "icmp_message.hpp"
#include "same_as_linux.hpp"
#include "socket_address.hpp"

using tapir::test::generic;
using tapir::test::Host;
using tapir::test::same_as_linux;
using tapir::test::same_as_linux_on;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {

/// With identifier 0x1234.
std::string message(std::uint8_t type, std::uint8_t sequence, const std::string& data = "data") {
  return tapir::test::icmp_message(type, 0, 0x12340000U + sequence, data);
}
std::string echo(std::uint8_t sequence, const std::string& data = "data") { return message(ICMP_ECHO, sequence, data); }

void filter(Transcript& t, int fd, std::uint32_t types) { t.set(fd, SOL_RAW, ICMP_FILTER, static_cast<int>(types)); }

/// Takes all that has come.
void drain(Transcript& t, int fd) {
  while (t.recv_ip(fd, 256, MSG_DONTWAIT) >= 0) {}
}

/// The filter that lets one type pass.
constexpr std::uint32_t all_but(int type) { return ~(1U << static_cast<unsigned>(type)); }

}  // namespace

TEST_CASE("a raw socket before anything happens", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    t.socket(SOCK_RAW);
    t.socket(SOCK_RAW, IPPROTO_MAX);
    const int fd = t.raw(SOCK_NONBLOCK);
    t.poll(fd);
    t.name_of(fd);
    t.peer_of(fd);
    t.send(fd, echo(1));
    t.recv(fd, 1);
    t.recv(fd, 1, MSG_OOB);
    t.recv(fd, 1, MSG_ERRQUEUE);
    t.recv_plain(fd, 1);
    t.read(fd, 1);
    t.listen(fd);
    t.accept(fd);
    t.ioctl(fd, SIOCINQ);
    t.ioctl(fd, SIOCOUTQ);
    t.ioctl(fd, SIOCATMARK);
    t.disconnect(fd);
    t.shutdown(fd, SHUT_RD);
    t.recv(fd, 1);
    t.poll(fd);
    t.shutdown(fd, SHUT_WR);
    t.poll(fd);
    t.shutdown(fd, 5);
    t.close(fd);
    t.close(fd);
  });
}

TEST_CASE("options of a raw socket", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    for (const int name : {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE,
                           SO_ACCEPTCONN, SO_RCVLOWAT, SO_SNDLOWAT, SO_PRIORITY, SO_TIMESTAMP, SO_TIMESTAMPNS, SO_NO_CHECK}) {
      t.get(fd, SOL_SOCKET, name);
    }
    for (const int name : {IP_TOS, IP_TTL, IP_MTU_DISCOVER, IP_RECVERR, IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_MULTICAST_TTL,
                           IP_MULTICAST_LOOP, IP_MTU, IP_FREEBIND, IP_HDRINCL}) {
      t.get(fd, IPPROTO_IP, name);
    }
    for (const int name : {IP_TTL, IP_TOS, IP_MULTICAST_TTL, IP_MTU_DISCOVER}) {
      for (const int value : {-1, 0, 1, 3, 255, 256}) {
        t.set(fd, IPPROTO_IP, name, value);
        t.get(fd, IPPROTO_IP, name);
      }
    }
    for (const int name : {SO_SNDBUF, SO_RCVBUF}) {
      for (const int value : {20000, 1}) {
        t.set(fd, SOL_SOCKET, name, value);
        t.get(fd, SOL_SOCKET, name);
      }
    }
    t.get(fd, IPPROTO_TCP, TCP_NODELAY);
    t.set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    t.get(fd, IPPROTO_UDP, 1);
    t.get(fd, SOL_RAW, 9999);
    t.set(fd, SOL_RAW, 9999, 1);
    t.get(t.datagram(), SOL_RAW, ICMP_FILTER);
    t.set(t.stream(), SOL_RAW, ICMP_FILTER, 1);
  });
}

TEST_CASE("ICMP_FILTER as an option", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    t.get(fd, SOL_RAW, ICMP_FILTER);
    filter(t, fd, 0x12345678);
    t.get(fd, SOL_RAW, ICMP_FILTER);
    const std::array<std::uint32_t, 25> ones{0xffffffff};
    t.set_raw(fd, SOL_RAW, ICMP_FILTER, ones.data(), 0);
    t.get(fd, SOL_RAW, ICMP_FILTER);
    t.set_raw(fd, SOL_RAW, ICMP_FILTER, ones.data(), 2);
    t.get(fd, SOL_RAW, ICMP_FILTER);
    t.set_raw(fd, SOL_RAW, ICMP_FILTER, ones.data(), 100);
    t.get(fd, SOL_RAW, ICMP_FILTER);
    for (const socklen_t size : {socklen_t{0}, socklen_t{1}, socklen_t{4}, socklen_t{100}, static_cast<socklen_t>(-1)}) {
      std::array<std::uint32_t, 25> values{};
      t.get_raw(fd, SOL_RAW, ICMP_FILTER, values.data(), size);
      t.say(std::to_string(values[0]));
    }
  });
}

TEST_CASE("an echo and its reply", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw(SOCK_NONBLOCK);
    filter(t, fd, all_but(ICMP_ECHOREPLY));
    t.recv_ip(fd);
    t.send_to(fd, echo(1), {t.address_of(Host::far), 0});
    t.await(fd, POLLIN);
    t.poll(fd);
    t.ioctl(fd, SIOCINQ);
    t.ioctl(fd, SIOCOUTQ);
    t.recv_ip(fd, 256, MSG_PEEK);
    t.recv_ip(fd, 22, MSG_PEEK);
    t.recv_ip(fd, 22, MSG_PEEK | MSG_TRUNC);
    t.recv_ip(fd, 0, MSG_PEEK);
    t.recv_ip(fd, 256, MSG_OOB);
    t.recv_ip(fd);
    t.recv_ip(fd);
    for (std::uint8_t i = 2; i < 5; ++i) t.send_to(fd, echo(i, std::string(i, 'x')), {t.address_of(Host::far), 7});  // a port says nothing
    for (int i = 2; i < 5; ++i) {
      t.await(fd, POLLIN);
      t.ioctl(fd, SIOCINQ);
      t.recv_ip(fd, 30, MSG_TRUNC);
    }
    t.poll(fd);
  });
}

TEST_CASE("a raw socket hears what has come to its host", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int near = t.raw();
    const int far = t.far_raw();
    const int second = t.far_raw();
    t.send_to(near, echo(1), {t.address_of(Host::far), 0});
    for (const int fd : {far, second, near}) {
      t.await(fd, POLLIN);
      drain(t, fd);
    }
    t.close(second);
    // A reply that nobody has asked for, and a type that there is not.
    t.send_to(near, message(ICMP_ECHOREPLY, 2), {t.address_of(Host::far), 0});
    t.send_to(near, message(99, 3), {t.address_of(Host::far), 0});
    t.await(far, POLLIN);
    drain(t, far);
    drain(t, near);
  });
}

TEST_CASE("a host that sends to itself hears both", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    t.send_to(fd, echo(1), {t.address_of(Host::near), 0});
    t.await(fd, POLLIN);
    drain(t, fd);
    t.send_to(fd, echo(2), {INADDR_ANY, 0});
    t.await(fd, POLLIN);
    drain(t, fd);
  });
}

TEST_CASE("ICMP_FILTER keeps types away", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    const int other = t.raw();
    filter(t, fd, 1U << ICMP_ECHOREPLY);
    t.send_to(fd, echo(1), {t.address_of(Host::far), 0});
    t.await(other, POLLIN);
    drain(t, other);
    drain(t, fd);
    filter(t, fd, all_but(ICMP_ECHOREPLY));
    t.send_to(fd, echo(2), {t.address_of(Host::far), 0});
    t.await(fd, POLLIN);
    drain(t, fd);
    filter(t, fd, 0xffffffffU);
    filter(t, other, 0xffffffffU);
    t.send_to(fd, message(40, 3), {t.address_of(Host::near), 0});  // no bit for it
    t.await(other, POLLIN);
    drain(t, fd);
    drain(t, other);
  });
}

TEST_CASE("a raw socket hears of a port that nobody has", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    filter(t, fd, all_but(ICMP_DEST_UNREACH));
    t.send_to(t.datagram(), "lost", {t.address_of(Host::far), 9});
    t.await(fd, POLLIN);
    std::string bytes(256, '\0');
    const ssize_t count = t.calls().recv(fd, bytes.data(), bytes.size(), 0);
    t.say(std::to_string(count) + " bytes: type " + std::to_string(bytes[20]) + " code " + std::to_string(bytes[21]));
    t.say(count > 4 ? bytes.substr(static_cast<std::size_t>(count) - 4, 4) : "short");  // the datagram is quoted whole
  });
}

TEST_CASE("binding a raw socket", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw(SOCK_NONBLOCK);
    t.bind(fd, {.address = 0xc6336401});  // 198.51.100.1 is nobody here
    t.name_of(fd);
    sockaddr_in in = tapir::test::socket_address(t.address_of(Host::near), 5);
    t.bind_raw(fd, generic(in), sizeof(in) - 1);
    in.sin_family = AF_INET6;
    t.bind_raw(fd, generic(in), sizeof(in));
    in.sin_family = AF_UNSPEC;
    t.bind_raw(fd, generic(in), sizeof(in));
    t.name_of(fd);
    t.bind_raw(fd, nullptr, sizeof(in));
    t.bind(fd, {t.address_of(Host::near), 77});
    t.name_of(fd);
    t.bind(t.raw(), {t.address_of(Host::near), 77});  // nobody owns it
    t.bind(fd, {INADDR_LOOPBACK + 1, 0});
    t.name_of(fd);
    t.send_to(fd, echo(1), {INADDR_LOOPBACK, 0});
    t.await(fd, POLLIN);
    drain(t, fd);  // what was sent to the other address is not here
    t.bind(fd, {INADDR_ANY, 0});
    t.name_of(fd);
    t.bind(fd, {0xe0000105, 0});  // a group
    t.name_of(fd);
    t.bind(fd, {INADDR_BROADCAST, 0});
    t.name_of(fd);
  });
}

TEST_CASE("connecting a raw socket", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw(SOCK_NONBLOCK);
    sockaddr_in in = tapir::test::socket_address(t.address_of(Host::far), 5);
    t.connect_raw(fd, generic(in), sizeof(in) - 1);
    t.connect_raw(fd, generic(in), 1);
    t.connect_raw(fd, nullptr, sizeof(in));
    in.sin_family = AF_INET6;
    t.connect_raw(fd, generic(in), sizeof(in));
    t.connect(fd, {INADDR_BROADCAST, 0});
    t.connect(fd, {t.address_of(Host::far), 5});
    t.name_of(fd);
    t.peer_of(fd);
    filter(t, fd, all_but(ICMP_ECHOREPLY));
    t.send(fd, echo(1));
    t.await(fd, POLLIN);
    drain(t, fd);
    t.write(fd, echo(2));
    t.await(fd, POLLIN);
    drain(t, fd);
    t.send_to(fd, echo(3), {t.address_of(Host::near), 0});  // the answer comes from another than the peer where there are two hosts
    t.bind(fd);
    t.connect(fd, {t.address_of(Host::far), 0});
    t.peer_of(fd);
    t.disconnect(fd);
    t.name_of(fd);
    t.peer_of(fd);
    t.send(fd, echo(4));
    t.send_to(fd, echo(5), {t.address_of(Host::far), 0});
    t.poll(fd);
  });
}

TEST_CASE("a raw socket with a peer hears of it alone", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.raw(SOCK_NONBLOCK);
    const int witness = t.raw(SOCK_NONBLOCK);
    t.connect(fd, {t.address_of(Host::near), 0});
    t.send_to(fd, echo(1), {t.address_of(Host::far), 0});
    t.await(witness, POLLIN);
    t.recv_ip(witness);
    t.recv_ip(fd);
    t.connect(fd, {t.address_of(Host::far), 0});
    t.send(fd, echo(2));
    t.await(fd, POLLIN);
    t.recv_ip(fd);
  });
}

TEST_CASE("what a raw socket does not send", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    const tapir::test::Place far{t.address_of(Host::far), 0};
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{65'515}, std::size_t{65'516},
                                   std::size_t{65'535}, std::size_t{65'536}}) {
      t.send_to(fd, std::string(size, '\x63'), far);
    }
    t.send_to(fd, echo(1), far, MSG_OOB);
    t.send_to(fd, echo(1), {INADDR_BROADCAST, 0});
    sockaddr_in in = tapir::test::socket_address(far.address, 0);
    for (const socklen_t size : {socklen_t{0}, socklen_t{1}, socklen_t{15}, socklen_t{100}, socklen_t{129}}) {
      std::array<std::byte, 256> room{};
      std::memcpy(room.data(), &in, sizeof(in));
      t.send_to_raw(fd, echo(2), reinterpret_cast<const sockaddr*>(room.data()), size);
    }
    in.sin_family = AF_INET6;
    t.send_to_raw(fd, echo(3), generic(in), sizeof(in));
    in.sin_family = AF_UNSPEC;
    t.send_to_raw(fd, echo(3), generic(in), sizeof(in));
    t.send_to(fd, echo(4), {0xcb007101, 0});  // 203.0.113.1: no way there
    t.send_to_raw(fd, echo(5), nullptr, 0);
  });
}

TEST_CASE("a raw socket that is shut", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw(SOCK_NONBLOCK);
    t.connect(fd, {t.address_of(Host::far), 1});
    t.shutdown(fd, SHUT_WR);
    t.send(fd, echo(1));
    t.poll(fd);
    t.shutdown(fd, SHUT_RD);
    t.poll(fd);
    t.recv_ip(fd);
  });
}

TEST_CASE("TOS and TTL of what a raw socket sends, and what it tells of what comes", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int near = t.raw();
    const int far = t.far_raw();
    filter(t, far, all_but(ICMP_ECHO));
    t.set(near, IPPROTO_IP, IP_TTL, 7);
    t.set(near, IPPROTO_IP, IP_TOS, 0x20);
    t.send_to(near, echo(1), {t.address_of(Host::far), 0});
    t.await(far, POLLIN);
    t.recv_ip(far);
    for (const int name : {IP_RECVTTL, IP_RECVTOS, IP_PKTINFO}) t.set(far, IPPROTO_IP, name, 1);
    t.send_to(near, echo(2), {t.address_of(Host::far), 0});
    t.await(far, POLLIN);
    t.recv_control(far, 10);
  });
}

TEST_CASE("waiting for a raw socket", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    filter(t, fd, all_but(ICMP_ECHOREPLY));
    const timeval soon{.tv_sec = 0, .tv_usec = 50'000};
    t.set_raw(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    t.recv_ip(fd);
    const int epoll = t.epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET);
    t.epoll_wait(epoll);
    t.send_to(fd, echo(1), {t.address_of(Host::far), 0});
    t.epoll_wait(epoll, 1000);
    t.epoll_wait(epoll);
    t.readv(fd, {1, 0, 3});  // as far as hosts have no choice
    t.epoll_wait(epoll);
    t.recv_ip(fd, 256, MSG_DONTWAIT);
    t.writev(fd, {"x"});
    t.connect(fd, {t.address_of(Host::far), 0});
    t.writev(fd, {echo(2).substr(0, 5), echo(2).substr(5)});
    t.recv_ip(fd, 256, MSG_WAITALL);
  });
}

TEST_CASE("a long message goes in fragments and comes whole", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.raw();
    filter(t, fd, all_but(ICMP_ECHOREPLY));
    t.send_to(fd, echo(1, std::string(5000, 'x')), {t.address_of(Host::far), 0});
    t.await(fd, POLLIN);
    t.ioctl(fd, SIOCINQ);
    t.recv_ip(fd, 40);
    t.set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    t.send_to(fd, echo(2, std::string(1400, 'x')), {t.address_of(Host::far), 0});
    t.await(fd, POLLIN);
    t.recv_ip(fd, 40);
  });
}

TEST_CASE("a message that must not be cut, and is too long", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.raw();
    t.set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    t.send_to(fd, echo(1, std::string(1472, 'x')), {t.address_of(Host::far), 0});
    t.send_to(fd, echo(2, std::string(1473, 'x')), {t.address_of(Host::far), 0});
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.send_to(fd, echo(3, std::string(1473, 'x')), {t.address_of(Host::far), 0});
    t.poll(fd);
    t.recv_error(fd);
    t.recv_error(fd);
    t.get(fd, IPPROTO_IP, IP_MTU);
    t.connect(fd, {t.address_of(Host::far), 1});
    t.get(fd, IPPROTO_IP, IP_MTU);
  });
}
