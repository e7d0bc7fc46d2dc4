// What a connection that fails leaves for MSG_ERRQUEUE (man 7 ip, IP_RECVERR): each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/net_tstamp.h>

#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::same_as_linux_on;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {
constexpr Place kNobodyThere{.address = 0xc000024d, .port = 7};  // 192.0.2.77: on the link, if anywhere
constexpr Place kNobodyHere{.address = 0xc000024f, .port = 7};

int fails(Transcript& t, int flags = SOCK_NONBLOCK) {
  const int fd = t.stream(flags);
  t.connect(fd, kNobodyThere);
  t.await(fd, POLLERR);
  return fd;
}
}  // namespace

TEST_CASE("a connection that fails leaves the reason for MSG_ERRQUEUE", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    for (const bool first : {true, false}) {
      const int fd = fails(t);
      t.poll(fd);
      if (first) t.get(fd, SOL_SOCKET, SO_ERROR);
      t.poll(fd);
      t.recv_segment_error(fd);
      t.recv_segment_error(fd);
      t.get(fd, SOL_SOCKET, SO_ERROR);
      t.poll(fd);
      t.connect(fd, kNobodyThere);
    }
  });
}

TEST_CASE("what has failed is queued behind what failed before", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = fails(t);
    t.connect(fd, kNobodyThere);  // tells of the failure
    t.poll(fd);
    t.connect(fd, kNobodyHere);
    t.await(fd, POLLHUP);
    t.recv_segment_error(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.poll(fd);
    t.recv_segment_error(fd, 3);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.recv_segment_error(fd);
    const int blocking = t.stream();
    t.connect(blocking, kNobodyThere);
    t.poll(blocking);
    t.recv_segment_error(blocking);
    t.poll(blocking);
  });
}

TEST_CASE("IP_RECVERR taken back empties the queue", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = fails(t);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.poll(fd);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 0);
    t.recv_segment_error(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.poll(fd);
  });
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.send_to(fd, "lost", {t.address_of(Host::far), 9});
    t.await(fd, POLLERR);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 0);
    t.recv_error(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.poll(fd);
  });
}

TEST_CASE("an error tells when it came", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.set(fd, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE);
    t.send_to(fd, "lost", {t.address_of(Host::far), 9});
    t.await(fd, POLLERR);
    t.recv_error(fd);
  });
}

TEST_CASE("a datagram that is too long leaves what was pending as it was", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.set(fd, IPPROTO_IP, IP_RECVERR, 1);
    t.set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    const std::string large(1473, 'x');
    const Place far{t.address_of(Host::far), 9};
    t.send_to(fd, large, far);
    t.send_to(fd, "lost", far);
    t.await(fd, POLLERR);
    t.poll(fd);
    t.recv_error(fd);
    t.poll(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.recv_error(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
    t.send_to(fd, large, far);
    t.recv_error(fd);
    t.get(fd, SOL_SOCKET, SO_ERROR);
  });
}
