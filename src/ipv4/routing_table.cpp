#include <tapir/ipv4/routing_table.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace tapir::ipv4 {

std::string to_string(RouteFlags flags) {
  std::string text;
  if (flags.up) text += 'U';
  if (flags.gateway) text += 'G';
  if (flags.host) text += 'H';
  if (flags.dynamic) text += 'D';
  if (flags.modified) text += 'M';
  return text;
}

void RoutingTable::add(Route route) {
  route.destination = Ipv4Prefix{route.destination.network(), route.destination.length()};
  route.flags.gateway = !route.gateway.is_unspecified();
  route.flags.host = route.destination.length() == 32;
  std::erase_if(routes_, [&](const Route& other) {
    return other.destination == route.destination && other.gateway == route.gateway && other.interface == route.interface;
  });
  const auto place = std::ranges::find_if(routes_, [&](const Route& other) {
    return std::pair{other.destination.length(), route.metric} < std::pair{route.destination.length(), other.metric};
  });
  routes_.insert(place, route);
}

std::size_t RoutingTable::remove(Ipv4Prefix destination, std::optional<Ipv4Address> gateway) {
  const Ipv4Prefix network{destination.network(), destination.length()};
  return std::erase_if(routes_, [&](const Route& route) { return route.destination == network && (!gateway || route.gateway == *gateway); });
}

void RoutingTable::remove_interface(InterfaceIndex interface) {
  std::erase_if(routes_, [&](const Route& route) { return route.interface == interface; });
}

const Route* RoutingTable::lookup(Ipv4Address destination) const noexcept {
  const auto found =
      std::ranges::find_if(routes_, [&](const Route& route) { return route.flags.up && route.destination.contains(destination); });
  return found == routes_.end() ? nullptr : &*found;
}

bool RoutingTable::redirect(Ipv4Address destination, Ipv4Address gateway, Ipv4Address from) {
  const Route* current = lookup(destination);
  if (current == nullptr || current->fixed || !current->flags.gateway) return false;
  if (current->gateway != from || gateway == from || gateway.is_unspecified()) return false;
  Route changed = *current;
  changed.gateway = gateway;
  if (current->flags.host) {
    changed.flags.modified = true;
    (void)remove(changed.destination, from);
    add(changed);
    return true;
  }
  const auto is_dynamic = [](const Route& route) { return route.flags.dynamic; };
  if (std::ranges::count_if(routes_, is_dynamic) >= static_cast<std::ptrdiff_t>(max_dynamic_routes)) {
    routes_.erase(std::ranges::find_if(routes_, is_dynamic));
  }
  changed.destination = Ipv4Prefix{destination, 32};
  changed.flags.dynamic = true;
  changed.flags.modified = false;
  changed.metric = 0;
  add(changed);
  return true;
}

bool RoutingTable::demote_gateway(Ipv4Address gateway) {
  std::erase_if(routes_, [&](const Route& route) { return route.flags.dynamic && route.gateway == gateway; });
  const auto first = std::ranges::find_if(routes_, [](const Route& route) { return route.destination.length() == 0; });
  if (first == routes_.end() || first->gateway != gateway || std::next(first) == routes_.end()) return false;
  std::rotate(first, std::next(first), routes_.end());
  return true;
}

std::string RoutingTable::print(const std::vector<std::string>& interface_names) const {
  std::string text =
      "Kernel IP routing table\n"
      "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n";
  for (const Route& route : routes_) {
    const auto index = static_cast<std::size_t>(route.interface);
    text += fmt::format("{:<15} {:<15} {:<15} {:<5} {:<6} {:<3} {:>6} {}\n", tapir::to_string(route.destination.address()),
                        tapir::to_string(route.gateway), tapir::to_string(route.destination.mask()), to_string(route.flags), route.metric, 0, 0,
                        index < interface_names.size() ? interface_names[index] : "?");
  }
  return text;
}

}  // namespace tapir::ipv4
