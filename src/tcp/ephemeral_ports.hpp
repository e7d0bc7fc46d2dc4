#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/siphash.hpp>

namespace tapir::tcp {

/// Chooses local ports for active opens (RFC 6056 section 3.3.3, "simple hash-based"): a keyed hash of the two addresses and the remote port says where
/// to start, a counter moves on, so that ports to one destination are not reused soon and nobody outside can guess them.
class EphemeralPorts {
 public:
  struct Config {
    Port first{1024};              ///< the range is as wide as possible (section 3.2)
    Port last{65535};              ///< inclusive; below `first` the range is empty
    std::vector<Port> reserved{};  ///< never chosen: ports that local services need
  };

  EphemeralPorts(const SipKey& key, Config config);
  void set_config(Config config) { config_ = std::move(config); }

  /// A port in the range, not reserved, for which `usable` holds (nobody listens on it, no connection has the same 4-tuple); empty when there is
  /// none. Every port of the range is tried at most once.
  [[nodiscard]] std::optional<Port> choose(IpAddress local, const Endpoint& remote, const std::function<bool(Port)>& usable);

 private:
  SipKey key_;
  Config config_;
  std::uint32_t next_ = 0;  ///< one counter for all destinations, as in the RFC's algorithm 3
};

}  // namespace tapir::tcp
