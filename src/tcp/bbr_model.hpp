#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include <tapir/tcp/congestion_control.hpp>

namespace tapir::tcp {

/// What BBR knows of the path (draft-ietf-ccwg-bbr section 5.5): round trips, the highest delivery rate, the least delay, the upper bounds that losses taught, and
/// how much acknowledgments clump. Rates are in bytes per second, sizes in bytes.
class BbrModel {
 public:
  static constexpr double kBeta = 0.7;
  static constexpr double kFullBwGrowth = 1.25;
  static constexpr std::uint32_t kFullBwRounds = 3;
  static constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
  static constexpr Duration kMinRttFilter = std::chrono::seconds{10};
  static constexpr Duration kProbeRttInterval = std::chrono::seconds{5};

  /// What one acknowledgment tells. `probing_bw`: the flow is just trying how much there is, so losses lower no bounds.
  void on_ack(const AckEvent& event, std::uint32_t cwnd, bool probing_bw) noexcept;
  /// At its end: the signals of the round begin anew where they were judged.
  void advance_latest(const RateSample& rate) noexcept;
  /// Data was found lost: the round in which that is judged ends a round trip after the first of it.
  void on_lost(const LostEvent& event) noexcept;
  /// A congestion mark counts as a loss.
  void on_mark() noexcept { begin_loss_round(delivered_); }

  // Rounds (section 5.5.1).
  void start_round(std::uint64_t delivered) noexcept { next_round_delivered_ = delivered; }
  [[nodiscard]] bool round_start() const noexcept { return round_start_; }
  [[nodiscard]] std::uint64_t rounds() const noexcept { return rounds_; }
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }

  // Bandwidth (sections 5.5.5 to 5.5.7 and 5.3.1.2).
  [[nodiscard]] double max_bw() const noexcept { return std::max(bw_filter_[0], bw_filter_[1]); }
  [[nodiscard]] double bw() const noexcept { return std::min(max_bw(), bw_shortterm_); }
  [[nodiscard]] double latest_bw() const noexcept { return latest_sample_; }
  void advance_max_bw_filter() noexcept;
  [[nodiscard]] bool full_bw_reached() const noexcept { return full_bw_reached_; }
  [[nodiscard]] bool full_bw_now() const noexcept { return full_bw_now_; }
  void reset_full_bw(double start) noexcept;
  void declare_full_bw() noexcept { full_bw_reached_ = full_bw_now_ = true; }
  void take_full_bw_back() noexcept { full_bw_reached_ = false; }

  // Delay (section 5.5.8 and 5.3.4).
  [[nodiscard]] std::optional<Duration> min_rtt() const noexcept { return min_rtt_; }
  [[nodiscard]] bool probe_rtt_expired() const noexcept { return probe_rtt_expired_; }
  void probe_rtt_done(TimePoint now) noexcept { probe_rtt_min_stamp_ = now; }

  // Bounds for the time being (section 5.5.10.3).
  [[nodiscard]] std::uint64_t inflight_shortterm() const noexcept { return inflight_shortterm_; }
  [[nodiscard]] std::uint64_t inflight_latest() const noexcept { return inflight_latest_; }
  void reset_shortterm() noexcept;
  [[nodiscard]] double bw_shortterm() const noexcept { return bw_shortterm_; }
  /// The losses were none: the bounds are at least as before (section 5.5.11.2).
  void undo(double bw_shortterm, std::uint64_t inflight_shortterm) noexcept;
  void reset_congestion_signals() noexcept;
  /// This acknowledgment ends a round in which losses are judged.
  [[nodiscard]] bool loss_round_start() const noexcept { return loss_round_start_; }
  /// Losses of that round, in ranges and in bytes; what was delivered in it.
  struct Round {
    std::uint32_t loss_events = 0;
    std::uint64_t lost = 0;
    std::uint64_t delivered = 0;
  };
  [[nodiscard]] const Round& last_round() const noexcept { return last_round_; }

  [[nodiscard]] std::uint64_t bdp(double bandwidth, double gain) const noexcept;
  [[nodiscard]] std::uint64_t extra_acked() const noexcept { return std::max(extra_acked_[0], extra_acked_[1]); }

 private:
  void update_round(const AckEvent& event) noexcept;
  void update_bandwidth(const RateSample& rate) noexcept;
  void update_congestion(const AckEvent& event, std::uint32_t cwnd, bool probing_bw) noexcept;
  void begin_loss_round(std::uint64_t delivered) noexcept;
  void update_aggregation(const AckEvent& event, std::uint32_t cwnd) noexcept;
  void update_full_bw(const RateSample& rate) noexcept;
  void update_min_rtt(const AckEvent& event) noexcept;

  std::uint64_t delivered_ = 0;
  std::uint64_t next_round_delivered_ = 0;
  std::uint64_t rounds_ = 0;
  bool round_start_ = false;
  Round this_round_;
  Round last_round_;

  std::array<double, 2> bw_filter_{};  ///< highest samples of the last and of this cycle of probing
  double latest_sample_ = 0;
  double full_bw_ = 0;
  std::uint32_t full_bw_count_ = 0;
  bool full_bw_now_ = false;
  bool full_bw_reached_ = false;

  double bw_latest_ = 0;
  double bw_shortterm_ = std::numeric_limits<double>::infinity();
  std::uint64_t inflight_latest_ = 0;
  std::uint64_t inflight_shortterm_ = kUnlimited;
  std::uint64_t loss_round_delivered_ = 0;
  bool loss_round_start_ = false;
  bool loss_in_round_ = false;

  std::optional<Duration> min_rtt_;
  TimePoint min_rtt_stamp_{};
  std::optional<Duration> probe_rtt_min_delay_;
  TimePoint probe_rtt_min_stamp_{};
  bool probe_rtt_expired_ = false;

  std::array<std::uint64_t, 2> extra_acked_{};  ///< highest of the last and of these five rounds
  std::uint64_t extra_acked_round_ = 0;
  std::optional<TimePoint> aggregation_start_;
  std::uint64_t aggregated_ = 0;
};

}  // namespace tapir::tcp
