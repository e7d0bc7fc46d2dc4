#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/drop.hpp>
#include <tapir/link/link.hpp>
#include <tapir/sim/cable.hpp>

namespace tapir::sim {

struct SwitchConfig {
  Duration ageing = std::chrono::minutes{5};  ///< an address not heard for this long is forgotten (IEEE 802.1D section 7.9.2)
  std::size_t table_size = 1024;              ///< addresses remembered at most; frames to others are flooded
};

struct SwitchStats {
  std::uint64_t received = 0;
  std::uint64_t forwarded = 0;   ///< sent to the one port where the address was heard
  std::uint64_t flooded = 0;     ///< sent to all other ports: unknown, broadcast or multicast
  std::uint64_t filtered = 0;    ///< the destination is on the port that it came from, or the address is reserved for neighbours
  std::uint64_t unsent = 0;      ///< copies that a port's link did not take
  std::uint64_t table_full = 0;  ///< addresses not learned for want of room
};

/// A learning Ethernet switch (IEEE 802.1D without spanning tree): stores, checks the FCS and forwards. The driver must outlive it. One thread.
class Switch {
 public:
  explicit Switch(Driver& driver, SwitchConfig config = {});
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;
  ~Switch();

  /// A new port with a cable of its own; the cable's far end is for a station.
  [[nodiscard]] std::unique_ptr<link::Link> plug_in(const CableConfig& config = {});
  /// Makes `link` a new port: the near end of a cable, or any other link. Its number. Error::invalid_argument without a
  /// link; fails as Driver::watch() does.
  [[nodiscard]] Result<std::size_t> connect(std::unique_ptr<link::Link> link);

  /// The port behind which `address` was heard, unless that is too long ago.
  [[nodiscard]] std::optional<std::size_t> port_of(const MacAddress& address) const;
  [[nodiscard]] std::size_t ports() const noexcept { return ports_.size(); }
  [[nodiscard]] const SwitchStats& stats() const noexcept { return stats_; }
  /// Frames dropped on arrival, by reason.
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  class Port;
  struct Heard {
    std::size_t port;
    TimePoint at;
  };
  [[nodiscard]] Accepted receive(std::size_t port, Packet frame);
  void learn(const MacAddress& address, std::size_t port);
  void forward(std::size_t from, const MacAddress& destination, Packet frame);

  Driver& driver_;
  SwitchConfig config_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<Cable> cables_;  ///< of the ports from plug_in()
  std::unordered_map<MacAddress, Heard> table_;
  SwitchStats stats_;
  DropCounters drops_;
};

}  // namespace tapir::sim
