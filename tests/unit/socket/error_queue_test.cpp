// ICMP errors that a connection's SYN is answered with, and what of them MSG_ERRQUEUE tells (man 7 ip, IP_RECVERR).
#include <catch2/catch.hpp>

#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "icmp_message.hpp"
#include "message_room.hpp"
#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::far_apart;
using tapir::test::TwoHosts;

namespace {

struct Report {
  sock_extended_err error{};
  sockaddr_in offender{};
  sockaddr_in to{};
  std::string quoted;
};

/// A connection under way, whose SYN is answered by an ICMP error before it can be by its peer.
struct RefusedOpening {
  TwoHosts hosts{far_apart(10ms)};
  int fd = hosts.left.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int reporter = hosts.right.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

  RefusedOpening() {
    const auto known = tapir::test::socket_address(tapir::test::kRightAddress, 9);
    const int first = hosts.left.socket(AF_INET, SOCK_DGRAM, 0);  // else the SYN waits for ARP
    (void)hosts.left.sendto(first, "x", 1, 0, tapir::test::generic(known), sizeof(known));
    hosts.pair.world.run_for(1s);
    hosts.log.segments.clear();
    CHECK(hosts.connect(fd) == -1);
    CHECK(errno == EINPROGRESS);
    hosts.pair.world.run_for(1us);
    REQUIRE(hosts.log.segments.size() == 1);
  }
  [[nodiscard]] std::string segment() const {
    const auto& bytes = hosts.log.segments.back().bytes;
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void report(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(static_cast<std::uint16_t>(sizeof(ip) + segment().size()));
    ip.ttl = 64;
    ip.protocol = IPPROTO_TCP;
    ip.saddr = htonl(tapir::test::kLeftAddress.value());
    ip.daddr = htonl(tapir::test::kRightAddress.value());
    const std::string quoted = std::string{reinterpret_cast<const char*>(&ip), sizeof(ip)} + segment();
    const std::string message = tapir::test::icmp_message(type, code, rest, quoted);
    const auto to = tapir::test::socket_address(tapir::test::kLeftAddress, 0);
    CHECK(hosts.right.sendto(reporter, message.data(), message.size(), 0, tapir::test::generic(to), sizeof(to)) > 0);
    hosts.pair.world.run_for(11ms);
  }
  [[nodiscard]] std::optional<Report> take() {
    tapir::test::MessageRoom room{200};
    const ssize_t count = hosts.left.recvmsg(fd, &room.header, MSG_ERRQUEUE);
    if (count < 0) return std::nullopt;
    Report told{.to = room.from, .quoted = room.bytes.substr(0, static_cast<std::size_t>(count))};
    tapir::test::for_each_control(room.header, [&told](const cmsghdr& control) {
      told.error = tapir::test::control_data<sock_extended_err>(control);
      told.offender = tapir::test::control_data<sockaddr_in>(control, sizeof(told.error));
    });
    return told;
  }
};

}  // namespace

TEST_CASE("the ICMP error that ends a connect() is on the error queue", "[socket][errors]") {
  struct Case {
    std::uint8_t type;
    std::uint8_t code;
    int number;
    std::uint32_t rest;
    std::uint32_t info;
  };
  const auto icmp = GENERATE(
      Case{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ECONNREFUSED, 0, 0}, Case{ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, ENOPROTOOPT, 0, 0},
      Case{ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, EHOSTUNREACH, 0, 0}, Case{ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ENETUNREACH, 0, 0},
      Case{ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, EHOSTUNREACH, 0, 0}, Case{ICMP_PARAMETERPROB, 0, EPROTO, 0x05000000, 5});
  RefusedOpening refused;
  INFO(int{icmp.type} << '/' << int{icmp.code});
  CHECK_FALSE(refused.take());
  refused.report(icmp.type, icmp.code, icmp.rest);
  CHECK((refused.hosts.left.readiness(refused.fd) & EPOLLERR) != 0);
  SECTION("taken from the queue it is not pending any more") {
    const auto told = refused.take();
    REQUIRE(told);
    CHECK(told->error.ee_errno == static_cast<std::uint32_t>(icmp.number));
    CHECK(told->error.ee_origin == SO_EE_ORIGIN_ICMP);
    CHECK(told->error.ee_type == icmp.type);
    CHECK(told->error.ee_code == icmp.code);
    CHECK(told->error.ee_info == icmp.info);
    CHECK(ntohl(told->offender.sin_addr.s_addr) == tapir::test::kRightAddress.value());
    CHECK(ntohs(told->to.sin_port) == TwoHosts::kPort);
    CHECK(told->quoted == refused.segment());
    CHECK_FALSE(refused.take());
    CHECK(TwoHosts::get(refused.hosts.left, refused.fd, SOL_SOCKET, SO_ERROR) == 0);
  }
  SECTION("taken by SO_ERROR it stays in the queue") {
    CHECK(TwoHosts::get(refused.hosts.left, refused.fd, SOL_SOCKET, SO_ERROR) == icmp.number);
    CHECK((refused.hosts.left.readiness(refused.fd) & EPOLLERR) != 0);
    CHECK(refused.take());
    CHECK((refused.hosts.left.readiness(refused.fd) & EPOLLERR) == 0);
  }
}

TEST_CASE("an ICMP message that says nothing to programs ends no connect()", "[socket][errors]") {
  RefusedOpening refused;
  const auto [type, code] = GENERATE(std::pair{ICMP_DEST_UNREACH, 16}, std::pair{ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME});
  refused.report(static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code));
  CHECK(refused.hosts.left.readiness(refused.fd) == 0);
  CHECK_FALSE(refused.take());
}

