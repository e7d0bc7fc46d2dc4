#pragma once

#include <cstdint>

#include <tapir/core/addresses.hpp>

namespace tapir::arp {

/// What IPv4 says about a datagram that goes to one neighbour: ARP finds the hardware address.
struct Send {
  Ipv4Address
      next_hop{};  ///< on this link: the destination itself, or a gateway; a broadcast or multicast address is mapped without a request
  bool broadcast = false;  ///< next_hop is a broadcast address of this link
  std::uint8_t tos = 0;
  Ipv4Address source{};  ///< the datagram's source: a request names it as its sender when it is ours; unspecified: the first own address
};

}  // namespace tapir::arp
