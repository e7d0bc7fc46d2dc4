#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tapir/core/packet.hpp>
#include <tapir/core/time.hpp>

#include "four_tuple.hpp"
#include "header.hpp"
#include "options.hpp"

namespace tapir::tcp::detail {

/// A received segment on its way through the checks of RFC 9293 section 3.10.7. They may cut it to the window.
struct Arrival {
  Segment segment{};
  Options options{};
  Packet payload;
  FourTuple tuple{};
  std::uint8_t tos = 0;
  std::uint8_t ttl = 255;
  std::vector<std::byte> ip_options{};
  std::uint32_t segments = 1;  ///< that a super-segment was merged from
  TimePoint ingress{};
};

}  // namespace tapir::tcp::detail
