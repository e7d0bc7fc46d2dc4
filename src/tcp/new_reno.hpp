#pragma once

#include <cstdint>
#include <limits>

#include "congestion_control.hpp"

namespace tapir::tcp {

/// Slow start, congestion avoidance and the window of fast recovery (RFC 5681, RFC 6582), initial window of RFC 6928. Limited transmit does
/// not pass through here: it leaves cwnd as it is (RFC 5681 section 3.2 step 1).
class NewReno final : public CongestionControl {
 public:
  struct Config {
    std::uint32_t mss = 536;                                                     ///< SMSS in bytes, at least 1
    std::uint32_t initial_window_segments = 10;                                  ///< at most 10 (RFC 6928 section 2), at least 1
    std::uint32_t initial_ssthresh = std::numeric_limits<std::uint32_t>::max();  ///< bytes; arbitrarily high (RFC 5681 section 3.1)
    std::uint32_t max_cwnd = 1U << 30U;                                          ///< bytes; the largest scaled window
  };

  explicit NewReno(const Config& config) noexcept;

  [[nodiscard]] std::string_view name() const noexcept override { return "newreno"; }
  void on_sent(const SentEvent&) override {}
  void on_ack(const AckEvent& event) override;
  void on_loss(const LossEvent& event) override;
  void on_duplicate_ack(const DuplicateAckEvent& event) override;
  void on_partial_ack(const PartialAckEvent& event) override;
  void on_recovered(const RecoveredEvent& event) override;
  void on_rto(const RtoEvent& event) override;
  void on_undo(const UndoEvent&) override {}
  void on_idle(const IdleEvent& event) override;
  void on_mss_change(const MssChangeEvent& event) override;
  void on_established(std::uint32_t syn_retransmissions) override;

  [[nodiscard]] std::uint32_t cwnd() const noexcept override { return cwnd_; }
  [[nodiscard]] std::uint32_t ssthresh() const noexcept override { return ssthresh_; }
  /// IW in bytes for the current segment size.
  [[nodiscard]] std::uint32_t initial_window() const noexcept;

 private:
  void set_cwnd(std::uint64_t bytes) noexcept;
  void reduce_ssthresh(std::uint32_t flight_size) noexcept;
  void note_loss(std::uint32_t flight_size) noexcept;

  Config config_;
  std::uint32_t cwnd_ = 0;
  std::uint32_t ssthresh_;
  std::uint64_t avoidance_acked_ = 0;    ///< bytes acknowledged since cwnd last grew in congestion avoidance
  std::uint64_t recovery_limit_ = 0;     ///< inflation stops here: three segments and the flight at entry above ssthresh
  std::uint64_t acked_since_start_ = 0;  ///< bytes acknowledged since the connection, or its last restart, began
  std::uint64_t window_at_start_ = 0;    ///< bytes: cwnd then
  bool in_first_window_ = true;          ///< what was sent in that window is not acknowledged yet
  bool lost_in_first_window_ = false;    ///< later restart windows have the size of RFC 3390 (RFC 6928 section 2)
};

}  // namespace tapir::tcp
