#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// HyStart++ (RFC 9406): finds the end of the first slow start in a growing delay, before the queue overflows.
class Hystart {
 public:
  /// The constants of RFC 9406 section 4.3.
  struct Config {
    Duration min_rtt_threshold = std::chrono::milliseconds{4};
    Duration max_rtt_threshold = std::chrono::milliseconds{16};
    std::uint32_t min_rtt_divisor = 8;
    std::uint32_t samples = 8;         ///< N_RTT_SAMPLE
    std::uint32_t growth_divisor = 4;  ///< at least 2; smaller ones are taken as 2
    std::uint32_t css_rounds = 5;
  };
  enum class Phase : std::uint8_t { slow_start, conservative, over };

  Hystart() noexcept : Hystart{Config{}} {}
  explicit Hystart(const Config& config) noexcept;

  /// An acknowledgment in slow start; the samples of a round decide. After it phase() may be over: congestion avoidance begins.
  void on_ack(SeqNum snd_una, SeqNum snd_nxt, std::optional<Duration> rtt) noexcept;
  /// A loss or a congestion mark, or nobody wants it.
  void stop() noexcept { phase_ = Phase::over; }

  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  /// What is left of `bytes` by which slow start would grow.
  [[nodiscard]] std::uint64_t growth(std::uint64_t bytes) const noexcept {
    return phase_ == Phase::conservative ? bytes / config_.growth_divisor : bytes;
  }
  [[nodiscard]] std::uint32_t rounds() const noexcept { return rounds_; }
  [[nodiscard]] const Config& config() const noexcept { return config_; }

 private:
  void end_round(SeqNum snd_nxt) noexcept;
  void judge() noexcept;
  [[nodiscard]] Duration threshold() const noexcept;

  Config config_;
  Phase phase_ = Phase::slow_start;
  std::optional<SeqNum> window_end_;  ///< windowEnd: acknowledged when the round is over
  std::uint32_t rounds_ = 0;          ///< completed
  std::uint32_t css_rounds_ = 0;      ///< completed in conservative slow start, the one that it began in counted
  std::uint32_t sample_count_ = 0;
  std::optional<Duration> last_min_;     ///< lastRoundMinRTT
  std::optional<Duration> current_min_;  ///< currentRoundMinRTT
  std::optional<Duration> baseline_;     ///< cssBaselineMinRtt
};

}  // namespace tapir::tcp
