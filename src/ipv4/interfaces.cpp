#include <algorithm>

#include <tapir/ipv4/ipv4.hpp>

namespace tapir::ipv4 {

namespace {

constexpr Ipv4Address kAllHosts{0xe0000001};  ///< 224.0.0.1: every host is in this group (RFC 1112 section 4)

/// Whether one host of that network can have the address (RFC 1122 section 3.2.1.3).
bool is_host_address(Ipv4Prefix prefix) noexcept {
  const Ipv4Address address = prefix.address();
  if (address.value() >> 24U == 0 || address.is_loopback() || address.is_multicast() || address.is_reserved() ||
      address.is_limited_broadcast()) {
    return false;
  }
  if (address.is_link_local() && prefix.length() != 16) return false;  // RFC 3927 section 2.8: never subnetted
  if (prefix.length() == 0) return false;
  return prefix.length() >= 31 || (address != prefix.network() && address != prefix.broadcast());
}

/// 224.0.0.0 is guaranteed to be nobody's group (RFC 1112 section 4).
bool is_joinable(Ipv4Address group) noexcept { return group.is_multicast() && group != Ipv4Address{0xe0000000}; }

bool is_valid_mtu(std::size_t mtu) noexcept { return mtu >= min_mtu && mtu <= max_datagram; }

}  // namespace

bool Interface::is_own(Ipv4Address address) const noexcept {
  for (const Ipv4Prefix& own :
       config.addresses) {  // NOLINT(readability-use-anyofallof): it is asked for every packet, and there is one address
    if (own.address() == address) return true;
  }
  return false;
}

const Ipv4Prefix* Interface::network_of(Ipv4Address address) const noexcept {
  const Ipv4Prefix* longest = nullptr;
  for (const Ipv4Prefix& own : config.addresses) {
    if (own.contains(address) && (longest == nullptr || own.length() > longest->length())) longest = &own;
  }
  return longest;
}

bool Interface::is_directed_broadcast(Ipv4Address address, bool zero_form) const noexcept {
  for (const Ipv4Prefix& own : config.addresses) {
    if (own.length() >= 31 || !own.contains(address)) continue;
    const std::uint32_t host_bits = ~own.mask().value();
    const std::uint32_t host = address.value() & host_bits;
    if (host == host_bits || (zero_form && host == 0)) return true;
  }
  return false;
}

std::optional<Ipv4Address> Interface::source_for(Ipv4Address destination) const noexcept {
  if (const Ipv4Prefix* network = network_of(destination)) {
    const auto first = std::ranges::find_if(
        config.addresses, [&](const Ipv4Prefix& own) { return own.length() == network->length() && own.contains(destination); });
    return first->address();
  }
  const auto routable = std::ranges::find_if(config.addresses, [](const Ipv4Prefix& own) { return !own.address().is_link_local(); });
  if (routable != config.addresses.end()) return routable->address();
  if (!config.addresses.empty()) return config.addresses.front().address();
  return std::nullopt;
}

Result<InterfaceIndex> Ipv4::add_interface(InterfaceConfig config) {
  const bool hosts = std::ranges::all_of(config.addresses, is_host_address);
  if (!is_valid_mtu(config.mtu) || config.neighbours == nullptr || !hosts) return fail(Error::invalid_argument);
  const InterfaceIndex index{static_cast<std::uint16_t>(interfaces_.size())};
  if (index == loopback_interface) return fail(Error::no_buffer_space);
  for (const Ipv4Prefix& address : config.addresses) {
    if (owner_of(address.address()) != nullptr) return fail(Error::address_in_use);
  }
  ++interfaces_version_;
  const link::Capabilities* const capabilities = config.link == nullptr ? nullptr : &config.link->capabilities();
  interfaces_.push_back(std::make_unique<Interface>(Interface{index, std::move(config), capabilities, {}}));
  for (const Ipv4Prefix& address : interfaces_.back()->config.addresses) add_connected_route(*interfaces_.back(), address);
  (void)join(index, kAllHosts);
  return index;
}

Result<> Ipv4::add_address(InterfaceIndex interface, Ipv4Prefix address) {
  Interface* at = find_interface(interface);
  if (at == nullptr) return fail(Error::no_such_device);
  if (!is_host_address(address)) return fail(Error::invalid_argument);
  if (owner_of(address.address()) != nullptr) return fail(Error::address_in_use);
  ++interfaces_version_;
  at->config.addresses.push_back(address);
  add_connected_route(*at, address);
  return {};
}

Result<> Ipv4::remove_address(InterfaceIndex interface, Ipv4Address address) {
  Interface* at = find_interface(interface);
  if (at == nullptr) return fail(Error::no_such_device);
  auto& addresses = at->config.addresses;
  const auto own = std::ranges::find(addresses, address, &Ipv4Prefix::address);
  if (own == addresses.end()) return fail(Error::address_not_available);
  const Ipv4Prefix network{own->network(), own->length()};
  ++interfaces_version_;
  addresses.erase(own);
  const bool still_attached = std::ranges::any_of(
      addresses, [&](const Ipv4Prefix& other) { return other.length() == network.length() && network.contains(other.address()); });
  if (still_attached) return {};
  routes_.remove_if([&](const Route& route) {
    if (route.interface != interface) return false;
    if (has(route.flags, RouteFlags::gateway)) return network.contains(route.gateway) && at->network_of(route.gateway) == nullptr;
    return route.destination == network;
  });
  return {};
}

Result<> Ipv4::set_mtu(InterfaceIndex interface, std::size_t mtu) {
  Interface* at = find_interface(interface);
  if (at == nullptr) return fail(Error::no_such_device);
  if (!is_valid_mtu(mtu)) return fail(Error::invalid_argument);
  at->config.mtu = mtu;
  return {};
}

void Ipv4::add_connected_route(const Interface& interface, Ipv4Prefix network) {
  if (network.length() == 32) return;  // the one address of it is ours
  routes_.add({.destination = {network.network(), network.length()},
               .gateway = {},
               .flags = RouteFlags::up,
               .interface = interface.index,
               .fixed = true});
}

Interface* Ipv4::find_interface(InterfaceIndex index) noexcept {
  const auto i = static_cast<std::size_t>(index);
  return i < interfaces_.size() ? interfaces_[i].get() : nullptr;
}

const Interface* Ipv4::interface(InterfaceIndex index) const noexcept {
  const auto i = static_cast<std::size_t>(index);
  return i < interfaces_.size() ? interfaces_[i].get() : nullptr;
}

const Interface* Ipv4::owner_of(Ipv4Address address) const noexcept {
  for (const auto& interface : interfaces_) {
    if (interface->is_own(address)) return interface.get();
  }
  return nullptr;
}

const Interface* Ipv4::neighbour_interface(Ipv4Address address) const noexcept {
  const auto near = std::ranges::find_if(interfaces_, [&](const auto& interface) { return interface->network_of(address) != nullptr; });
  return near == interfaces_.end() ? nullptr : near->get();
}

bool Ipv4::is_broadcast(Ipv4Address address) const noexcept {
  if (address.is_limited_broadcast()) return true;
  for (const auto& interface : interfaces_) {
    if (interface->is_directed_broadcast(address, config_.accept_zero_broadcast)) return true;
  }
  return false;
}

Result<> Ipv4::join(InterfaceIndex interface, Ipv4Address group) {
  Interface* at = find_interface(interface);
  if (at == nullptr) return fail(Error::no_such_device);
  if (!is_joinable(group)) return fail(Error::invalid_argument);
  if (++at->groups[group] == 1 && at->config.membership_changed) at->config.membership_changed(group, true);
  return {};
}

void Ipv4::leave(InterfaceIndex interface, Ipv4Address group) {
  Interface* at = find_interface(interface);
  if (at == nullptr) return;
  const auto joined = at->groups.find(group);
  if (joined == at->groups.end()) return;
  if (group == kAllHosts && joined->second == 1) return;  // for as long as the host lives
  if (--joined->second > 0) return;
  at->groups.erase(joined);
  if (at->config.membership_changed) at->config.membership_changed(group, false);
}

Result<> Ipv4::join(IpAddress group, std::optional<InterfaceIndex> interface) {
  if (interface) return join(*interface, group.v4());
  if (!is_joinable(group.v4())) return fail(Error::invalid_argument);
  for (const auto& each : interfaces_) (void)join(each->index, group.v4());
  return {};
}

void Ipv4::leave(IpAddress group, std::optional<InterfaceIndex> interface) {
  if (interface) return leave(*interface, group.v4());
  for (const auto& each : interfaces_) leave(each->index, group.v4());
}

}  // namespace tapir::ipv4