TEST_CASE("an ICMP error about an open connection is pending, not queued", "[socket][errors]") {
  RefusedOpening refused;
  const int listener = refused.hosts.listen();
  refused.hosts.pair.world.run_for(1s);
  const int server = refused.hosts.right.accept(listener, nullptr, nullptr);
  REQUIRE(server >= 0);
  refused.hosts.pair.cable.cut(true);
  CHECK(TwoHosts::send(refused.hosts.left, refused.fd, "x") == 1);
  refused.hosts.pair.world.run_for(1us);
  refused.hosts.pair.cable.cut(false);
  const bool asked = GENERATE(false, true);
  if (asked) REQUIRE(TwoHosts::set(refused.hosts.left, refused.fd, IPPROTO_IP, IP_RECVERR, 1) == 0);
  refused.report(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
  CHECK_FALSE(refused.take());
  CHECK(TwoHosts::get(refused.hosts.left, refused.fd, SOL_SOCKET, SO_ERROR) == (asked ? EHOSTUNREACH : 0));
}

TEST_CASE("an ICMP error that a handshake has survived says nothing of the connection's end", "[socket][errors]") {
  RefusedOpening refused;
  TwoHosts& hosts = refused.hosts;
  hosts.pair.cable.cut(true);  // what its peer says is made up here
  struct Segment {
    tapir::be16 source_port, destination_port;
    tapir::be32 sequence, acknowledgment;
    tapir::be16 flags, window, checksum, urgent;
  };
  Segment syn{};
  std::memcpy(&syn, refused.segment().data(), sizeof(syn));
  const auto answer = [&](std::uint32_t sequence, std::uint16_t flags) {
    Segment segment{};
    segment.source_port = syn.destination_port;
    segment.destination_port = syn.source_port;
    segment.sequence = sequence;
    segment.acknowledgment = syn.sequence + 1;
    segment.flags = static_cast<std::uint16_t>(0x5000U | flags);
    segment.window = 65535;
    tapir::Packet packet{hosts.pair.left->context().pool, sizeof(segment)};
    packet.append_copy(std::as_bytes(std::span{&segment, 1}));
    packet.meta().checksum = tapir::ChecksumState::verified;
    tapir::network::Received from;
    from.source = tapir::test::kRightAddress;
    from.destination = tapir::test::kLeftAddress;
    from.protocol = tapir::network::Protocol::tcp;
    from.ttl = 64;
    CHECK(hosts.pair.left->tcp().demultiplex(std::move(packet), from));
  };
  // Both come before anybody is told of either.
  const auto quoted = hosts.log.segments.back().bytes;
  tapir::network::ErrorReport report;
  report.kind = tapir::network::ErrorKind::host_unreachable;
  report.type = ICMP_DEST_UNREACH;
  report.code = ICMP_HOST_UNREACH;
  report.source = tapir::test::kLeftAddress;
  report.destination = report.reporter = tapir::test::kRightAddress;
  report.transport = quoted;
  hosts.pair.left->ipv4().deliver_error(tapir::network::Protocol::tcp, report);
  answer(1000, 0x12);
  hosts.pair.world.run_for(10ms);
  CHECK(hosts.connect(refused.fd) == 0);
  CHECK(TwoHosts::get(hosts.left, refused.fd, SOL_SOCKET, SO_ERROR) == 0);
  answer(1001, 0x04);
  hosts.pair.world.run_for(10ms);
  CHECK(TwoHosts::get(hosts.left, refused.fd, SOL_SOCKET, SO_ERROR) == ECONNRESET);
  CHECK_FALSE(refused.take());
}
