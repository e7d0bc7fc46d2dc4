// What only two hosts on an Ethernet show: sizes, broadcasts and groups. Each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/icmp.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include <array>
#include <string>

#include "icmp_message.hpp"
#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::same_as_linux_on;
using tapir::test::Setting;
using tapir::test::Transcript;

namespace {
constexpr std::uint32_t kGroup = 0xe0000105;      // 224.0.1.5
constexpr std::uint32_t kBroadcast = 0xc00002ff;  // 192.0.2.255

ip_mreq membership(Transcript& t, Host host) {
  ip_mreq request{};
  request.imr_multiaddr.s_addr = htonl(kGroup);
  request.imr_interface.s_addr = htonl(t.address_of(host));
  return request;
}
}  // namespace

TEST_CASE("datagrams as large as the link, and larger", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int server = t.far_datagram();
    t.bind(server);
    const auto place = t.place_of(server);
    const int client = t.datagram();
    const auto exchange = [&](std::size_t size) {
      t.send_to(client, std::string(size, 'x'), place);
      t.await(server, POLLIN);
      t.recv_from(server, 1);
      t.ioctl(server, FIONREAD);
    };
    for (const std::size_t size : {std::size_t{1472}, std::size_t{1473}, std::size_t{5000}, std::size_t{65'507}}) exchange(size);
    t.get(client, IPPROTO_IP, IP_MTU);
    t.set(client, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    exchange(1472);
    t.send_to(client, std::string(1473, 'x'), place);
    t.poll(client);
    t.set(client, IPPROTO_IP, IP_RECVERR, 1);
    t.send_to(client, std::string(1473, 'x'), place);
    t.poll(client);
    t.get(client, SOL_SOCKET, SO_ERROR);
    t.recv_error(client);
    t.recv_error(client);
    t.connect(client, place);
    t.get(client, IPPROTO_IP, IP_MTU);
    for (const int how : {IP_PMTUDISC_PROBE, IP_PMTUDISC_DONT, IP_PMTUDISC_WANT}) {
      t.set(client, IPPROTO_IP, IP_MTU_DISCOVER, how);
      t.send(client, std::string(1473, 'x'));
    }
  });
}

TEST_CASE("a broadcast to the link", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int anybody = t.far_datagram();
    t.bind(anybody, {INADDR_ANY, 0});
    t.set(anybody, IPPROTO_IP, IP_PKTINFO, 1);
    const auto port = t.place_of(anybody).port;
    const int client = t.datagram();
    t.bind(client);
    t.send_to(client, "x", {kBroadcast, port});
    t.connect(client, {kBroadcast, port});
    t.set(client, SOL_SOCKET, SO_BROADCAST, 1);
    t.send_to(client, "to all on the link", {kBroadcast, port});
    t.await(anybody, POLLIN);
    t.recv_control(anybody, 20);
    t.connect(client, {kBroadcast, port});
    t.peer_of(client);
    t.name_of(client);
    t.send(client, "once more");
    t.await(anybody, POLLIN);
    t.recv_from(anybody, 20);
    // A socket at the one address hears nothing of it.
    const int one = t.far_datagram(SOCK_NONBLOCK);
    t.bind(one);
    t.send_to(client, "x", {kBroadcast, t.place_of(one).port});
    t.recv(one, 1);
    const int bound = t.far_datagram();
    t.bind(bound, {kBroadcast, 0});
    t.name_of(bound);
    t.send_to(client, "y", {kBroadcast, t.place_of(bound).port});
    t.await(bound, POLLIN);
    t.recv_from(bound, 1);
    t.connect(t.stream(), {kBroadcast, port});
    const int stream = t.stream();
    t.set(stream, SOL_SOCKET, SO_BROADCAST, 1);
    t.connect(stream, {kBroadcast, port});
  });
}

