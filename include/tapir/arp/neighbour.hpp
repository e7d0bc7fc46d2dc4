#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>

namespace tapir::arp {

/// What is known of a neighbour's hardware address.
enum class NeighbourState : std::uint8_t {
  incomplete,  ///< asked for, no answer yet
  resolved,    ///< known until its lifetime ends
  failed,      ///< did not answer; datagrams are refused for a while
  permanent,   ///< entered by hand: neither expires nor is overwritten
};

/// One entry of the ARP table, as it was when the snapshot was taken.
struct Neighbour {
  Ipv4Address address;
  std::optional<MacAddress> hardware;  ///< of resolved and permanent entries
  NeighbourState state{};
  std::optional<Duration> remaining;  ///< of resolved entries: until the lifetime ends; of failed ones: until it may be asked for again
  std::size_t waiting = 0;            ///< datagrams that wait for the answer
};

/// The table as `arp -n` prints it: Address, HWtype, HWaddress, Flags Mask, Iface; C complete, M permanent.
[[nodiscard]] std::string format_table(std::span<const Neighbour> neighbours, std::string_view interface);

}  // namespace tapir::arp
