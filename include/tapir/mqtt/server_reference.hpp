#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/addresses.hpp>

namespace tapir::mqtt {

/// A server that another one names (MQTT 5.0 section 4.11).
struct ServerReference {
  std::string host;          ///< a name or an address
  std::optional<Port> port;  ///< nullopt: the reference has none

  friend bool operator==(const ServerReference&, const ServerReference&) = default;
};

/// The servers in a property server_reference, in order: "myserver.example:8883 192.0.2.7 [2001:db8::1]:1883". What is written in another
/// way is left out: the standard only recommends this one.
[[nodiscard]] std::vector<ServerReference> server_references(std::string_view list);

}  // namespace tapir::mqtt
