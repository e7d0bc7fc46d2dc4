#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

/// The rules of RACK-TLP (RFC 8985) as pure functions.
namespace tapir::tcp::rack {

/// One transmission: what RFC 8985 section 6.1 keeps of a segment.
struct Sent {
  TimePoint at{};
  SeqNum end{};  ///< one past its last octet
};

struct Lost {
  friend constexpr bool operator==(Lost, Lost) noexcept = default;
};
struct StillWaiting {
  Duration remaining{};  ///< positive
  friend constexpr bool operator==(StillWaiting, StillWaiting) noexcept = default;
};

/// RACK_sent_after (section 6.2 step 2): segments of one burst are ordered by their sequence numbers.
[[nodiscard]] constexpr bool sent_after(Sent a, Sent b) noexcept { return likely(a.at > b.at) || (a.at == b.at && a.end > b.end); }

/// Section 6.2 step 5 for one segment that was sent before the most recently sent one of those delivered: whether the time that one took to be
/// acknowledged, `rtt`, and the reordering `window` have passed.
[[nodiscard]] constexpr std::variant<Lost, StillWaiting> judge(TimePoint now, Sent record, Duration rtt, Duration window) noexcept {
  const Duration remaining = record.at + rtt + window - now;
  if (remaining <= Duration::zero()) return Lost{};
  return StillWaiting{remaining};
}

/// What the reordering window follows from (section 6.2 step 4).
struct Reordering {
  bool seen = false;               ///< a segment was delivered after one sent later, without a retransmission
  bool in_recovery = false;        ///< fast or timeout recovery
  bool threshold_reached = false;  ///< DupThresh segments are selectively acknowledged
  std::uint32_t multiplier = 1;    ///< of quarters of min_rtt
  Duration min_rtt{};
  Duration srtt{};
};

[[nodiscard]] constexpr Duration reordering_window(const Reordering& r) noexcept {
  if (!r.seen && (r.in_recovery || r.threshold_reached)) return Duration::zero();
  return std::min(r.multiplier * r.min_rtt / 4, r.srtt);
}

/// PTO (section 7.2). `one_segment`: no more than one is outstanding, whose acknowledgment the peer may delay by `max_ack_delay`.
[[nodiscard]] constexpr Duration probe_timeout(std::optional<Duration> srtt, bool one_segment, Duration max_ack_delay) noexcept {
  if (!srtt) return std::chrono::seconds{1};
  return 2 * *srtt + (one_segment ? max_ack_delay : Duration::zero());
}

}  // namespace tapir::tcp::rack
