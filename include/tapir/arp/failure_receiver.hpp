#pragma once

#include <tapir/core/addresses.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::arp {

/// Who is told that a neighbour did not answer: the network layer, which reports host unreachable to the datagram's sender.
class FailureReceiver {
 public:
  virtual ~FailureReceiver() = default;
  /// `datagram` waited for `next_hop` and comes back as it was handed to Arp::encapsulate(). May send; must not destroy the Arp.
  virtual void unresolved(Ipv4Address next_hop, Packet datagram) = 0;
};

}  // namespace tapir::arp
