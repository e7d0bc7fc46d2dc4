#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>

namespace tapir::ipv4 {

/// The flags of a route, as netstat and route(8) print them. A value is a set of them.
enum class RouteFlags : std::uint8_t {
  none = 0,
  up = 1,         ///< U: in use
  gateway = 2,    ///< G: by way of a gateway; without it the destination is on the link
  host = 4,       ///< H: the destination is one host
  dynamic = 8,    ///< D: made by a redirect
  modified = 16,  ///< M: changed by a redirect
};
[[nodiscard]] constexpr RouteFlags operator|(RouteFlags a, RouteFlags b) noexcept {
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): sets are values of the type, too
  return static_cast<RouteFlags>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
[[nodiscard]] constexpr bool has(RouteFlags flags, RouteFlags flag) noexcept {
  return (static_cast<std::uint8_t>(flags) & static_cast<std::uint8_t>(flag)) != 0;
}
/// "UGHD"
[[nodiscard]] std::string to_string(RouteFlags flags);

/// One line of the routing table.
struct Route {
  Ipv4Prefix destination;  ///< a network; length 32 one host, length 0 the default route
  Ipv4Address gateway;     ///< next hop with RouteFlags::gateway; unspecified otherwise
  RouteFlags flags = RouteFlags::up;
  InterfaceIndex interface{};
  std::uint32_t metric = 0;  ///< smaller is preferred among routes to the same destination
  bool fixed = false;        ///< redirects do not override it (RFC 1122 section 3.3.1.2)
  std::optional<std::uint32_t> mtu =
      {};  ///< bytes, at least 68: no larger datagram leaves by it in one piece; empty: the interface's alone counts
  std::optional<std::uint16_t> advmss = {};  ///< bytes: the MSS that TCP announces there; empty: what the MTU allows
  std::uint64_t use = 0;                     ///< datagrams that were sent by it, forwarded ones included

  friend bool operator==(const Route&, const Route&) noexcept = default;
};

/// Where datagrams go. Lookup in the textbook order: a host route, the network with the longest prefix, a default route. Among equals a gateway
/// that is not under suspicion comes first, then the smaller metric, then the older route. One thread.
class RoutingTable {
 public:
  struct Limits {
    std::size_t max_dynamic = 1024;  ///< routes made by redirects; the oldest goes first
    /// Bad news of a gateway counts only after it has shown no sign of life for so long.
    Duration gateway_patience = std::chrono::seconds{10};
  };
  RoutingTable() noexcept : RoutingTable(Limits{}) {}
  explicit RoutingTable(Limits limits) noexcept : limits_{limits} {}

  /// Adds a route; one with the same destination, gateway and interface is replaced.
  void add(Route route);
  /// Removes the routes to `destination` (same network and length) by way of `gateway`; how many there were.
  std::size_t remove(Ipv4Prefix destination, Ipv4Address gateway);
  /// Removes what `unwanted` says.
  std::size_t remove_if(const std::function<bool(const Route&)>& unwanted);

  /// The route that a datagram to `destination` takes, or nullptr. Valid until the table changes.
  [[nodiscard]] const Route* lookup(Ipv4Address destination) const noexcept;
  /// Counts a datagram that is sent by `route`, which is one of routes().
  void count_use(const Route& route) noexcept;
  [[nodiscard]] std::span<const Route> routes() const noexcept { return routes_; }
  /// Another number whenever lookup() may answer differently than before.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  /// An ICMP redirect: datagrams to `destination` go by `gateway` from now on, on the same interface (RFC 1122 section 3.3.1.2: also when the
  /// redirect is about a network). Makes a host route with flag D, which inherits MTU and MSS of the one that it replaces, or changes an existing
  /// host route and flags it M. The caller has checked that the redirect came from the current first hop and names a neighbour. False when the
  /// current route is fixed or absent.
  bool redirect(Ipv4Address destination, Ipv4Address gateway);

  /// Advice on the gateway that datagrams to `destination` take: it works (true), or answers stay out (false). Does nothing for
  /// destinations on the link. Whether the route to `destination` changed.
  bool advise(Ipv4Address destination, bool progress, TimePoint now);
  /// The gateway does not even answer ARP: certain bad news.
  void gateway_failed(Ipv4Address gateway);
  /// How often negative advice was given on `gateway` since the last positive one.
  [[nodiscard]] unsigned complaints(Ipv4Address gateway) const noexcept;

  /// What `route -n` prints on Linux, header lines included. `interface_name` gives the Iface column.
  [[nodiscard]] std::string to_string(const std::function<std::string_view(InterfaceIndex)>& interface_name) const;

 private:
  struct Health {
    unsigned complaints = 0;
    std::uint64_t suspected = 0;  ///< 0: trusted; else the order of suspicion
    std::optional<TimePoint> last_progress;
  };
  [[nodiscard]] bool better(const Route& a, const Route& b) const noexcept;
  [[nodiscard]] std::uint64_t suspicion(const Route& route) const noexcept;
  void suspect(Ipv4Address gateway);
  void forget_unused_gateways();

  Limits limits_;
  std::vector<Route> routes_;
  std::map<Ipv4Address, Health> gateways_;  ///< only of gateways in routes_
  std::uint64_t suspicions_ = 0;
  std::uint64_t version_ = 0;
};

}  // namespace tapir::ipv4
