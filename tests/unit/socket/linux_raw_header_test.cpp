// IP_HDRINCL against the kernel's (man 7 raw): datagrams with headers of the program's.
#include <catch2/catch.hpp>

#include <linux/icmp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include <string>

#include "icmp_message.hpp"
#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::same_as_linux_on;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {

iphdr header_to(std::uint32_t destination, std::uint8_t protocol = IPPROTO_ICMP) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.ttl = 9;
  ip.tos = 0x20;
  ip.protocol = protocol;
  ip.daddr = htonl(destination);
  return ip;
}

std::string datagram_of(const iphdr& header, const std::string& rest) {
  return std::string{reinterpret_cast<const char*>(&header), sizeof(header)} + rest;
}

std::string ping(std::uint8_t sequence, const std::string& data = "data") {
  return tapir::test::icmp_message(ICMP_ECHO, 0, 0x12340000U + sequence, data);
}

/// A raw socket that sends headers of its own, and one on the far host that hears echo requests alone.
struct Sending {
  explicit Sending(Transcript& transcript) : t{transcript} {
    t.set(fd, IPPROTO_IP, IP_HDRINCL, 1);
    t.set(fd, SOL_RAW, ICMP_FILTER, -1);
    t.set(far, SOL_RAW, ICMP_FILTER, static_cast<int>(~(1U << ICMP_ECHO)));
  }
  void send(const iphdr& header, const std::string& rest) const { t.send_to(fd, datagram_of(header, rest), {t.address_of(Host::far), 0}); }
  void send_and_hear(const iphdr& header, const std::string& rest) const {
    send(header, rest);
    t.await(far, POLLIN);
    t.recv_ip(far);
  }
  [[nodiscard]] iphdr header() const { return header_to(t.address_of(Host::far)); }
  Transcript& t;
  int fd = t.raw(SOCK_NONBLOCK);
  int far = t.far_raw(SOCK_NONBLOCK);
};

}  // namespace

TEST_CASE("what a header of the program's leaves open is filled in", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    t.get(s.fd, IPPROTO_IP, IP_HDRINCL);
    s.send_and_hear(s.header(), ping(1));
    iphdr header = s.header();
    header.tot_len = htons(7);  // always written
    header.check = htons(0x1234);
    header.id = htons(77);
    s.send_and_hear(header, ping(2));
    t.set(s.fd, IPPROTO_IP, IP_TTL, 3);  // options of the socket say nothing here
    t.set(s.fd, IPPROTO_IP, IP_TOS, 0x40);
    s.send_and_hear(s.header(), ping(3));
    t.set(s.fd, IPPROTO_IP, IP_HDRINCL, 0);
    t.send_to(s.fd, ping(4), {t.address_of(Host::far), 0});
    t.await(s.far, POLLIN);
    t.recv_ip(s.far);
  });
}

TEST_CASE("a header of the program's with options", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    iphdr header = s.header();
    header.ihl = 6;
    s.send_and_hear(header, std::string("\x01\x01\x01\x00", 4) + ping(1));
  });
}

TEST_CASE("a source of the program's choice", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const Sending s{t};
    iphdr header = s.header();
    header.saddr = htonl(0xc6336401);  // 198.51.100.1, which is nobody here
    s.send_and_hear(header, ping(1));
    t.bind(s.fd);
    s.send_and_hear(s.header(), ping(2));
    s.send_and_hear(header, ping(3));
  });
}

TEST_CASE("on one host the source is the one that was bound", "[socket][raw][linux]") {
  same_as_linux_on(Setting::one_host, [](Transcript& t) {
    const Sending s{t};
    t.bind(s.fd, {INADDR_LOOPBACK + 4, 0});
    s.send_and_hear(s.header(), ping(1));
  });
}

TEST_CASE("the way is that of the address that the call names", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const Sending s{t};
    s.send(header_to(0xc000024d), ping(1));  // reaches the far host, which it is not for
    s.send_and_hear(s.header(), ping(3));
    t.send_to(s.fd, datagram_of(s.header(), ping(4)), {0xcb007101, 0});  // 203.0.113.1: no way there
    t.send_to(s.fd, datagram_of(s.header(), ping(4)), {0xc00002ff, 0});  // a broadcast
    t.send(s.fd, datagram_of(s.header(), ping(5)));
    t.connect(s.fd, {t.address_of(Host::far), 0});
    t.send(s.fd, datagram_of(s.header(), ping(6)));
    t.await(s.far, POLLIN);
    t.recv_ip(s.far);
    t.recv_ip(s.far);
  });
}

