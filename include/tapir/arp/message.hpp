#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/core/drop.hpp>
#include <tapir/ethernet/ether_type.hpp>

namespace tapir {
class Packet;
}

namespace tapir::arp {

/// ar$op: what a message is for (RFC 826; RFC 903 for the two of RARP).
enum class Operation : std::uint16_t { request = 1, reply = 2, reverse_request = 3, reverse_reply = 4 };

/// "request", "reply", "reverse request", "reverse reply", or "unknown operation".
[[nodiscard]] std::string_view name(Operation operation) noexcept;

/// ar$hrd of Ethernet.
inline constexpr std::uint16_t ethernet_hardware = 1;

/// Wire image of an ARP or RARP message between Ethernet stations that speak IPv4 (RFC 826 "Packet format").
struct Message {
  be16 hardware_type{ethernet_hardware};
  BigEndian<ethernet::EtherType> protocol_type{ethernet::EtherType::ipv4};
  be8 hardware_size{sizeof(MacAddress)};
  be8 protocol_size{sizeof(Ipv4Address)};
  BigEndian<Operation> operation{Operation::request};
  MacAddress sender_hardware{};
  BigEndian<Ipv4Address> sender_protocol{};
  MacAddress target_hardware{};  ///< zero in a request: that is what is asked for
  BigEndian<Ipv4Address> target_protocol{};
};
static_assert(sizeof(Message) == 28 && alignof(Message) == 1);

/// The message at the front of `packet`; what follows it is padding. Drop::truncated, bad_hardware_type, bad_protocol_type or bad_length
/// when it is not one of Ethernet and IPv4. Operation and addresses are not judged.
[[nodiscard]] std::expected<Message, Drop> parse(const Packet& packet) noexcept;

/// Whether a single station can have sent from these addresses: Drop::bad_source for a group or zero hardware address (RFC 1812 section
/// 3.3.2), Drop::martian_source for an IPv4 address that is no host's: on every network, or because it is the broadcast or network address of one
/// of `networks`, those of the link (RFC 1122 section 3.2.1.3). The unspecified address passes: it marks a probe (RFC 5227 section 1.1).
[[nodiscard]] Accepted check_sender(const Message& message, std::span<const Ipv4Prefix> networks = {}) noexcept;

}  // namespace tapir::arp
