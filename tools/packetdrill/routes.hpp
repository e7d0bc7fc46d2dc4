#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/ipv4/ipv4.hpp>

namespace tapir::packetdrill {

/// A route of Linux' that says more than where its datagrams go.
struct RouteSetting {
  Ipv4Prefix destination;
  ipv4::RouteOptions options;
};

/// The routes as `ip route` prints them, one a line. Only those with an `mtu` or an `advmss` matter: whatever their gateway, the way there is the one
/// interface. The stack knows no initial window, receive window or least timeout of a route.
[[nodiscard]] std::vector<RouteSetting> parse_routes(std::string_view text);

/// Keeps the stack's routes as the file says that `ip route` has them; beside them there is one to everywhere.
class Routes {
 public:
  explicit Routes(std::filesystem::path file) : file_{std::move(file)} {}
  /// Reads the file anew.
  void apply(ipv4::Ipv4& ipv4, InterfaceIndex interface);

 private:
  std::filesystem::path file_;
  std::optional<std::string> text_;  ///< of the file, as applied
  std::vector<RouteSetting> applied_;
};

}  // namespace tapir::packetdrill
