#pragma once

#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "rack_tlp.hpp"
#include "retransmit_queue.hpp"

namespace tapir::tcp {

/// What RACK remembers of deliveries (RFC 8985 sections 5.3 and 6.2): the most recently sent segment delivered, and how much reordering to bear with.
class Rack {
 public:
  /// Circumstances of one acknowledgment.
  struct Arrived {
    TimePoint at{};
    std::optional<Duration> min_rtt{};
    std::optional<TimePoint> echo_before{};  ///< the segment that it echoes (RFC 7323) was sent before this
  };

  /// An acknowledgment's deliveries follow.
  void on_ack() noexcept { late_ = false; }
  /// Steps 2 and 3 for one range that is newly acknowledged, in order or selectively. An acknowledgment's ranges come in order.
  void on_delivered(const RetransmitQueue::Range& range, const Arrived& arrived) noexcept;
  /// A segment at `begin` that was sent again had only been overtaken.
  void on_late_arrival(SeqNum begin) noexcept;
  /// Step 4: a duplicate was reported: something was sent again too early. Counts once a round.
  void on_duplicate_reported(SeqNum snd_nxt) noexcept;
  void on_una_advanced(SeqNum snd_una) noexcept;
  /// Fast or timeout recovery is over.
  void on_recovery_over() noexcept;

  /// RACK.segment; empty before anything was delivered.
  [[nodiscard]] std::optional<rack::Sent> latest() const noexcept { return latest_; }
  /// RACK.rtt
  [[nodiscard]] Duration rtt() const noexcept { return rtt_; }
  [[nodiscard]] bool reordering_seen() const noexcept { return reordering_ > 0; }
  /// The farthest, in octets, that a segment came behind one sent later; 0: none did.
  [[nodiscard]] std::uint32_t reordering() const noexcept { return reordering_; }
  /// Acknowledgments that told of something which came behind what had been sent later.
  [[nodiscard]] std::uint64_t reordering_events() const noexcept { return reordering_events_; }
  [[nodiscard]] std::uint32_t window_multiplier() const noexcept { return multiplier_; }

 private:
  std::optional<rack::Sent> latest_;
  Duration rtt_{};
  std::optional<SeqNum> forward_most_;  ///< RACK.fack
  std::uint32_t reordering_ = 0;
  std::uint64_t reordering_events_ = 0;
  bool late_ = false;             ///< this acknowledgment is counted already
  std::uint32_t multiplier_ = 1;  ///< RACK.reo_wnd_mult
  std::uint32_t persist_ = 0;     ///< RACK.reo_wnd_persist: recoveries until the multiplier falls back
  std::optional<SeqNum> dsack_round_;
};

}  // namespace tapir::tcp
