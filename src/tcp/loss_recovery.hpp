#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/congestion_control.hpp>
#include <tapir/tcp/info.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "deadline.hpp"
#include "delivery_rate.hpp"
#include "options.hpp"
#include "rack.hpp"
#include "retransmit_queue.hpp"
#include "rtt_estimator.hpp"
#include "sack_scoreboard.hpp"
#include "spurious.hpp"
#include "tail_loss_probe.hpp"
#include "transmission_log.hpp"

namespace tapir::tcp {

/// What an acknowledgment says, as far as loss recovery is concerned.
struct AckReport {
  TimePoint now{};
  TimePoint arrived{};  ///< when the segment reached this host: what round trips are measured by
  SeqNum ack{};         ///< SEG.ACK, not above SND.NXT
  SackBlocks sack{};
  bool duplicate = false;                  ///< by the conditions of RFC 5681 section 2, that data is outstanding not looked at
  std::uint32_t max_window = 0;            ///< MAX.SND.WND
  std::optional<Duration> echo_rtt{};      ///< since the segment was sent whose timestamp is echoed (RFC 7323)
  std::optional<TimePoint> echo_before{};  ///< it was sent before this: the end of its tick of the timestamp clock
};

/// What has become known of a segment that probes the path MTU (RFC 4821 section 7.6).
enum class MtuProbeFate : std::uint8_t {
  unknown,
  arrived,
  lost,      ///< and nothing else: no sign of congestion
  undecided  ///< other segments were lost, too
};

/// What an acknowledgment did, and what is to be done about it.
struct AckOutcome {
  std::uint32_t acked = 0;       ///< octets of sequence space newly acknowledged in order
  std::uint32_t sacked = 0;      ///< octets newly acknowledged selectively
  std::uint32_t delivered = 0;   ///< octets of which the arrival is news
  std::uint32_t credit = 0;      ///< octets by which it lets the window grow: see AckEvent::credit_bytes
  std::uint32_t lost = 0;        ///< octets newly considered lost
  std::uint32_t repaired = 0;    ///< of a recovery that is over: octets that have arrived only because they were sent again
  std::uint32_t recover_fs = 0;  ///< octets that were outstanding and not selectively acknowledged before (RFC 9937 section 6)
  std::optional<Duration> rtt{};
  std::optional<RateSample> rate{};
  bool entered = false;                ///< fast recovery begins
  bool partial = false;                ///< without SACK: part of what was outstanding when recovery began (RFC 6582)
  bool duplicate_in_recovery = false;  ///< without SACK: one more duplicate in fast recovery
  bool left = false;                   ///< fast recovery is over
  bool undone = false;                 ///< what was inferred lost was not: the congestion response is to be taken back
  bool tail_lost = false;              ///< a probe repaired a loss: a congestion response without a recovery (RFC 8985 section 7.4)
  MtuProbeFate mtu_probe = MtuProbeFate::unknown;
  bool restart_timer = false;  ///< the retransmission timer starts anew
};

/// The sender's loss detection and recovery: what is outstanding, what of it is lost, and since when a recovery is under way. It knows no connection,
/// sends nothing and does not touch cwnd: it is told events and answers with decisions. With SACK, RACK-TLP finds losses (RFC 8985), or, when that is off,
/// the rules of RFC 6675; without SACK duplicate acknowledgments do (RFC 5681, RFC 6582). F-RTO (RFC 5682), echoed timestamps (RFC 3522) and reported
/// duplicates (RFC 2883, RFC 3708) take a mistaken inference back.
class LossRecovery {
 public:
  struct Config {
    std::uint32_t duplicate_threshold = 3;
    bool rack = true;
    bool tail_loss_probe = true;
    bool frto = true;
    bool limited_transmit = true;
    bool shortcut = true;  ///< the acknowledgment of all that is outstanding is looked at as such: see tcp::Config::header_prediction
    Duration max_ack_delay = std::chrono::milliseconds{200};
  };

  /// `rtt` gets the samples, and must outlive this.
  LossRecovery(const Config& config, RttEstimator& rtt, SeqNum iss) noexcept;
  /// While it lives; but for the threshold, which is as at the start.
  void set_config(const Config& config);

  /// The handshake is over. `sack`: both ends permitted it.
  void on_established(bool sack) noexcept;
  /// Both ends permitted SACK, though the handshake is not over yet, and data is under way.
  void permit_sack() noexcept { sack_ = true; }
  void on_mss_change(std::uint32_t mss) noexcept { mss_ = mss; }

