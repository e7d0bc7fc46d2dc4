#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tins/arp.h>
#include <tins/ethernetII.h>

#include <support/lab.hpp>

#include <tapir/arp/arp.hpp>
#include <tapir/ethernet/ethernet.hpp>

namespace tapir::test {

using namespace std::chrono_literals;
using namespace tapir::literals;

inline constexpr MacAddress kOwnMac = "02:00:5e:10:00:02"_mac;
inline constexpr MacAddress kPeerMac = "02:00:5e:10:00:01"_mac;
inline constexpr MacAddress kOtherMac = "02:00:5e:10:00:77"_mac;
inline constexpr Ipv4Address kOwnIp = "192.0.2.2"_ipv4;
inline constexpr Ipv4Address kPeerIp = "192.0.2.1"_ipv4;
inline constexpr Ipv4Address kOtherIp = "192.0.2.77"_ipv4;

/// One ARP message as libtins reads or writes it, in our own types.
struct Heard {
  MacAddress to;    ///< Ethernet destination
  MacAddress from;  ///< Ethernet source
  unsigned operation = 0;
  MacAddress sha;
  Ipv4Address spa;
  MacAddress tha;
  Ipv4Address tpa;
};

inline Tins::HWAddress<6> tins(const MacAddress& address) { return Tins::HWAddress<6>{address.octets().data()}; }
inline Tins::IPv4Address tins(Ipv4Address address) { return Tins::IPv4Address{to_string(address)}; }
inline MacAddress ours(const Tins::HWAddress<6>& address) { return MacAddress::parse(address.to_string()).value(); }
inline Ipv4Address ours(const Tins::IPv4Address& address) { return Ipv4Address::parse(address.to_string()).value(); }

/// A frame that libtins builds.
inline Bytes frame_of(const Heard& heard, std::uint16_t type = 0x0806) {
  Tins::ARP arp{tins(heard.tpa), tins(heard.spa), tins(heard.tha), tins(heard.sha)};
  arp.opcode(static_cast<Tins::ARP::Flags>(heard.operation));
  Bytes frame = bytes_of((Tins::EthernetII{tins(heard.to), tins(heard.from)} / arp).serialize());
  frame[12] = static_cast<std::byte>(type >> 8U);
  frame[13] = static_cast<std::byte>(type & 0xffU);
  return frame;
}

/// A frame read by libtins, which throws when it cannot.
inline Heard read_arp(const Bytes& frame) {
  const Tins::EthernetII ethernet{reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<std::uint32_t>(frame.size())};
  const auto& arp = ethernet.rfind_pdu<Tins::ARP>();
  return {ours(ethernet.dst_addr()),  ours(ethernet.src_addr()), arp.opcode(), ours(arp.sender_hw_addr()), ours(arp.sender_ip_addr()),
          ours(arp.target_hw_addr()), ours(arp.target_ip_addr())};
}

inline bool is_arp(const Bytes& frame) { return frame[12] == std::byte{0x08} && frame[13] == std::byte{0x06}; }

/// A host with ARP on a link that records, and whoever a test lets speak on that link.
struct Neighbourhood : arp::FailureReceiver {
  explicit Neighbourhood(arp::Config config = {})
      : link{lab.pool}, ethernet{lab.context, link, {.address = kOwnMac}}, arp{lab.context, ethernet, kOwnMac, config} {
    ethernet.attach(ethernet::EtherType::arp, arp);
    arp.add_address(kOwnIp);
    arp.set_failure_receiver(this);
  }
  void unresolved(Ipv4Address next_hop, Packet datagram) override { failures.emplace_back(next_hop, datagram.bytes()); }

  /// Sends a datagram whose bytes are all `mark`.
  Result<> send(Ipv4Address next_hop, std::uint8_t mark = 1) {
    return arp.encapsulate(lab.packet(Bytes(64, std::byte{mark})), {.next_hop = next_hop});
  }
  Accepted hear(const Heard& heard) { return link.inject(frame_of(heard)); }
  Accepted reply(Ipv4Address spa = kPeerIp, MacAddress sha = kPeerMac) {
    return hear({.to = kOwnMac, .from = kPeerMac, .operation = 2, .sha = sha, .spa = spa, .tha = kOwnMac, .tpa = kOwnIp});
  }
  Accepted request(Ipv4Address spa = kPeerIp, MacAddress sha = kPeerMac, Ipv4Address tpa = kOwnIp) {
    return hear({.to = MacAddress::broadcast(), .from = kPeerMac, .operation = 1, .sha = sha, .spa = spa, .tha = {}, .tpa = tpa});
  }
  /// Lets the peer's address be known, and forgets the frames of it.
  void resolve(Ipv4Address address = kPeerIp, MacAddress hardware = kPeerMac) {
    (void)send(address);
    (void)reply(address, hardware);
    (void)link.take();
  }
  /// Takes what was sent since the last take: ARP messages, and the destinations and marks of datagrams.
  struct Sent {
    std::vector<Heard> messages;
    std::vector<std::pair<MacAddress, unsigned>> datagrams;
  };
  [[nodiscard]] Sent take() {
    Sent sent;
    for (const Bytes& frame : link.take()) {
      if (is_arp(frame)) {
        sent.messages.push_back(read_arp(frame));
      } else {
        MacAddress to;
        std::memcpy(&to, frame.data(), sizeof(to));
        sent.datagrams.emplace_back(to, std::to_integer<unsigned>(frame[14]));
      }
    }
    return sent;
  }
  [[nodiscard]] std::uint64_t drops(Drop reason) const { return arp.drops()[reason]; }
  [[nodiscard]] std::size_t size() const { return arp.entries().size(); }

  Lab lab;
  RecordingLink link;
  ethernet::Ethernet ethernet;
  arp::Arp arp;
  std::vector<std::pair<Ipv4Address, Bytes>> failures;
};

}  // namespace tapir::test
