#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// What decides how much one super-segment may carry.
struct BurstDecision {
  std::uint32_t mss = 0;                 ///< bytes in a segment, at least 1
  std::uint32_t cwnd = 0;                ///< bytes
  std::uint64_t rate = 0;                ///< bytes per second at which this connection sends; 0: not known yet
  std::optional<Duration> min_rtt = {};  ///< the shortest round trip
  std::uint32_t fewest_segments = 2;     ///< so many always, so that slow connections use super-segments, too
  std::uint32_t most_bytes = 0;          ///< that the link takes in one
};

/// How many segments may leave in one super-segment, as Linux sizes them (tcp_tso_autosize() and tcp_cwnd_test()): what is sent in a millisecond, so
/// that bursts stay short; more where the peer is near, since a burst that is gone within microseconds hurts nobody; and never more than half of
/// cwnd, so that two of them keep the acknowledgments coming.
[[nodiscard]] constexpr std::uint32_t burst_segments(const BurstDecision& d) noexcept {
  constexpr std::uint64_t bursts_per_second = 1024;
  constexpr std::int64_t halving_rtt = 512;  // microseconds of round trip that halve the allowance for near peers
  std::uint64_t bytes = d.rate == 0 ? d.most_bytes : d.rate / bursts_per_second;
  if (d.min_rtt) {
    const std::int64_t halvings = std::chrono::duration_cast<std::chrono::microseconds>(*d.min_rtt).count() / halving_rtt;
    if (halvings < 32) bytes += d.most_bytes >> static_cast<unsigned>(std::max<std::int64_t>(halvings, 0));
  }
  const std::uint64_t segments = std::max<std::uint64_t>(std::min<std::uint64_t>(bytes, d.most_bytes) / d.mss, d.fewest_segments);
  const std::uint32_t half_window = std::max(d.cwnd / d.mss / 2, 1U);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(segments, half_window));
}

}  // namespace tapir::tcp
