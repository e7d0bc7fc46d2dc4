#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include <tapir/tcp/congestion_control.hpp>

#include "bbr_model.hpp"

namespace tapir::tcp {

/// BBR version 3 (draft-ietf-ccwg-bbr): sends at the rate at which the path delivers, with about as much in flight as the path holds, and from time to time tries
/// whether there is more bandwidth or less delay. Losses beyond 2 % bound what it has in flight. Congestion marks are taken for losses.
class Bbr final : public CongestionControl {
 public:
  enum class State : std::uint8_t { startup, drain, probe_bw_down, probe_bw_cruise, probe_bw_refill, probe_bw_up, probe_rtt };

  static constexpr double kStartupPacingGain = 2.77;
  static constexpr double kDrainPacingGain = 0.5;
  static constexpr double kLossThreshold = 0.02;
  static constexpr double kHeadroom = 0.15;
  static constexpr double kPacingMargin = 0.01;
  static constexpr std::uint32_t kStartupLossEvents = 6;
  static constexpr std::uint64_t kMostDrainRounds = 3;
  static constexpr std::uint32_t kMinSegments = 4;
  static constexpr Duration kProbeRttDuration = std::chrono::milliseconds{200};

  explicit Bbr(const CongestionParameters& parameters) noexcept;

  [[nodiscard]] std::string_view name() const noexcept override { return "bbr"; }
  void on_sent(const SentEvent&) override {}
  void on_ack(const AckEvent& event) override;
  void on_lost(const LostEvent& event) override;
  void on_loss(const LossEvent& event) override;
  void on_duplicate_ack(const DuplicateAckEvent& event) override;
  void on_partial_ack(const PartialAckEvent&) override {}
  void on_recovered(const RecoveredEvent& event) override;
  void on_rto(const RtoEvent& event) override;
  void on_undo(const UndoEvent& event) override;
  void on_idle(const IdleEvent& event) override;
  void on_mss_change(const MssChangeEvent& event) override;
  void on_established(std::uint32_t syn_retransmissions) override;

  [[nodiscard]] std::uint32_t cwnd() const noexcept override { return cwnd_; }
  /// There is none: all but the startup is congestion avoidance.
  [[nodiscard]] std::uint32_t ssthresh() const noexcept override;
  [[nodiscard]] std::optional<std::uint64_t> pacing_rate() const noexcept override;
  [[nodiscard]] bool holds_back() const noexcept override { return state_ == State::probe_rtt; }

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const BbrModel& model() const noexcept { return model_; }
  [[nodiscard]] std::uint64_t inflight_longterm() const noexcept { return inflight_longterm_; }

 private:
  enum class AckPhase : std::uint8_t { init, refilling, probe_starting, probe_feedback, probe_stopping };

  [[nodiscard]] bool probing_bw() const noexcept;
  [[nodiscard]] bool in_probe_bw() const noexcept;

  void enter(State state) noexcept;
  void check_startup(const AckEvent& event) noexcept;
  void update_probe_bw(const AckEvent& event) noexcept;
  [[nodiscard]] bool adapt_longterm(const AckEvent& event) noexcept;
  [[nodiscard]] bool startup_loses_much() const noexcept;
  [[nodiscard]] bool too_high(std::uint64_t lost, std::uint32_t in_flight) const noexcept;
  void lower_longterm(const LostEvent& event) noexcept;
  void raise_longterm(const AckEvent& event) noexcept;
  void raise_slope() noexcept;
  void check_probe_rtt(const AckEvent& event) noexcept;
  void handle_probe_rtt(const AckEvent& event) noexcept;
  void leave_probe_rtt(TimePoint now) noexcept;
  void start_down(TimePoint now) noexcept;
  void start_refill() noexcept;
  void start_up(const AckEvent& event) noexcept;
  [[nodiscard]] bool start_probe_if_time(TimePoint now) noexcept;
  [[nodiscard]] bool time_to_cruise(const AckEvent& event) const noexcept;
  [[nodiscard]] bool time_to_go_down(const AckEvent& event) noexcept;

  void set_pacing_rate(double gain) noexcept;
  void set_window(const AckEvent& event) noexcept;
  [[nodiscard]] std::uint64_t quantized(std::uint64_t bytes) const noexcept;
  [[nodiscard]] std::uint64_t inflight(double gain) const noexcept { return quantized(model_.bdp(model_.max_bw(), gain)); }
  [[nodiscard]] std::uint64_t inflight_with_headroom() const noexcept;
  [[nodiscard]] std::uint64_t probe_rtt_cwnd() const noexcept;
  [[nodiscard]] std::uint32_t least_cwnd() const noexcept { return kMinSegments * parameters_.mss; }
  [[nodiscard]] std::uint64_t target_inflight() const noexcept { return std::min<std::uint64_t>(model_.bdp(model_.bw(), 1), cwnd_); }
  void save_state() noexcept;
  void save_cwnd() noexcept;
  void restore_cwnd() noexcept;
  void set_cwnd(std::uint64_t bytes) noexcept;
  [[nodiscard]] std::uint64_t dice(std::uint64_t bound) noexcept;

  CongestionParameters parameters_;
  BbrModel model_;
  State state_ = State::startup;
  AckPhase ack_phase_ = AckPhase::init;
  double pacing_gain_ = kStartupPacingGain;
  double cwnd_gain_ = 2;
  double pacing_rate_ = 0;  ///< bytes per second
  bool has_seen_rtt_ = false;
  std::uint32_t cwnd_ = 0;
  std::uint32_t initial_cwnd_ = 0;
  std::uint32_t prior_cwnd_ = 0;        ///< before recovery or ProbeRTT
  bool in_recovery_ = false;            ///< fast recovery
  std::optional<SeqNum> rto_recovery_;  ///< after a timeout, until everything up to here is acknowledged
  bool sack_ = true;                    ///< losses are told one by one
  bool idle_restart_ = false;
  std::uint64_t drain_start_round_ = 0;

  std::uint64_t inflight_longterm_ = BbrModel::kUnlimited;  ///< what the path was seen to take without many losses
  // Before the losses, should they turn out to be none (section 5.5.11).
  std::optional<State> undo_state_;  ///< that the losses ended
  double undo_bw_shortterm_ = 0;
  std::uint64_t undo_inflight_shortterm_ = 0;
  std::uint64_t undo_longterm_ = 0;
  bool probe_samples_ = false;             ///< losses tell of what was sent while probing
  bool prev_probe_too_high_ = false;       ///< the last probe lost too much: the next goes up to the bound alone
  bool prev_probe_precautionary_ = false;  ///< so it did
  std::uint32_t up_rounds_ = 0;
  std::uint64_t up_acked_ = 0;
  std::uint64_t up_bytes_per_mss_ = BbrModel::kUnlimited;
  TimePoint cycle_stamp_{};
  Duration probe_wait_{};
  std::uint64_t round_of_probe_ = 0;
  std::optional<TimePoint> probe_rtt_done_stamp_;
  bool probe_rtt_round_done_ = false;
  std::uint64_t random_;
};

}  // namespace tapir::tcp
