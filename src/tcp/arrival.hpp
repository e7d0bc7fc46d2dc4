#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <tapir/core/packet.hpp>
#include <tapir/core/time.hpp>
#include <tapir/network/network.hpp>

#include "four_tuple.hpp"
#include "header.hpp"
#include "options.hpp"

namespace tapir::tcp::detail {

/// A received segment on its way through the checks of RFC 9293 section 3.10.7. They may cut it to the window.
struct Arrival {
  /// Nothing is known of it yet but how it came. (Written out, so that what a segment mostly does not have is not cleared octet by octet.)
  Arrival(Packet& packet, const network::Received& from) noexcept
      : payload{packet}, tos{from.tos}, ttl{from.ttl}, ingress{packet.meta().ingress} {}

  /// As if it had come, with `text`: for a SYN that is made up again.
  Arrival(const Segment& header, const Options& its_options, const FourTuple& ends, std::uint8_t its_tos, Packet& text) noexcept
      : segment{header}, options{its_options}, payload{text}, tuple{ends}, tos{its_tos} {}

  Segment segment{};
  Options options{};
  Packet& payload;  ///< whose caller keeps it meanwhile; whoever wants the text takes it out
  FourTuple tuple{};
  std::uint8_t tos;
  std::uint8_t ttl = 255;
  std::vector<std::byte> ip_options{};
  std::uint32_t segments = 1;  ///< that a super-segment was merged from
  TimePoint ingress{};
};

}  // namespace tapir::tcp::detail
