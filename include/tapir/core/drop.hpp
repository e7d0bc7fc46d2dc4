#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iosfwd>
#include <string_view>

namespace tapir {

/// Why a received packet went no further (or one of ours could not leave). Every layer counts its drops by reason, so that no packet
/// disappears without a name. One list for all layers: the layer that counts it gives the context.
enum class Drop : std::uint8_t {
  // any layer
  truncated,         ///< shorter than its header, or than the header says
  bad_length,        ///< a length field contradicts the bytes present
  bad_checksum,      ///< Internet checksum wrong
  bad_version,       ///< version field not the one this layer speaks
  bad_header,        ///< a field has a value the protocol forbids
  bad_option,        ///< an option's length is illegal
  unknown_protocol,  ///< nobody is registered for the protocol identifier
  not_for_us,        ///< another host's address
  not_handled,       ///< understood, and by rule not acted on
  queue_full,        ///< a bounded queue was full
  memory_limit,      ///< a bound on memory was reached
  rate_limited,      ///< more of these than the configured rate
  device_failed,     ///< the device below did not take it (it is down or gone, for example)
  // ethernet
  bad_fcs,      ///< frame check sequence wrong (IEEE 802.3 section 3.4)
  oversized,    ///< larger than the link's MTU, or a configured bound, allows
  bad_source,   ///< a source address that no single host can have
  vlan_tagged,  ///< 802.1Q tag, and VLAN support is off or the VLAN is not ours
  own_echo,     ///< our own frame reflected
  // arp
  bad_hardware_type,  ///< not Ethernet
  bad_protocol_type,  ///< not IPv4
  unsolicited,        ///< a reply nobody asked for
  address_conflict,   ///< somebody else claims our address
  unresolved,         ///< no hardware address could be found
  // ipv4
  martian_source,       ///< RFC 1122 section 3.2.1.3: invalid source
  martian_destination,  ///< an address that must not appear on the wire
  ttl_exceeded,         ///< TTL reached zero while forwarding
  no_route,             ///< no entry of the routing table matches
  dont_fragment,        ///< too large and DF set
  forwarding_disabled,  ///< for another host, and we are no router
  fragment_overlap,     ///< fragments overlap: the datagram is dropped whole
  fragment_duplicate,   ///< an exact copy of a fragment already here
  fragment_too_large,   ///< offset + length beyond 65535
  fragment_malformed,   ///< zero length, or not a multiple of 8 and not the last
  fragment_tiny,        ///< RFC 1858: first fragment too short for the transport header
  reassembly_timeout,   ///< not all fragments came in time
  source_route,         ///< a source route we do not follow
  broadcast_mismatch,   ///< unicast datagram in a link broadcast, or the like (RFC 1122 section 3.3.6)
  // transports
  no_listener,      ///< nobody bound to the port
  no_connection,    ///< no connection for the 4-tuple
  bad_port,         ///< port 0
  bad_flags,        ///< a combination of control bits that no state accepts
  out_of_window,    ///< sequence number not acceptable (RFC 9293 section 3.10.7.4)
  bad_ack,          ///< acknowledgment of something never sent, or too old (RFC 5961 section 5)
  backlog_full,     ///< the listener has no room
  old_timestamp,    ///< older than one seen before: a segment of an earlier round of the sequence numbers (RFC 7323 section 5)
  no_timestamp,     ///< without the timestamps that were agreed on (RFC 7323 section 3.2)
  bad_cookie,       ///< an ACK for a listener that answers no SYN,ACK of ours (RFC 4987 section 3.6)
  blind_attack,     ///< RST or SYN that may be forged, answered by a challenge ACK (RFC 5961)
  duplicate,        ///< all of it was received before
  after_close,      ///< data for a reader that has gone
  ttl_too_low,      ///< from farther away than the user allows (RFC 5082 section 3)
  unrelated_error,  ///< an ICMP error that quotes nothing of ours
  // mqtt
  protocol_violation,  ///< well-formed, and not allowed here or now: the connection ends (MQTT 5.0 section 4.13)
  count_               ///< the number of reasons
};

/// The reason's name, as the enumerator is written: "bad_checksum".
[[nodiscard]] std::string_view name(Drop drop) noexcept;
std::ostream& operator<<(std::ostream& out, Drop drop);

/// What becomes of a received packet: accepted, or dropped by name.
using Accepted = std::expected<void, Drop>;

/// How many packets a layer dropped, by reason.
class DropCounters {
 public:
  constexpr void count(Drop drop) noexcept { ++counts_[static_cast<std::size_t>(drop)]; }
  [[nodiscard]] constexpr std::uint64_t operator[](Drop drop) const noexcept { return counts_[static_cast<std::size_t>(drop)]; }
  [[nodiscard]] constexpr std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (const auto count : counts_) sum += count;
    return sum;
  }

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Drop::count_)> counts_{};
};

}  // namespace tapir