  /// Octets [begin, end) leave. `probe`: as a tail loss probe.
  void on_sent(SeqNum begin, SeqNum end, TimePoint now, bool probe = false);
  /// Octets [begin, end), which have just left, are one segment that probes the path MTU. At most one is outstanding.
  void on_mtu_probe_sent(SeqNum begin, SeqNum end) noexcept { mtu_probe_ = SackBlock{begin, end}; }
  /// The probe cannot have arrived: the network says so.
  void mtu_probe_refused();
  [[nodiscard]] AckOutcome on_ack(const AckReport& report) {
    if (likely(is_whole_flight(report))) return whole_flight_arrived(report);
    return on_any_ack(report);
  }
  /// The retransmission timer expired.
  void on_timeout(TimePoint now);
  /// The reordering timer expired. Says what an acknowledgment would: `lost` and `entered`.
  [[nodiscard]] AckOutcome on_reordering_timer(TimePoint now);
  /// The probe timer expired. Whether a probe is to be sent; the retransmission timer is to be started anew in any case.
  [[nodiscard]] bool on_probe_timer() noexcept;
  /// Nothing of what is outstanding can have arrived, or only to be thrown away.
  [[gnu::noinline]] void all_lost(TimePoint now);
  void clear() noexcept;

  /// Starts, moves or stops the probe timer as the last events ask for.
  void schedule_probe(TimePoint now, Deadline rto_deadline) noexcept;
  void cancel_probe() noexcept { probe_.cancel(); }
  [[nodiscard]] Deadline probe_deadline() const noexcept { return probe_.deadline(); }
  [[nodiscard]] Deadline reordering_deadline() const noexcept { return reordering_deadline_; }

  /// What the last acknowledgment, reordering timer or timeout found lost, by transmission. Valid until the next of them.
  [[nodiscard]] std::span<const LostEvent> newly_lost() const noexcept { return newly_lost_; }
  [[nodiscard]] const RetransmitQueue& queue() const noexcept { return queue_; }
  [[nodiscard]] CaState state() const noexcept { return state_; }
  [[nodiscard]] bool in_fast_recovery() const noexcept { return state_ == CaState::recovery; }
  [[nodiscard]] bool sack() const noexcept { return sack_; }
  /// The next retransmission leaves whatever cwnd says: the first of a recovery, and without SACK each that fast recovery asks for.
  [[nodiscard]] bool retransmission_is_free() const noexcept { return first_retransmission_ || (in_fast_recovery() && !sack_); }
  /// Step 2b of F-RTO: new data is to be tried before any further retransmission.
  [[nodiscard]] bool prefers_new_data() const noexcept { return frto_ == Frto::probing; }
  /// There is no new data for F-RTO to try, or no window: the usual recovery takes over. Whether that changes anything.
  bool new_data_is_impossible() noexcept;
  /// A retransmission of what is not considered lost, when nothing else can be sent. Without RACK only.
  struct Guess {
    SackBlock range{};
    bool rescue = false;  ///< of the end of the flight, once in a recovery
  };
  /// NextSeg() of RFC 6675 section 4, rules 3 and 4.
  [[nodiscard]] std::optional<Guess> next_guess() const noexcept;
  /// It leaves; on_sent() follows.
  void on_guess(const Guess& guess) noexcept;
  /// The device did not take it.
  void on_guess_refused() noexcept;
  /// Octets that limited transmit adds to cwnd (RFC 3042). With SACK what was selectively acknowledged makes room by itself.
  [[nodiscard]] std::uint32_t limited_transmit_allowance() const noexcept;
  /// Octets that count against cwnd.
  [[nodiscard]] std::uint32_t in_flight() const noexcept;
  /// Octets that were new when limited transmit sent them.
  [[nodiscard]] std::uint32_t limited_bytes() const noexcept { return limited_bytes_; }
  [[nodiscard]] DeliveryRate& rate() noexcept { return rate_; }
  [[nodiscard]] const DeliveryRate& rate() const noexcept { return rate_; }
  [[nodiscard]] const Rack& rack() const noexcept { return rack_; }
  [[nodiscard]] Duration reordering_window() const noexcept;
  [[nodiscard]] std::uint64_t duplicates_reported() const noexcept { return duplicates_reported_; }
  [[nodiscard]] std::uint64_t undos() const noexcept { return undos_; }
  [[nodiscard]] std::size_t logged_transmissions() const noexcept { return log_.size(); }
  [[nodiscard]] SeqNum recovery_point() const noexcept { return recovery_point_; }
  /// Nothing is outstanding, and no timer runs.
  [[nodiscard]] bool idle() const noexcept {
    return queue_.empty() && state_ == CaState::open && !reordering_deadline_ && !probe_.deadline() && !mtu_probe_ && frto_ == Frto::off;
  }
  /// Shows `visit` all that matters of an idle one.
  template <class Visit>
  void each_lasting(Visit& visit) {
    const auto all = [&visit](auto&... parts) { (visit(parts), ...); };
    all(config_, rate_, rack_, probe_, spurious_, established_, sack_, mss_, least_segment_, snd_una_, snd_nxt_, rtt_round_end_);
    all(rtt_round_samples_, recovery_point_, retransmitted_until_, judged_until_, rescued_, rescuing_, duplicate_acks_, limited_bytes_);
    all(partial_seen_, first_retransmission_, duplicates_reported_, duplicate_bytes_, retransmitted_bytes_, undos_);
  }

