#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tapir/arp/arp.hpp>
#include <tapir/arp/rarp.hpp>
#include <tapir/core/context.hpp>
#include <tapir/ethernet/ethernet.hpp>
#include <tapir/icmp/icmp.hpp>
#include <tapir/ipv4/ipv4.hpp>
#include <tapir/link/link.hpp>
#include <tapir/runtime/driver.hpp>
#include <tapir/tcp/tcp.hpp>
#include <tapir/udp/udp.hpp>

namespace tapir {

/// One network interface: a link and how it is configured.
struct InterfaceConfig {
  Ipv4Prefix address;                       ///< the interface's own address and network: "192.0.2.2/24"_prefix
  std::optional<Ipv4Address> gateway = {};  ///< of the default route; none: only the attached network is reached
  std::optional<MacAddress> mac = {};       ///< none: a random locally administered address
  std::string name = {};                    ///< in the routing table; empty: the link's name
  bool announce = true;                     ///< broadcast a gratuitous ARP when the interface comes up
  arp::Config arp = {};
};

/// What a stack is made of. Every part has sensible defaults.
struct StackConfig {
  Ipv4Prefix address = {};
  std::optional<Ipv4Address> gateway = {};
  std::optional<MacAddress> mac = {};
  Observer* observer = nullptr;  ///< sees every event inside; must outlive the stack
  arp::Config arp = {};
  ipv4::Config ipv4 = {};
  icmp::Config icmp = {};
  udp::Config udp = {};
  tcp::Config tcp = {};
};

/// One host: its own hardware and network addresses, ARP table, routes, sockets and connections. Any number of stacks may share a driver;
/// each belongs to the driver's thread. The driver must outlive the stack. Handles (connections, listeners, sockets, pings) may outlive it:
/// their calls fail then. A handler of a TCP event may destroy the stack.
class Stack {
 public:
  /// A host with one interface on `link`. status() says whether the configuration was accepted.
  Stack(Driver& driver, std::unique_ptr<link::Link> link, const StackConfig& config);
  /// The same for a link held by value, such as the Tap that Tap::open() returns.
  template <std::derived_from<link::Link> L>
  Stack(Driver& driver, L link, const StackConfig& config) : Stack(driver, std::make_unique<L>(std::move(link)), config) {}
  /// A host without interfaces but the loopback; add_interface() brings more.
  Stack(Driver& driver, const StackConfig& config);
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack();

  /// Whether the interface given to the constructor could be brought up.
  [[nodiscard]] const Result<>& status() const noexcept { return status_; }
  /// Brings up a further interface. Error::invalid_argument for no link, a hardware address that is zero or a group, an address that no host can
  /// have, an MTU below 68 or a gateway that is no other host of the network; Error::network_unreachable for a gateway outside it;
  /// Error::address_in_use for an address that we have; what Driver::watch() says. When it fails the stack is as before.
  [[nodiscard]] Result<InterfaceIndex> add_interface(std::unique_ptr<link::Link> link, const InterfaceConfig& config);

  /// Sends echo requests; see icmp::Icmp::ping().
  [[nodiscard]] Result<icmp::Ping> ping(IpAddress destination, const icmp::PingOptions& options, icmp::PingHandler handler) {
    return icmp_->ping(destination, options, std::move(handler));
  }

  [[nodiscard]] Context& context() noexcept { return context_; }
  [[nodiscard]] Driver& driver() noexcept { return driver_; }
  [[nodiscard]] ipv4::Ipv4& ipv4() noexcept { return *ipv4_; }
  [[nodiscard]] icmp::Icmp& icmp() noexcept { return *icmp_; }
  [[nodiscard]] udp::Udp& udp() noexcept { return *udp_; }
  [[nodiscard]] tcp::Tcp& tcp() noexcept { return *tcp_; }

  /// Interfaces brought up so far, the loopback not counted. Below, `which` is less than that number: asking for an interface that is not
  /// there (the first one, when status() is an error) ends the program.
  [[nodiscard]] std::size_t interface_count() const noexcept { return interfaces_.size(); }
  [[nodiscard]] ethernet::Ethernet& ethernet(std::size_t which = 0) noexcept;
  [[nodiscard]] arp::Arp& arp(std::size_t which = 0) noexcept;
  [[nodiscard]] link::Link& link(std::size_t which = 0) noexcept;

  /// Every counter that is not zero, a line each, under its MIB name if it has one (or Linux'), and every drop by its reason, from the
  /// links up.
  [[nodiscard]] std::string counters() const;

 private:
  struct Interface;
  [[nodiscard]] Interface& interface(std::size_t which) noexcept;
  [[nodiscard]] static ipv4::InterfaceConfig describe(Interface& interface, const InterfaceConfig& config);

  Driver& driver_;
  Context context_;
  // From the top down, so that each layer goes before the one it stands on.
  std::vector<std::unique_ptr<Interface>> interfaces_;
  std::unique_ptr<ipv4::Ipv4> ipv4_;
  std::unique_ptr<icmp::Icmp> icmp_;
  std::unique_ptr<udp::Udp> udp_;
  std::unique_ptr<tcp::Tcp> tcp_;
  Result<> status_{};
};

}  // namespace tapir
