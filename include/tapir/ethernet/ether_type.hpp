#pragma once

#include <cstdint>
#include <optional>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>

namespace tapir::ethernet {

/// The type field of an Ethernet II frame (IANA "IEEE 802 Numbers"). Values up to 1500 are a length instead (RFC 1122 section 2.3.3).
enum class EtherType : std::uint16_t {
  ipv4 = 0x0800,
  arp = 0x0806,
  rarp = 0x8035,
  vlan = 0x8100,
  ipv6 = 0x86dd,
};

/// Wire image of the Ethernet II header.
struct Header {
  MacAddress destination{};
  MacAddress source{};
  BigEndian<EtherType> type;
};
static_assert(sizeof(Header) == 14 && alignof(Header) == 1);

/// What the layer above says about a frame.
struct Send {
  MacAddress destination{};
  EtherType type{};
  std::uint8_t tos = 0;  ///< carried down for links that care (RFC 1122 section 2.4)
};

/// What Ethernet reports about a frame that it hands up. Its header (and any tag, padding of LLC frames, and FCS) is off.
struct Received {
  MacAddress source{};
  MacAddress destination{};
  EtherType type{};
  LinkCast cast = LinkCast::unicast;
  InterfaceIndex interface{};
  std::optional<std::uint16_t> vlan;  ///< VLAN identifier 0-4095 of a tagged frame (IEEE 802.1Q)
};

}  // namespace tapir::ethernet