TEST_CASE("datagrams to a group on the link", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int member = t.far_datagram();
    t.bind(member, {INADDR_ANY, 0});
    t.set(member, IPPROTO_IP, IP_PKTINFO, 1);
    t.set(member, IPPROTO_IP, IP_RECVTTL, 1);
    const auto port = t.place_of(member).port;
    const int client = t.datagram();
    const in_addr by{.s_addr = htonl(t.address_of(Host::near))};
    t.set_raw(client, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by));
    t.send_to(client, "too early", {kGroup, port});
    const ip_mreq request = membership(t, Host::far);
    t.set_raw(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    t.send_to(client, "to the group", {kGroup, port});
    t.await(member, POLLIN);
    t.recv_control(member, 20);
    t.set(client, IPPROTO_IP, IP_MULTICAST_TTL, 9);
    t.send_to(client, "further", {kGroup, port});
    t.await(member, POLLIN);
    t.recv_control(member, 20);
    t.set_raw(member, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request));
    t.send_to(client, "too late", {kGroup, port});
    t.recv(member, 20, MSG_DONTWAIT);
    t.connect(client, {kGroup, port});
    t.peer_of(client);
    t.name_of(client);
  });
}

TEST_CASE("what a host sends to a group comes to its own members", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int member = t.datagram();
    t.bind(member, {INADDR_ANY, 0});
    const ip_mreq request = membership(t, Host::near);
    t.set_raw(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    const int client = t.datagram();
    t.set_raw(client, IPPROTO_IP, IP_MULTICAST_IF, &request.imr_interface, sizeof(in_addr));
    const tapir::test::Place to{kGroup, t.place_of(member).port};
    t.send_to(client, "looped", to);
    t.await(member, POLLIN);
    t.recv_from(member, 20);
    t.set(client, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    t.send_to(client, "not looped", to);
    t.recv(member, 20, MSG_DONTWAIT);
  });
}

TEST_CASE("what a raw socket sends to a group comes back, or does not", "[socket][raw][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const int member = t.datagram();
    t.bind(member);
    const ip_mreq request = membership(t, Host::near);
    t.set_raw(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    const int hears = t.raw(SOCK_NONBLOCK);
    for (const int protocol : {IPPROTO_ICMP, IPPROTO_RAW}) {
      const int fd = t.socket(SOCK_RAW | SOCK_NONBLOCK, protocol);
      t.set_raw(fd, IPPROTO_IP, IP_MULTICAST_IF, &request.imr_interface, sizeof(in_addr));
      iphdr header{};
      header.version = 4;
      header.ihl = 5;
      header.ttl = 1;
      header.protocol = IPPROTO_ICMP;
      header.daddr = htonl(kGroup);
      std::string message = tapir::test::icmp_message(ICMP_TIMESTAMPREPLY, 0, 0x12340001, std::string(12, 'x'));
      if (protocol == IPPROTO_RAW) message.insert(0, reinterpret_cast<const char*>(&header), sizeof(header));
      for (const int loop : {1, 0, 1}) {
        t.set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, loop);
        t.send_to(fd, message, {kGroup, 0});
        if (loop == 1) t.await(hears, POLLIN);
        t.recv_ip(hears);
      }
    }
  });
}

TEST_CASE("the sizes and options that two hosts agree on", "[socket][linux]") {
  same_as_linux_on(Setting::two_hosts, [](Transcript& t) {
    const auto all = t.linked();
    const auto show = [&t](int fd) {
      t.get(fd, IPPROTO_TCP, TCP_MAXSEG);
      t.get(fd, IPPROTO_IP, IP_MTU);
      tcp_info info{};
      socklen_t size = sizeof(info);
      (void)t.calls().getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
      t.say("options " + std::to_string(info.tcpi_options) + ", sends segments of " + std::to_string(info.tcpi_snd_mss) + ", path MTU " +
            std::to_string(info.tcpi_pmtu));
    };
    show(all.client);
    show(all.server);
    const int small = t.stream();
    t.set(small, IPPROTO_TCP, TCP_MAXSEG, 500);
    t.connect(small, all.place);
    show(small);
    show(t.accept(all.listener));
  });
}
