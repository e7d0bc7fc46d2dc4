#include <tapir/ipv4/routing_table.hpp>

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace tapir::ipv4 {

namespace {

bool same_network(const Ipv4Prefix& a, const Ipv4Prefix& b) noexcept { return a.length() == b.length() && a.network() == b.network(); }

}  // namespace

std::string to_string(RouteFlags flags) {
  std::string letters;
  if (has(flags, RouteFlags::up)) letters += 'U';
  if (has(flags, RouteFlags::gateway)) letters += 'G';
  if (has(flags, RouteFlags::host)) letters += 'H';
  if (has(flags, RouteFlags::dynamic)) letters += 'D';
  if (has(flags, RouteFlags::modified)) letters += 'M';
  return letters;
}

void RoutingTable::add(Route route) {
  ++version_;
  const auto same = std::ranges::find_if(routes_, [&](const Route& other) {
    return same_network(other.destination, route.destination) && other.gateway == route.gateway && other.interface == route.interface;
  });
  if (same != routes_.end()) {
    *same = route;
  } else {
    routes_.push_back(route);
  }
  if (has(route.flags, RouteFlags::gateway)) gateways_.try_emplace(route.gateway);
}

std::size_t RoutingTable::remove(Ipv4Prefix destination, Ipv4Address gateway) {
  return remove_if([&](const Route& route) { return same_network(route.destination, destination) && route.gateway == gateway; });
}

std::size_t RoutingTable::remove_if(const std::function<bool(const Route&)>& unwanted) {
  ++version_;
  const std::size_t removed = std::erase_if(routes_, unwanted);
  if (removed > 0) forget_unused_gateways();
  return removed;
}

void RoutingTable::forget_unused_gateways() {
  std::erase_if(gateways_, [this](const auto& entry) {
    return std::ranges::none_of(routes_, [&](const Route& route) { return route.gateway == entry.first; });
  });
}

std::uint64_t RoutingTable::suspicion(const Route& route) const noexcept {
  const auto health = gateways_.find(route.gateway);
  return health == gateways_.end() ? 0 : health->second.suspected;
}

/// A host route before a network, the longer prefix before the shorter, the default last: all three are one comparison of lengths. Among gateways
/// that are all under suspicion the one that failed longest ago is tried again.
bool RoutingTable::better(const Route& a, const Route& b) const noexcept {
  if (a.destination.length() != b.destination.length()) return a.destination.length() > b.destination.length();
  return std::tuple{suspicion(a), a.metric} < std::tuple{suspicion(b), b.metric};
}

const Route* RoutingTable::lookup(Ipv4Address destination) const noexcept {
  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (!has(route.flags, RouteFlags::up) || !route.destination.contains(destination)) continue;
    if (best == nullptr || better(route, *best)) best = &route;
  }
  return best;
}

void RoutingTable::count_use(const Route& route) noexcept { ++routes_[static_cast<std::size_t>(&route - routes_.data())].use; }

bool RoutingTable::redirect(Ipv4Address destination, Ipv4Address gateway) {
  const Route* current = lookup(destination);
  if (current == nullptr || current->fixed) return false;
  Route& route = routes_[static_cast<std::size_t>(current - routes_.data())];
  if (has(route.flags, RouteFlags::host)) {
    route.gateway = gateway;
    route.flags = route.flags | RouteFlags::gateway | RouteFlags::modified;
    ++version_;
    gateways_.try_emplace(gateway);
    forget_unused_gateways();
    return true;
  }
  const Route replaced = route;  // what is known of the way there is no worse by another first hop
  const auto is_dynamic = [](const Route& other) { return has(other.flags, RouteFlags::dynamic); };
  if (static_cast<std::size_t>(std::ranges::count_if(routes_, is_dynamic)) >= limits_.max_dynamic) {
    const auto oldest = std::ranges::find_if(routes_, is_dynamic);
    if (oldest == routes_.end()) return false;
    routes_.erase(oldest);
    ++version_;
    forget_unused_gateways();
  }
  add({.destination = Ipv4Prefix{destination, 32},
       .gateway = gateway,
       .flags = RouteFlags::up | RouteFlags::gateway | RouteFlags::host | RouteFlags::dynamic,
       .interface = replaced.interface,
       .mtu = replaced.mtu,
       .advmss = replaced.advmss});
  return true;
}

bool RoutingTable::advise(Ipv4Address destination, bool progress, TimePoint now) {
  const Route* route = lookup(destination);
  if (route == nullptr || !has(route->flags, RouteFlags::gateway)) return false;
  const Ipv4Address gateway = route->gateway;
  Health& health = gateways_[gateway];
  if (progress) {
    if (health.suspected != 0) ++version_;
    health = Health{.last_progress = now};
    return false;
  }
  ++health.complaints;
  // One peer that died is no reason to leave a gateway by which others are reached.
  if (health.last_progress && now - *health.last_progress < limits_.gateway_patience) return false;
  suspect(gateway);
  const Route* after = lookup(destination);
  return after == nullptr || after->gateway != gateway;
}

void RoutingTable::gateway_failed(Ipv4Address gateway) {
  if (const auto health = gateways_.find(gateway); health != gateways_.end()) {
    ++health->second.complaints;
    suspect(gateway);
  }
}

/// RFC 1122 section 3.3.1.4: what a redirect made depend on the gateway goes back to the defaults, and these to the next one.
void RoutingTable::suspect(Ipv4Address gateway) {
  gateways_[gateway].suspected = ++suspicions_;
  ++version_;
  std::erase_if(routes_, [&](const Route& route) { return route.gateway == gateway && has(route.flags, RouteFlags::dynamic); });
  forget_unused_gateways();
}

unsigned RoutingTable::complaints(Ipv4Address gateway) const noexcept {
  const auto health = gateways_.find(gateway);
  return health == gateways_.end() ? 0 : health->second.complaints;
}

std::string RoutingTable::to_string(const std::function<std::string_view(InterfaceIndex)>& interface_name) const {
  std::string text =
      "Kernel IP routing table\n"
      "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n";
  std::vector<const Route*> sorted;
  sorted.reserve(routes_.size());
  for (const Route& route : routes_) sorted.push_back(&route);
  std::ranges::sort(sorted, {}, [](const Route* route) {
    return std::tuple{route->destination.network(), 32 - route->destination.length(), route->metric, route};
  });
  for (const Route* route : sorted) {
    text += fmt::format("{:<15} {:<15} {:<15} {:<5} {:<6} {:<2} {:>7} {}\n", tapir::to_string(route->destination.network()),
                        tapir::to_string(route->gateway), tapir::to_string(route->destination.mask()), ipv4::to_string(route->flags),
                        route->metric, 0, route->use, interface_name(route->interface));
  }
  return text;
}

}  // namespace tapir::ipv4
