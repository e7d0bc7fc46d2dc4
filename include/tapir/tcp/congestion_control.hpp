#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// How fast the network delivered lately (draft-ietf-ccwg-bbr section 4.1): what an acknowledgment tells of the interval since the segment that it
/// covers was sent.
struct RateSample {
  std::uint64_t delivered_bytes = 0;        ///< in the interval
  Duration interval{};                      ///< the longer of the send and the acknowledgment phase; positive
  std::uint64_t prior_delivered_bytes = 0;  ///< of the connection when the segment was sent: where a round trip begins
  std::uint64_t total_delivered_bytes = 0;  ///< of the connection now
  std::uint32_t in_flight_at_send = 0;      ///< bytes in the network when the segment left, it included
  std::uint64_t lost_bytes = 0;             ///< since the segment was sent
  bool app_limited = false;  ///< the application, or the algorithm itself, not the network, set the pace when the segment was sent
};

/// Something is sent.
struct SentEvent {
  TimePoint now{};
  std::uint32_t bytes = 0;
  std::uint32_t in_flight = 0;  ///< bytes in the network before this
  bool retransmission = false;
  bool cwnd_limited = true;  ///< the window, not the application, holds the sender back (RFC 5681 section 3.1)
  Duration rto{};            ///< the retransmission timeout now
};

/// An acknowledgment that brought news: of new data, or, with SACK, of data beyond a gap. The one that shows a loss is told by on_loss() first and then,
/// with SACK, here.
struct AckEvent {
  TimePoint now{};
  std::uint32_t acked_bytes = 0;  ///< newly acknowledged in order, SYN and FIN not counted
  /// Bytes by which slow start may grow: of those acknowledged the ones of which that is news, for what SACK or duplicate acknowledgments told of before has
  /// let new data leave already. Where reordering is known, what is acknowledged selectively counts. Empty: acked_bytes.
  std::optional<std::uint32_t> credit_bytes = {};
  std::uint32_t delivered_bytes = 0;  ///< newly acknowledged in order or selectively: DeliveredData (RFC 9937 section 6)
  std::uint32_t lost_bytes = 0;       ///< newly considered lost because of this acknowledgment
  std::uint32_t flight_size = 0;      ///< bytes outstanding after this acknowledgment
  std::uint32_t in_flight = 0;        ///< of these, bytes thought to be in the network: neither selectively acknowledged nor lost
  SeqNum snd_una{};                   ///< after this acknowledgment
  SeqNum snd_nxt{};
  std::optional<Duration> rtt{};     ///< a valid sample that this acknowledgment gave
  std::uint32_t segments = 1;        ///< ACK segments that this one stands for, when a device merged several
  bool cwnd_limited = true;          ///< the window, not the application, held the sender back (RFC 5681 section 3.1)
  bool in_recovery = false;          ///< recovery with SACK is under way, this acknowledgment does not end it: PRR is at work (RFC 9937)
  bool ece = false;                  ///< the peer echoes a congestion mark: the window does not grow (RFC 3168 section 6.1.2)
  std::optional<RateSample> rate{};  ///< empty without a valid one
};

/// What told that the network is congested.
enum class Congestion : std::uint8_t { duplicate_acks, loss, ecn };

/// Data of one transmission is found lost: told for each, after the on_loss() or on_rto() that this means and before the on_ack() that showed it.
struct LostEvent {
  TimePoint now{};
  std::uint32_t bytes = 0;
  std::uint32_t in_flight_at_send = 0;      ///< bytes in the network when it left, it included
  std::uint64_t lost_bytes = 0;             ///< of the connection since it left, it included
  std::uint64_t total_delivered_bytes = 0;  ///< of the connection now
  bool app_limited = false;                 ///< the application, or the algorithm itself, set the pace when it left
};

/// Fast retransmit begins: until on_recovered() or on_rto() a recovery is under way. Or the peer echoes congestion marks and no recovery was under way: none
/// follows, the window is reduced at once.
struct LossEvent {
  TimePoint now{};
  std::uint32_t flight_size = 0;  ///< bytes outstanding, those of limited transmit not counted (RFC 5681 section 3.2 step 2)
  SeqNum snd_una{};
  SeqNum snd_nxt{};
  Congestion cause = Congestion::duplicate_acks;  ///< duplicate_acks: recovery without SACK, by on_duplicate_ack() and on_partial_ack()
  std::uint32_t in_flight = 0;                    ///< bytes thought to be in the network, what was found lost not counted
  /// RecoverFS (RFC 9937 section 6): bytes that were outstanding, and not selectively acknowledged, before the acknowledgment that showed the loss; limited
  /// transmit counted. 0: unknown, flight_size is taken.
  std::uint32_t recover_fs = 0;
};

/// The loss that was inferred was none: nothing but a delay (RFC 4015, RFC 5682, RFC 2883).
struct UndoEvent {
  TimePoint now{};
  std::uint32_t flight_size = 0;  ///< bytes outstanding
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
  std::uint32_t flight_size = 0;     ///< bytes outstanding after this acknowledgment
  std::uint32_t repaired_bytes = 0;  ///< that were lost, and have arrived as retransmissions since the recovery began
};

