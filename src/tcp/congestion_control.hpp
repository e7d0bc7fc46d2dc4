#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// An acknowledgment of new data.
struct AckEvent {
  TimePoint now{};
  std::uint32_t acked_bytes = 0;  ///< newly acknowledged, SYN and FIN not counted
  std::uint32_t flight_size = 0;  ///< bytes outstanding after this acknowledgment
  SeqNum snd_una{};               ///< after this acknowledgment
  SeqNum snd_nxt{};
  std::optional<Duration> rtt{};  ///< a valid sample that this acknowledgment gave
  std::uint32_t segments = 1;     ///< ACK segments that this one stands for, when a device merged several
  bool cwnd_limited = true;       ///< the window, not the application, held the sender back (RFC 5681 section 3.1)
};

/// Fast retransmit begins: a loss was inferred and no recovery is under way.
struct LossEvent {
  TimePoint now{};
  std::uint32_t flight_size = 0;  ///< bytes outstanding, those of limited transmit not counted (RFC 5681 section 3.2 step 2)
  SeqNum snd_una{};
  SeqNum snd_nxt{};
};

/// A further duplicate acknowledgment while in fast recovery.
struct DuplicateAckEvent {
  TimePoint now{};
  std::uint32_t flight_size = 0;  ///< bytes
  std::uint32_t segments = 1;     ///< duplicates that this one stands for
};

/// An acknowledgment of part of what was outstanding when recovery began (RFC 6582 section 3.2).
struct PartialAckEvent {
  TimePoint now{};
  std::uint32_t acked_bytes = 0;
  std::uint32_t flight_size = 0;  ///< bytes outstanding after this acknowledgment
};

/// All that was outstanding when recovery began is acknowledged.
struct RecoveredEvent {
  TimePoint now{};
  std::uint32_t acked_bytes = 0;
  std::uint32_t flight_size = 0;  ///< bytes outstanding after this acknowledgment
};

/// The retransmission timer expired.
struct RtoEvent {
  TimePoint now{};
  std::uint32_t flight_size = 0;  ///< bytes outstanding
  bool first = true;              ///< the segment at SND.UNA was not retransmitted by the timer before (RFC 5681 section 3.1)
  SeqNum snd_nxt{};
};

/// Data is about to be sent after the connection was idle.
struct IdleEvent {
  TimePoint now{};
  Duration idle{};  ///< since the last segment was sent
  Duration rto{};
};

/// The path MTU, and with it the segment size, changed.
struct MssChangeEvent {
  TimePoint now{};
  std::uint32_t mss = 0;  ///< SMSS in bytes, at least 1
};

/// A congestion control algorithm. It owns cwnd and ssthresh; when to retransmit what, and the recover variable, are the connection's.
/// It sees events only, knows no connection and reads no clock.
class CongestionControl {
 public:
  virtual ~CongestionControl() = default;

  /// "newreno", "cubic", ...
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  virtual void on_ack(const AckEvent& event) = 0;
  virtual void on_loss(const LossEvent& event) = 0;
  virtual void on_duplicate_ack(const DuplicateAckEvent& event) = 0;
  virtual void on_partial_ack(const PartialAckEvent& event) = 0;
  virtual void on_recovered(const RecoveredEvent& event) = 0;
  virtual void on_rto(const RtoEvent& event) = 0;
  virtual void on_idle(const IdleEvent& event) = 0;
  virtual void on_mss_change(const MssChangeEvent& event) = 0;
  /// The handshake is over. `syn_retransmissions` counts SYN or SYN,ACK segments sent again; after more than one the window is one segment
  /// (RFC 6928 section 2).
  virtual void on_established(std::uint32_t syn_retransmissions) = 0;

  /// The congestion window in bytes.
  [[nodiscard]] virtual std::uint32_t cwnd() const noexcept = 0;
  /// The slow start threshold in bytes.
  [[nodiscard]] virtual std::uint32_t ssthresh() const noexcept = 0;
  [[nodiscard]] bool in_slow_start() const noexcept { return cwnd() < ssthresh(); }
};

}  // namespace tapir::tcp
