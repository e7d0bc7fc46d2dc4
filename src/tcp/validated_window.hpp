#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>

#include "pipe_ack.hpp"

namespace tapir::tcp {

/// Whether the congestion window was lately used, or is only remembered (RFC 7661 section 4.3), and for how long it has been the latter. It does not own the
/// window: it is told how large it is.
class ValidatedWindow {
 public:
  static constexpr Duration kPeriod = std::chrono::minutes{5};  ///< NVP

  /// `srtt`: smoothed, where it is known already.
  explicit ValidatedWindow(std::optional<Duration> srtt) noexcept : srtt_{srtt} {}

  /// An acknowledgment outside of fast recovery, with the round trip that it has measured.
  [[gnu::noinline]] void on_ack(const PipeAck::Acked& acked, std::optional<Duration> rtt, std::uint32_t cwnd) noexcept {
    if (rtt) srtt_ = srtt_ ? *srtt_ + (*rtt - *srtt_) / 8 : *rtt;
    pipe_ack_.on_ack(acked, period());
    note_phase(acked.now, cwnd);
  }
  /// pipeACK in bytes; nullopt: undefined.
  [[nodiscard]] std::optional<std::uint32_t> pipe_ack(TimePoint now) const noexcept { return pipe_ack_.value(now, period()); }
  /// Whether at least half of the window was used, as far as is known.
  [[nodiscard]] bool validated(TimePoint now, std::uint32_t cwnd) const noexcept {
    const auto used = pipe_ack(now);
    return !used || 2 * std::uint64_t{*used} >= cwnd;
  }
  /// How many NVPs of the present non-validated phase are over, those that were told of before not counted.
  [[nodiscard]] std::uint32_t take_periods(TimePoint now, std::uint32_t cwnd) noexcept {
    note_phase(now, cwnd);
    if (!since_) return 0;
    const auto over = (now - *since_) / kPeriod;
    *since_ += over * kPeriod;
    return static_cast<std::uint32_t>(std::min<Duration::rep>(over, UINT32_MAX));
  }
  /// Congestion was met, and answered.
  void forget() noexcept {
    pipe_ack_.forget();
    since_.reset();
  }

 private:
  [[nodiscard]] Duration period() const noexcept { return PipeAck::sampling_period(srtt_); }
  /// In silence nobody looks: the phase has begun when the last sample ceased to count.
  void note_phase(TimePoint now, std::uint32_t cwnd) noexcept {
    if (validated(now, cwnd)) {
      since_.reset();
    } else if (!since_) {
      since_ = std::min(now, pipe_ack_.last_sample_at() + period());
    }
  }

  std::optional<Duration> srtt_;
  PipeAck pipe_ack_;
  std::optional<TimePoint> since_;  ///< the non-validated phase
};

}  // namespace tapir::tcp
