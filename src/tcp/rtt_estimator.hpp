#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// The retransmission timeout of one connection (RFC 6298). Which samples are valid (Karn's rule) is the caller's business.
class RttEstimator {
 public:
  struct Config {
    Duration initial_rto = std::chrono::seconds{1};       ///< before any sample (section 2.1)
    Duration min_rto = std::chrono::seconds{1};           ///< floor (section 2.4); a smaller one may be configured, from 1 ms on
    Duration max_rto = std::chrono::seconds{60};          ///< cap, taken as at least 60 s (section 2.5) and at most a day
    Duration granularity = std::chrono::milliseconds{1};  ///< G, of the clock behind the samples
    Duration min_rtt_window = std::chrono::seconds{300};  ///< min_rtt() forgets what is older than this, and not later than twice this
  };

  RttEstimator() noexcept : RttEstimator{Config{}} {}
  explicit RttEstimator(const Config& config) noexcept;

  /// A valid measurement of one round trip, taken at `now`, one of about `samples_per_rtt` in each: it counts for so much less, so that the estimate
  /// looks as far back as with one (RFC 7323 appendix G). Ends any back-off. Negative samples are taken as zero.
  void on_sample(Duration rtt, std::uint32_t samples_per_rtt = 1, TimePoint now = {}) noexcept;
  /// The timer expired: the timeout doubles, up to the cap (section 5.5).
  void back_off() noexcept;
  /// The last expiry was none of a lost segment: the back-off ends. The mean is left alone, unlike in RFC 4015 section 3.3: where it was the
  /// acknowledgment that was lost, the delay measured is the timeout itself, and each such loss would multiply it.
  void on_spurious_timeout() noexcept;
  /// The handshake is over. After a SYN timed out with a timeout below 3 s, it becomes 3 s for the data (section 5.7).
  void on_established(bool syn_timed_out) noexcept;

  /// The current timeout, back-off included.
  [[nodiscard]] Duration rto() const noexcept { return rto_; }
  /// How often back_off() was called since the last sample.
  [[nodiscard]] std::uint32_t backoffs() const noexcept { return backoffs_; }
  /// Smoothed round-trip time; empty before the first sample.
  [[nodiscard]] std::optional<Duration> srtt() const noexcept { return likely(sampled()) ? std::optional{srtt_} : std::nullopt; }
  /// Round-trip time variation; empty before the first sample.
  [[nodiscard]] std::optional<Duration> rttvar() const noexcept { return sampled() ? std::optional{rttvar_} : std::nullopt; }
  /// The smallest sample of late; empty before the first.
  [[nodiscard]] std::optional<Duration> min_rtt() const noexcept {
    return sampled() ? std::optional{std::min(min_rtt_, former_min_rtt_)} : std::nullopt;
  }
  [[nodiscard]] std::optional<Duration> latest() const noexcept { return sampled() ? std::optional{latest_} : std::nullopt; }
  [[nodiscard]] std::uint64_t samples() const noexcept { return samples_; }
  [[nodiscard]] const Config& config() const noexcept { return config_; }

 private:
  [[nodiscard]] bool sampled() const noexcept { return samples_ > 0; }
  [[nodiscard]] Duration bounded(Duration rto) const noexcept;
  void note_minimum(Duration rtt, TimePoint now) noexcept;

  Config config_;
  Duration srtt_{};
  Duration rttvar_{};
  Duration min_rtt_{};         ///< of the window under way
  Duration former_min_rtt_{};  ///< of the one before
  TimePoint window_began_{};
  Duration latest_{};
  Duration rto_;
  std::uint64_t samples_ = 0;
  std::uint32_t backoffs_ = 0;
};

}  // namespace tapir::tcp
