#pragma once

#include <algorithm>
#include <cstdint>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

/// What decides whether new data may leave now (RFC 9293 sections 3.7.4 and 3.8.6.2.1). All sizes in bytes.
struct SendDecision {
  std::uint32_t queued = 0;         ///< D: in the send buffer and not sent yet
  std::uint32_t usable_window = 0;  ///< U: what the peer's window, and cwnd, leave beyond SND.NXT
  std::uint32_t mss = 0;            ///< Eff.snd.MSS, at least 1
  std::uint32_t max_window = 0;     ///< Max(SND.WND): the largest window the peer ever offered
  bool outstanding = false;         ///< SND.NXT > SND.UNA; with `minshall`: a small segment is outstanding
  bool minshall = false;            ///< full segments that leave do not hold the small one behind them back (RFC 9293 appendix A.3)
  bool pushed = true;               ///< the queue ends with a pushed write
  bool no_delay = false;            ///< Nagle's algorithm is off
  bool corked = false;              ///< only full segments leave until the override timer runs out
  bool override_expired = false;    ///< the override timer, 0.1 to 1 s, ran out
};

/// How many bytes may leave now; 0: wait. A full segment or more is rounded to what fits, the rest of the queue included only when the rules
/// let a small segment go: the sender's side of silly window avoidance and Nagle in one.
[[nodiscard]] constexpr std::uint32_t may_send(const SendDecision& d) noexcept {
  const std::uint32_t fits = std::min(d.queued, d.usable_window);
  if (fits == 0) return 0;
  const std::uint32_t full_segments = fits / d.mss * d.mss;
  const std::uint32_t rest = fits - full_segments;
  if (rest == 0) return fits;
  if (d.override_expired) return fits;
  if (d.corked) return full_segments;
  // Rules (2) and (3): a small segment goes when it empties a pushed queue or fills half of the largest window seen, and Nagle agrees. Behind full
  // segments that leave now it is always Nagle's case of data outstanding.
  const bool nagle_agrees = d.no_delay || (!d.outstanding && (full_segments == 0 || d.minshall));
  const bool empties_queue = d.pushed && d.queued <= d.usable_window;
  const bool half_window = rest >= (d.max_window + 1) / 2 && d.max_window > 0;
  return nagle_agrees && (empties_queue || half_window) ? fits : full_segments;
}

/// What decides how far the window offered may open (RFC 9293 section 3.8.6.2.2). All sizes in bytes.
struct WindowDecision {
  std::uint32_t buffer = 0;          ///< RCV.BUFF
  std::uint32_t room = 0;            ///< RCV.BUFF - RCV.USER: what the buffer could take beyond RCV.NXT
  std::uint32_t current_window = 0;  ///< RCV.WND: from RCV.NXT to the right edge offered last
  std::uint32_t mss = 0;             ///< of the connection
};

/// The window to offer: it never moves the right edge left (SHLD-14), and moves it right only in steps worth a segment.
[[nodiscard]] constexpr std::uint32_t window_to_offer(const WindowDecision& d) noexcept {
  if (unlikely(d.room <= d.current_window)) return d.current_window;
  const std::uint32_t step = std::min(d.buffer / 2, d.mss);
  return d.room - d.current_window >= std::max(step, 1U) ? d.room : d.current_window;
}

}  // namespace tapir::tcp
