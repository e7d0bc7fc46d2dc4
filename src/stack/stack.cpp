#include <tapir/stack/stack.hpp>

#include <exception>

#include <tapir/core/random_mac.hpp>

#include "interface.hpp"

namespace tapir {

namespace {

/// Whether `gateway` can be another host of the network. Asked before anything is set up, so that a refusal leaves nothing behind.
Result<> check_gateway(Ipv4Prefix network, Ipv4Address gateway) {
  if (!network.contains(gateway)) return fail(Error::network_unreachable);
  const bool no_host = network.length() < 31 && (gateway == network.network() || gateway == network.broadcast());
  if (no_host || gateway == network.address()) return fail(Error::invalid_argument);
  return {};
}

}  // namespace

Stack::Stack(Driver& driver, const StackConfig& config)
    : driver_{driver},
      context_{driver.scheduler(), driver.pool(), driver.random(), config.observer},
      ipv4_{std::make_unique<ipv4::Ipv4>(context_, config.ipv4)},
      icmp_{std::make_unique<icmp::Icmp>(context_, *ipv4_, *ipv4_, config.icmp)},
      udp_{std::make_unique<udp::Udp>(context_, *ipv4_, config.udp)},
      tcp_{std::make_unique<tcp::Tcp>(context_, *ipv4_, config.tcp)} {
  ipv4_->set_error_sender(icmp_.get());
}

Stack::Stack(Driver& driver, std::unique_ptr<link::Link> link, const StackConfig& config) : Stack(driver, config) {
  const auto added =
      add_interface(std::move(link), {.address = config.address, .gateway = config.gateway, .mac = config.mac, .arp = config.arp});
  if (!added) status_ = fail(added.error());
}

Stack::~Stack() {
  for (const auto& interface : interfaces_) driver_.forget(*interface->link);
}

Result<InterfaceIndex> Stack::add_interface(std::unique_ptr<link::Link> link, const InterfaceConfig& config) {
  if (link == nullptr || config.address.address().is_unspecified()) return fail(Error::invalid_argument);
  if (config.gateway) {
    if (const auto usable = check_gateway(config.address, *config.gateway); !usable) return fail(usable.error());
    if (ipv4_->is_own(*config.gateway) || ipv4_->is_group(*config.gateway)) return fail(Error::invalid_argument);
  }
  const MacAddress mac = config.mac ? *config.mac : random_mac(context_.random);
  if (mac.is_group() || mac.is_zero()) return fail(Error::invalid_argument);
  if (const auto watched = driver_.watch(*link); !watched) return fail(watched.error());

  // Ipv4 numbers its interfaces in order; Ethernet has to know the number that it reports.
  const auto index = static_cast<InterfaceIndex>(ipv4_->interface_count());
  interfaces_.push_back(
      std::make_unique<Interface>(context_, std::move(link), ethernet::Config{.address = mac, .interface = index}, config.arp));
  Interface& interface = *interfaces_.back();
  const auto added = ipv4_->add_interface(describe(interface, config));
  if (!added) {
    driver_.forget(*interface.link);
    interfaces_.pop_back();
    return fail(added.error());
  }
  interface.ethernet.attach(ethernet::EtherType::ipv4, *ipv4_);
  interface.ethernet.attach(ethernet::EtherType::arp, interface.arp);
  interface.arp.add_address(config.address);
  interface.arp.set_failure_receiver(ipv4_.get());
  if (config.gateway) {
    if (const auto routed = ipv4_->add_default_gateway(*config.gateway); !routed) return fail(routed.error());
  }
  if (config.announce) interface.arp.announce(config.address.address());
  return *added;
}

ipv4::InterfaceConfig Stack::describe(Interface& interface, const InterfaceConfig& config) {
  ipv4::InterfaceConfig described;
  described.name = config.name.empty() ? std::string{interface.link->name()} : config.name;
  described.addresses = {config.address};
  described.mtu = interface.link->capabilities().mtu;
  described.neighbours = &interface.arp;
  described.link = interface.link.get();
  described.membership_changed = [&interface](Ipv4Address group, bool member) {
    const MacAddress address = ethernet::group_address(group);
    member ? interface.ethernet.join(address) : interface.ethernet.leave(address);
  };
  return described;
}

Stack::Interface& Stack::interface(std::size_t which) noexcept {
  if (which >= interfaces_.size()) std::terminate();  // there is nothing that could be given back
  return *interfaces_[which];
}

ethernet::Ethernet& Stack::ethernet(std::size_t which) noexcept { return interface(which).ethernet; }
arp::Arp& Stack::arp(std::size_t which) noexcept { return interface(which).arp; }
link::Link& Stack::link(std::size_t which) noexcept { return *interface(which).link; }

}  // namespace tapir
