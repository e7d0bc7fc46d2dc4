#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <tapir/core/addresses.hpp>

namespace tapir::ipv4 {

/// The most hops of a source route: with the destination they fill the 40 bytes of IPv4 options.
inline constexpr std::size_t max_source_route_hops = 8;

/// The IPv4 loose source route option (RFC 791 section 3.1, type 131) through `hops`; empty without hops. The datagram's destination is the final
/// one: the network layer puts the first hop in its place.
[[nodiscard]] std::vector<std::byte> source_route_option(std::span<const IpAddress> hops);

/// The way back along a source route that has reached its end in a datagram with these IPv4 `options` (RFC 9293 section 3.9.2.1, MUST-53); empty when there is
/// none. A sender that recorded itself as the first hop is left out: it is the destination.
[[nodiscard]] std::vector<std::byte> return_route_option(std::span<const std::byte> options, IpAddress sender);

}  // namespace tapir::ipv4
