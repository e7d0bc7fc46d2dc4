#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <tapir/core/branch.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// Whether the congestion window is what holds the sender back: one that is not used was not probed, and must not grow (RFC 7661 section 4). Judged over a
/// window of data and not by the last segment sent, as in Linux' tcp_cwnd_validate(): the acknowledgments of a full window come when little is in flight.
class CwndUsage {
 public:
  /// Something was sent: bytes in the network after it, the congestion window, and where the connection's sequence space stands.
  void on_sent(std::uint32_t in_flight, std::uint32_t cwnd, std::uint32_t mss, SeqNum snd_una, SeqNum snd_nxt) noexcept {
    const bool full = std::uint64_t{in_flight} + mss > cwnd;
    const bool new_window = unlikely(!window_end_) || snd_una >= *window_end_;
    const bool no_more = full_ | (in_flight <= most_);
    if (!new_window & !full & no_more) return;
    full_ = full;
    most_ = in_flight;
    window_end_ = snd_nxt;
  }

  /// Slow start doubles the window in a round trip, so more than half of it in use is reason to grow.
  [[nodiscard]] bool limited(std::uint32_t cwnd, bool in_slow_start) const noexcept {
    const bool half = cwnd < 2 * std::uint64_t{most_};
    return full_ | (in_slow_start & half);
  }

 private:
  bool full_ = true;        ///< no more fitted into cwnd
  std::uint32_t most_ = 0;  ///< bytes in the network, in this window
  std::optional<SeqNum> window_end_;
};

}  // namespace tapir::tcp
