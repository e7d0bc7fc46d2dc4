#include <tapir/arp/message.hpp>

#include <algorithm>

#include <tapir/core/packet.hpp>

namespace tapir::arp {

namespace {

/// Whether `address` is all ones or all zeros behind the prefix: no host's, but on a /31 (RFC 3021) or a /32.
bool names_network(const Ipv4Prefix& network, Ipv4Address address) noexcept {
  return network.length() < 31 && (address == network.broadcast() || address == network.network());
}

}  // namespace

std::string_view name(Operation operation) noexcept {
  switch (operation) {
    case Operation::request: return "request";
    case Operation::reply: return "reply";
    case Operation::reverse_request: return "reverse request";
    case Operation::reverse_reply: return "reverse reply";
  }
  return "unknown operation";
}

std::expected<Message, Drop> parse(const Packet& packet) noexcept {
  const auto message = packet.peek<Message>();
  if (!message) return std::unexpected{Drop::truncated};
  if (message->hardware_type != ethernet_hardware) return std::unexpected{Drop::bad_hardware_type};
  if (message->protocol_type != ethernet::EtherType::ipv4) return std::unexpected{Drop::bad_protocol_type};
  if (message->hardware_size != sizeof(MacAddress) || message->protocol_size != sizeof(Ipv4Address))
    return std::unexpected{Drop::bad_length};
  return *message;
}

Accepted check_sender(const Message& message, std::span<const Ipv4Prefix> networks) noexcept {
  if (message.sender_hardware.is_group() || message.sender_hardware.is_zero()) return std::unexpected{Drop::bad_source};
  const Ipv4Address sender = message.sender_protocol;
  if (sender.is_unspecified()) return {};
  const bool nowhere = sender.is_multicast() || sender.is_limited_broadcast() || sender.is_loopback() || sender.is_reserved();
  if (nowhere || std::ranges::any_of(networks, [sender](const Ipv4Prefix& network) { return names_network(network, sender); })) {
    return std::unexpected{Drop::martian_source};
  }
  return {};
}

}  // namespace tapir::arp