TEST_CASE("headers that cannot be sent", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    const std::string whole = datagram_of(s.header(), ping(1));
    for (const std::size_t size : {0U, 1U, 19U}) t.send_to(s.fd, whole.substr(0, size), {t.address_of(Host::far), 0});
    iphdr header = s.header();
    for (const unsigned words : {0U, 4U, 9U, 15U}) {
      header.ihl = words & 0xfU;
      s.send(header, ping(2));
    }
    header = s.header();
    header.version = 6;  // nobody looks at it here
    s.send(header, ping(3));
    s.send(s.header(), "");
    t.send_to(s.fd, whole, {t.address_of(Host::far), 0}, MSG_OOB);
    t.recv_ip(s.far);
  });
}

TEST_CASE("a datagram with a header of the program's is not cut to the link's size", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const Sending s{t};
    t.set(s.fd, IPPROTO_IP, IP_RECVERR, 1);
    s.send(s.header(), ping(1, std::string(1472, 'x')));
    t.await(s.far, POLLIN);
    t.recv_ip(s.far, 40);
    s.send(s.header(), ping(2, std::string(1473, 'x')));
    t.poll(s.fd);
    t.recv_error(s.fd);
    s.send(s.header(), std::string(65'515, 'x'));
    s.send(s.header(), std::string(65'516, 'x'));
  });
}

TEST_CASE("a header of the program's may be a fragment's", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    const std::string message = ping(1, std::string(20, 'x'));
    iphdr header = s.header();
    header.id = htons(99);
    header.frag_off = htons(IP_MF);
    s.send(header, message.substr(0, 16));
    t.recv_ip(s.far);
    header.frag_off = htons(2);
    s.send_and_hear(header, message.substr(16));
  });
}

TEST_CASE("a header of the program's names any protocol", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    const int receiver = t.far_datagram();
    t.bind(receiver);
    udphdr udp{};
    udp.source = htons(7);
    udp.dest = htons(t.place_of(receiver).port);
    udp.len = htons(sizeof(udp) + 5);
    s.send(header_to(t.address_of(Host::far), IPPROTO_UDP), std::string{reinterpret_cast<const char*>(&udp), sizeof(udp)} + "hello");
    t.await(receiver, POLLIN);
    t.recv(receiver, 10);
  });
}

TEST_CASE("IPPROTO_RAW sends headers of the program's from the start", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    const int fd = t.socket(SOCK_RAW | SOCK_NONBLOCK, IPPROTO_RAW);
    t.get(fd, IPPROTO_IP, IP_HDRINCL);
    t.get(fd, SOL_SOCKET, SO_PROTOCOL);
    t.get(fd, SOL_RAW, ICMP_FILTER);
    t.set(fd, SOL_RAW, ICMP_FILTER, 1);
    t.set(fd, SOL_RAW, 9999, 1);
    t.name_of(fd);
    t.send_to(fd, datagram_of(s.header(), ping(1)), {t.address_of(Host::far), 0});
    t.await(s.far, POLLIN);
    t.recv_ip(s.far);
    t.send_to(fd, "x", {t.address_of(Host::far), 0});
    t.recv(fd, 10);  // what others receive is not its business
    t.poll(fd);
    t.set(fd, IPPROTO_IP, IP_HDRINCL, 0);
    t.send_to(fd, "x", {t.address_of(Host::far), 0});
    t.connect(fd, {t.address_of(Host::far), 0});
    t.name_of(fd);
    t.disconnect(fd);
    t.name_of(fd);
  });
}

TEST_CASE("shutdown() and a pending error stand before a header of the program's", "[socket][raw][linux]") {
  same_as_linux([](Transcript& t) {
    const Sending s{t};
    t.connect(s.fd, {t.address_of(Host::far), 0});
    t.shutdown(s.fd, SHUT_WR);
    s.send(s.header(), ping(1));
    t.recv_ip(s.far);
    t.send(s.fd, "x");
    t.set(s.fd, IPPROTO_IP, IP_HDRINCL, 0);
    t.send(s.fd, ping(2));
    t.recv_ip(s.far);
  });
}
