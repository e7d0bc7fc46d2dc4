// What programs hear of ICMP errors that another host reports: each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/icmp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include <cstring>
#include <string>

#include "icmp_message.hpp"
#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux_on;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {

/// The start of a datagram as an error quotes it: IPv4 header and 8 octets of what it carries, behind which `data` follows.
std::string quoted(const Place& from, const Place& to, std::uint8_t protocol, const std::string& transport) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(static_cast<std::uint16_t>(sizeof(ip) + transport.size()));
  ip.ttl = 64;
  ip.protocol = protocol;
  ip.saddr = htonl(from.address);
  ip.daddr = htonl(to.address);
  return std::string{reinterpret_cast<const char*>(&ip), sizeof(ip)} + transport;
}

std::string quoted_udp(const Place& from, const Place& to, const std::string& data) {
  udphdr udp{};
  udp.source = htons(from.port);
  udp.dest = htons(to.port);
  udp.len = htons(static_cast<std::uint16_t>(sizeof(udp) + data.size()));
  return quoted(from, to, IPPROTO_UDP, std::string{reinterpret_cast<const char*>(&udp), sizeof(udp)} + data);
}

/// A datagram socket on the near host that has sent to one on the far host, and a raw socket there that reports what it likes.
struct Reporting {
  Reporting(Transcript& transcript, bool connected, std::size_t size = 1) : t{transcript}, data(size, 'x') {
    t.bind(server);
    t.bind(client);
    to = t.place_of(server);
    from = t.place_of(client);
    if (connected) t.connect(client, to);
    t.send_to(client, data, to);
    t.recv_plain(server, 1);
  }
  /// Reports about that datagram, and sends another after it: when that has come the report has, too.
  void report(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0) {
    const std::string message = tapir::test::icmp_message(type, code, rest, quoted_udp(from, to, data));
    t.say("report " + std::to_string(type) + " " + std::to_string(code));
    t.send_to(reporter, message, {t.address_of(Host::near), 0});
    t.send_to(server, "y", from);
    t.await(client, POLLIN);
    t.poll(client);
    t.get(client, SOL_SOCKET, SO_ERROR);
  }
  Transcript& t;
  std::string data;
  int server = t.far_datagram();
  int reporter = t.far_raw();
  int client = t.datagram(SOCK_NONBLOCK);
  Place to;
  Place from;
};

void report_all(Reporting& reporting, void (*then)(Reporting&)) {
  for (std::uint8_t code = 0; code <= 16; ++code) {
    if (code == ICMP_FRAG_NEEDED) continue;
    reporting.report(ICMP_DEST_UNREACH, code);
    then(reporting);
  }
  for (std::uint8_t code = 0; code < 2; ++code) {
    reporting.report(ICMP_TIME_EXCEEDED, code);
    then(reporting);
  }
  reporting.report(ICMP_PARAMETERPROB, 0, 0x01000000);
  then(reporting);
  reporting.report(ICMP_SOURCE_QUENCH, 0);
  then(reporting);
}

}  // namespace

TEST_CASE("what each ICMP error is to a datagram socket", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    for (const bool connected : {false, true}) {
      Reporting reporting{t, connected};
      report_all(reporting, [](Reporting& r) { r.t.recv(r.client, 1, MSG_DONTWAIT); });
    }
  });
}

TEST_CASE("what IP_RECVERR tells of each ICMP error", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    for (const bool connected : {false, true}) {
      Reporting reporting{t, connected};
      t.set(reporting.client, IPPROTO_IP, IP_RECVERR, 1);
      report_all(reporting, [](Reporting& r) {
        r.t.recv_error(r.client);
        r.t.recv(r.client, 1, MSG_DONTWAIT);
      });
    }
  });
}

TEST_CASE("a path that takes less than the link", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    for (const int how : {IP_PMTUDISC_DONT, IP_PMTUDISC_WANT, IP_PMTUDISC_DO}) {
      Reporting reporting{t, true, 1200};
      t.set(reporting.client, IPPROTO_IP, IP_MTU_DISCOVER, how);
      reporting.report(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1000);
      t.get(reporting.client, IPPROTO_IP, IP_MTU);
      t.send(reporting.client, std::string(1200, 'x'));
      t.get(reporting.client, SOL_SOCKET, SO_ERROR);
    }
  });
}

TEST_CASE("what each ICMP error is to a raw socket", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int plain = t.raw(SOCK_NONBLOCK);
    const int connected = t.raw(SOCK_NONBLOCK);
    const int asked = t.raw(SOCK_NONBLOCK);
    const int reporter = t.far_raw();
    const Place near{t.address_of(Host::near), 0};
    const Place far{t.address_of(Host::far), 0};
    for (const int fd : {plain, connected, asked}) t.set(fd, SOL_RAW, ICMP_FILTER, -1);
    t.connect(connected, far);
    t.set(asked, IPPROTO_IP, IP_RECVERR, 1);
    const std::string echo = tapir::test::icmp_message(ICMP_ECHO, 0, 0x12340001, "data");
    const auto report = [&](std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0) {
      t.say("report " + std::to_string(type) + " " + std::to_string(code));
      t.send_to(reporter, tapir::test::icmp_message(type, code, rest, quoted(near, far, IPPROTO_ICMP, echo)), near);
      t.await(asked, POLLERR);
      for (const int fd : {plain, connected, asked}) {
        t.poll(fd);
        t.get(fd, SOL_SOCKET, SO_ERROR);
      }
      t.recv_error(asked);
      t.recv_error(asked);
    };
    for (std::uint8_t code = 0; code <= 15; ++code) {
      if (code != ICMP_FRAG_NEEDED) report(ICMP_DEST_UNREACH, code);
    }
    report(ICMP_TIME_EXCEEDED, 0);
    report(ICMP_PARAMETERPROB, 0, 0x01000000);
  });
}

TEST_CASE("who sends headers gets them back with an error", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.raw(SOCK_NONBLOCK);
    const int reporter = t.far_raw();
    const Place near{t.address_of(Host::near), 0};
    t.set(fd, SOL_RAW, ICMP_FILTER, -1);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    const std::string echo = tapir::test::icmp_message(ICMP_ECHO, 0, 0x12340001, "data");
    for (const int headers : {1, 0, 1}) {
      t.set(fd, IPPROTO_IP, IP_HDRINCL, headers);
      t.send_to(reporter,
                tapir::test::icmp_message(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0,
                                          quoted(near, {t.address_of(Host::far), 0}, IPPROTO_ICMP, echo)),
                near);
      t.await(fd, POLLERR);
      t.recv_error(fd);
    }
  });
}