 private:
  /// RFC 5682: armed waits for the first acknowledgment after a timeout (step 2), probing for the one that decides (step 3).
  enum class Frto : std::uint8_t { off, armed, probing };
  /// What became known from one acknowledgment.
  struct News {
    AckOutcome out{};
    RetransmitQueue::Acked acked{};
    SackNews sack{};
    bool original_delivered = false;  ///< octets that were sent once, before the recovery began
  };

  [[nodiscard]] bool holds_segment(const SackBlock& block) const noexcept;
  void deliver(const RetransmitQueue::Range& range, const AckReport& report, News& news) noexcept;
  void take_rtt_sample(const AckReport& report, News& news) noexcept;
  void count_rtt_sample(Duration rtt, const AckReport& report, std::uint32_t flight) noexcept;
  [[nodiscard]] bool is_whole_flight(const AckReport& report) const noexcept;
  [[nodiscard]] AckOutcome whole_flight_arrived(const AckReport& report);
  [[nodiscard, gnu::noinline]] AckOutcome on_any_ack(const AckReport& report);
  void on_duplicate_reported(const SackBlock& block) noexcept;
  void acknowledged_with_sack(const AckReport& report, News& news);
  void acknowledged_without_sack(const AckReport& report, News& news);
  [[nodiscard]] bool undo_if_spurious(const AckReport& report, News& news);
  [[nodiscard]] bool timeout_was_spurious(const AckReport& report, const News& news) noexcept;
  void undo(AckOutcome& out);
  void rebuild_log();
  void losses_found(AckOutcome& out);
  void settle_mtu_probe(AckOutcome& out) noexcept;
  void enter(AckOutcome& out) noexcept;
  void leave(AckOutcome& out) noexcept;
  void settle_state() noexcept;
  std::uint32_t detect(TimePoint now);
  std::uint32_t detect_by_time(TimePoint now, bool timeout);
  std::uint32_t detect_by_count(TimePoint now);
  std::uint32_t lose(TimePoint now, SeqNum begin, SeqNum end, std::optional<TimePoint> sent = {});
  void note_lost(TimePoint now, const RetransmitQueue::Range& range);
  [[nodiscard]] bool threshold_reached() const noexcept;
  [[nodiscard]] bool recovering() const noexcept { return state_ == CaState::recovery || state_ == CaState::loss; }

  Config config_;
  RttEstimator& rtt_;
  RetransmitQueue queue_;
  TransmissionLog log_;
  DeliveryRate rate_;
  Rack rack_;
  TailLossProbe probe_;
  SpuriousDetector spurious_;
  CaState state_ = CaState::open;
  bool established_ = false;
  bool sack_ = false;
  std::uint32_t mss_ = 536;
  std::uint32_t least_segment_ = 0;  ///< octets: no smaller segment is outstanding
  SeqNum snd_una_;
  SeqNum snd_nxt_;
  SeqNum rtt_round_end_;                 ///< SND.NXT when the round trip began that is measured now
  std::uint32_t rtt_round_samples_ = 1;  ///< to be expected in it
  SeqNum recovery_point_;                ///< SND.NXT when the last recovery began: one past the "highest sequence" of RFC 6582
  SeqNum retransmitted_until_;           ///< HighRxt of RFC 6675
  bool rescued_ = false;                 ///< the rescue retransmission of this recovery has left
  bool rescuing_ = false;                ///< it leaves now
  SeqNum judged_until_;                  ///< RFC 6675: what lies before was considered lost in this recovery
  std::uint32_t duplicate_acks_ = 0;     ///< in a row; with SACK those that brought news
  std::uint32_t limited_bytes_ = 0;
  std::uint32_t repaired_bytes_ = 0;  ///< of this recovery: see AckOutcome::repaired
  bool partial_seen_ = false;         ///< a partial acknowledgment has come in this recovery
  bool first_retransmission_ = false;
  std::optional<SackBlock> mtu_probe_;
  Frto frto_ = Frto::off;
  Deadline reordering_deadline_;
  std::vector<LostEvent> newly_lost_;
  std::uint64_t duplicates_reported_ = 0;
  std::uint64_t duplicate_bytes_ = 0;
  std::uint64_t retransmitted_bytes_ = 0;
  std::uint64_t undos_ = 0;
};

}  // namespace tapir::tcp