/// The retransmission timer expired.
struct RtoEvent {
  TimePoint now{};
  std::uint32_t flight_size = 0;  ///< bytes outstanding
  bool first = true;              ///< the segment at SND.UNA was not retransmitted by the timer before (RFC 5681 section 3.1)
  SeqNum snd_nxt{};
};

/// Data is about to be sent after the connection was idle. Told again, with the longer silence, when it could not leave yet.
struct IdleEvent {
  TimePoint now{};
  Duration idle{};  ///< since data was sent last
  Duration rto{};
};

/// The path MTU, and with it the segment size, changed.
struct MssChangeEvent {
  TimePoint now{};
  std::uint32_t mss = 0;  ///< SMSS in bytes, at least 1
};

/// What becomes of a congestion window that the application does not use.
enum class WindowValidation : std::uint8_t {
  off,      ///< nothing: it is kept
  rfc2861,  ///< it decays by the timeout, and restarts after one of silence (RFC 5681 section 4.1), as Linux has it
  rfc7661,  ///< it is kept for five minutes, but not trusted: congestion reduces it to what was used
};

/// What an algorithm starts with.
struct CongestionParameters {
  std::uint32_t mss = 536;                                                     ///< SMSS in bytes, at least 1
  std::uint32_t initial_window_segments = 10;                                  ///< 1 to 10 (RFC 6928 section 2)
  std::uint32_t initial_ssthresh = std::numeric_limits<std::uint32_t>::max();  ///< bytes; arbitrarily high (RFC 5681 section 3.1)
  std::uint32_t max_cwnd = 1U << 30U;                                          ///< bytes; the largest scaled window
  std::optional<std::uint32_t> slow_start_limit = {};  ///< L of RFC 3465: segments that one ACK counts for; empty: as its RFC says
  bool hystart = true;                                 ///< leave the first slow start when the delay grows (RFC 9406)
  WindowValidation window_validation = WindowValidation::rfc2861;
  bool reduce_from_cwnd = false;           ///< the threshold after congestion comes from cwnd, not from what is outstanding
  bool whole_segments = false;             ///< of CUBIC: as Config::cubic_whole_segments
  bool gradual_ecn = false;                ///< a congestion mark reduces the window in the course of a round trip, not at once
  bool paced = false;                      ///< segments leave at even distances
  std::optional<std::uint32_t> cwnd = {};  ///< bytes: handed over by the algorithm before, in mid-connection
  std::optional<Duration> rtt = {};        ///< smoothed, if there is one yet
  std::uint64_t seed = 0;                  ///< for an algorithm that throws dice
};

/// A congestion control algorithm. It owns cwnd and ssthresh; when to retransmit what, and the recover variable, are the connection's.
/// It sees events only, knows no connection and reads no clock.
class CongestionControl {
 public:
  virtual ~CongestionControl() = default;

  /// "newreno", "cubic", ...; the characters live for ever.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  virtual void on_sent(const SentEvent& event) = 0;
  virtual void on_ack(const AckEvent& event) = 0;
  virtual void on_lost(const LostEvent& event) { (void)event; }
  virtual void on_loss(const LossEvent& event) = 0;
  virtual void on_duplicate_ack(const DuplicateAckEvent& event) = 0;
  virtual void on_partial_ack(const PartialAckEvent& event) = 0;
  virtual void on_recovered(const RecoveredEvent& event) = 0;
  virtual void on_rto(const RtoEvent& event) = 0;
  /// Brings back what the last on_loss() or on_rto() took away.
  virtual void on_undo(const UndoEvent& event) = 0;
  virtual void on_idle(const IdleEvent& event) = 0;
  virtual void on_mss_change(const MssChangeEvent& event) = 0;
  /// The handshake is over. `syn_retransmissions` counts SYN or SYN,ACK segments sent again; after more than one the window is one segment
  /// (RFC 6928 section 2).
  virtual void on_established(std::uint32_t syn_retransmissions) = 0;

  /// The congestion window in bytes.
  [[nodiscard]] virtual std::uint32_t cwnd() const noexcept = 0;
  /// The slow start threshold in bytes.
  [[nodiscard]] virtual std::uint32_t ssthresh() const noexcept = 0;
  /// Bytes per second at which segments may leave; empty: as fast as cwnd allows.
  [[nodiscard]] virtual std::optional<std::uint64_t> pacing_rate() const noexcept { return std::nullopt; }
  /// Less is sent than the path carries because the algorithm wants it so for a while, to learn something else of the path: rate samples of what leaves
  /// meanwhile are marked as the application's are, and say as little of the path (draft-ietf-ccwg-bbr section 5.3.4.3).
  [[nodiscard]] virtual bool holds_back() const noexcept { return false; }
  [[nodiscard]] bool in_slow_start() const noexcept { return cwnd() < ssthresh(); }
};

/// Makes an algorithm for one connection; never nullptr.
using CongestionControlFactory = std::function<std::unique_ptr<CongestionControl>(const CongestionParameters&)>;
/// Algorithms by name.
using CongestionControls = std::map<std::string, CongestionControlFactory, std::less<>>;

}  // namespace tapir::tcp
