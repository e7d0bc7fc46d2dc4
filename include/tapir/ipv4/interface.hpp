#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tapir/arp/send.hpp>
#include <tapir/core/addresses.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/link/link.hpp>

namespace tapir::ipv4 {

/// What is said about an interface when it is added.
struct InterfaceConfig {
  std::string name = {};                              ///< as `route -n` prints it: "tap0"
  std::vector<Ipv4Prefix> addresses = {};             ///< own addresses with their networks; the first of a network is preferred as source
  std::size_t mtu = 1500;                             ///< largest datagram in one frame, bytes, 68-65535
  Encapsulator<arp::Send>* neighbours = nullptr;      ///< takes the datagrams that leave here; outlives the Ipv4
  const link::Link* link = nullptr;                   ///< asked whether it is writable; nullptr: it always is. Outlives the Ipv4
  std::optional<std::size_t> max_super_segment = {};  ///< bytes, 0: none; empty: what the link's capabilities say
  bool forwarding = true;                             ///< takes part in forwarding where that is on at all
  /// Called when this host becomes a member of a multicast group here, and when it ceases to be: the link's filter and IGMP want to know.
  std::function<void(Ipv4Address group, bool member)> membership_changed = {};
};

/// An interface as Ipv4 keeps it.
struct Interface {
  InterfaceIndex index{};
  InterfaceConfig config;
  const link::Capabilities* capabilities = nullptr;  ///< of its link; nullptr without one
  std::map<Ipv4Address, unsigned> groups;            ///< joined multicast groups, with how often

  [[nodiscard]] bool is_own(Ipv4Address address) const noexcept;
  /// Whether its link takes a frame now; always without a link.
  [[nodiscard]] bool takes_frames() const noexcept { return config.link == nullptr || config.link->writable(); }
  /// The network that `address` is on, or nullptr when it is not on this link.
  [[nodiscard]] const Ipv4Prefix* network_of(Ipv4Address address) const noexcept;
  /// The directed broadcast of one of the networks here, all ones or, with `zero_form`, all zeros (RFC 1122 section 3.3.6).
  [[nodiscard]] bool is_directed_broadcast(Ipv4Address address, bool zero_form) const noexcept;
  /// The own address that suits best as source towards `destination`: one of its network; else a routable one; else any (RFC 3927 section 2.6.1).
  [[nodiscard]] std::optional<Ipv4Address> source_for(Ipv4Address destination) const noexcept;
};

}  // namespace tapir::ipv4
