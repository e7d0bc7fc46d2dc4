#pragma once

#include <catch2/catch.hpp>

#include <tapir/ipv4/ipv4.hpp>
#include <tapir/udp/udp.hpp>

#include "icmp_lab.hpp"

namespace tapir::test {

using namespace std::chrono_literals;

inline constexpr Ipv4Address kGateway = "192.0.2.254"_ipv4;
inline constexpr Ipv4Address kFar = "203.0.113.9"_ipv4;

/// Keeps the datagrams that leave, and to which neighbour.
struct Neighbours final : Encapsulator<arp::Send> {
  struct Sent {
    Bytes bytes;
    Ipv4Address next_hop;
  };
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const arp::Send& to) override {
    sent.push_back({packet.bytes(), to.next_hop});
    return {};
  }
  std::vector<Sent> sent;
};

/// A host at 192.0.2.2/24 behind a gateway: IPv4, ICMP and UDP, on a link that records.
struct Host : Lab {
  explicit Host(ipv4::Config config = {}, icmp::Config icmp_config = {})
      : ip{context, config}, icmp{context, ip, ip, icmp_config}, udp{context, ip} {
    ip.set_error_sender(&icmp);
    REQUIRE(ip.add_interface({.name = "tap0", .addresses = {"192.0.2.2/24"_prefix}, .neighbours = &below}));
    REQUIRE(ip.add_default_gateway(kGateway));
  }
  ~Host() { ip.set_error_sender(nullptr); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  Accepted inject(const Bytes& datagram, LinkCast cast = LinkCast::unicast, InterfaceIndex interface = {}) {
    ethernet::Received from{};
    from.type = ethernet::EtherType::ipv4;
    from.cast = cast;
    from.interface = interface;
    return ip.demultiplex(packet(datagram), from);
  }
  /// The ICMP messages sent since the last call, as libtins reads them from the whole datagrams.
  std::vector<Tins::IP> take() {
    std::vector<Tins::IP> all;
    for (const auto& sent : std::exchange(below.sent, {})) {
      all.emplace_back(reinterpret_cast<const std::uint8_t*>(sent.bytes.data()), static_cast<std::uint32_t>(sent.bytes.size()));
    }
    return all;
  }
  /// Which neighbour the next datagram to `destination` goes to.
  Ipv4Address next_hop(Ipv4Address destination) {
    below.sent.clear();
    auto socket = udp.bind({{}, Port{}});
    REQUIRE(socket->send_to({destination, Port{9}}, Bytes(1)));
    REQUIRE(below.sent.size() == 1);
    return std::exchange(below.sent, {}).front().next_hop;
  }

  Neighbours below;
  ipv4::Ipv4 ip;
  icmp::Icmp icmp;
  udp::Udp udp;
};

}  // namespace tapir::test
