#pragma once

#include <cstddef>
#include <functional>

#include <tapir/core/error.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/ipv4/header.hpp>

namespace tapir::ipv4 {

/// Cuts a datagram, or a fragment of one, whose header is in front into the fewest fragments of at most `mtu` bytes, in order (RFC 791 section 3.2).
/// The data is shared, not copied. Stops with the first error of `take`; Error::message_too_large when the options leave no room for 8 bytes.
Result<> fragment(Packet datagram, const Header& header, std::size_t mtu, const std::function<Result<>(Packet, const Header&)>& take);

}  // namespace tapir::ipv4
