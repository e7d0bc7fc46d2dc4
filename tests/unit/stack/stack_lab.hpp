#pragma once

#include <catch2/catch.hpp>

#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>

#include <memory>
#include <string>

#include <support/lab.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::test {

using namespace literals;
using namespace std::chrono_literals;

inline constexpr MacAddress kOwnMac{{0x02, 0, 0, 0, 0, 2}};
inline constexpr MacAddress kPeerMac{{0x02, 0, 0, 0, 0, 1}};
inline constexpr Ipv4Address kOwn = "192.0.2.2"_ipv4;
inline constexpr Ipv4Address kPeer = "192.0.2.1"_ipv4;
inline constexpr Port kOurPort{5000};
inline constexpr Port kPeerPort{6000};

/// A whole host 192.0.2.2/24 on a link that records, with the peer 192.0.2.1 in its ARP table.
struct StackLab {
  explicit StackLab(StackConfig config = {}) {
    config.address = "192.0.2.2/24"_prefix;
    config.mac = kOwnMac;
    auto recording = std::make_unique<RecordingLink>(world.pool());
    link = recording.get();
    stack.emplace(world, std::move(recording), config);
    REQUIRE(stack->status());
    REQUIRE(stack->arp().add_static(kPeer, kPeerMac));
    (void)link->take();  // the gratuitous ARP
  }

  /// A UDP datagram from the peer in a frame as libtins writes it, without padding.
  [[nodiscard]] static Bytes frame(const std::string& payload, Ipv4Address destination = kOwn, MacAddress to = kOwnMac) {
    auto ethernet = Tins::EthernetII(to_string(to), to_string(kPeerMac)) / Tins::IP(to_string(destination), to_string(kPeer)) /
                    Tins::UDP(kOurPort.value(), kPeerPort.value()) / Tins::RawPDU(payload);
    Bytes bytes = bytes_of(ethernet.serialize());
    bytes.resize(14 + 20 + 8 + payload.size());
    return bytes;
  }

  sim::World world;
  RecordingLink* link = nullptr;  ///< the stack's
  std::optional<Stack> stack;
};

}  // namespace tapir::test
