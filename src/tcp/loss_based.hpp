#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include <tapir/tcp/congestion_control.hpp>

#include "hystart.hpp"
#include "packed_image.hpp"
#include "prr.hpp"
#include "validated_window.hpp"

namespace tapir::tcp {

/// What algorithms that take loss for congestion have in common: slow start, the window during recovery (RFC 9937 with SACK; RFC 5681, RFC 6582
/// without), after a timeout, after idleness, and what becomes of a window that is not used (RFC 2861, RFC 7661). An algorithm adds how the window grows
/// in congestion avoidance and by how much congestion reduces it.
class LossBased : public CongestionControl {
 public:
  void on_sent(const SentEvent& event) final;
  void on_ack(const AckEvent& event) final;
  void on_loss(const LossEvent& event) final;
  void on_duplicate_ack(const DuplicateAckEvent& event) final;
  void on_partial_ack(const PartialAckEvent& event) final;
  void on_recovered(const RecoveredEvent& event) final;
  void on_rto(const RtoEvent& event) final;
  void on_undo(const UndoEvent& event) final;
  void on_idle(const IdleEvent& event) final;
  void on_mss_change(const MssChangeEvent& event) final;
  void on_established(std::uint32_t syn_retransmissions) final;

  [[nodiscard]] std::uint32_t cwnd() const noexcept final { return cwnd_; }
  [[nodiscard]] std::uint32_t ssthresh() const noexcept final { return ssthresh_; }
  [[nodiscard]] std::optional<std::uint64_t> pacing_rate() const noexcept final { return std::nullopt; }
  [[nodiscard]] bool holds_back() const noexcept final { return false; }
  /// Shows its plain state to `visit`, to be kept while the connection is idle, or to be set.
  template <class Visit>
  void each_lasting(Visit& visit) {
    const auto all = [&visit](auto&... parts) { (visit(parts), ...); };
    all(parameters_, cwnd_, ssthresh_, slow_start_limit_, hystart_, prr_, former_, recovering_, reducing_until_, recovery_limit_);
    all(acked_since_start_, window_at_start_, in_first_window_, lost_in_first_window_, lossless_, used_, filled_at_);
    all(validated_, unvalidated_loss_, unfilled_);
    own_state(visit);
  }
  /// Room for any of them.
  struct Room {
    alignas(std::max_align_t) std::array<std::byte, 608> bytes;
  };
  /// Makes one that is in the same state there.
  [[nodiscard]] virtual LossBased* copy_to(Room& room) const noexcept = 0;
  /// IW in bytes for the current segment size.
  [[nodiscard]] std::uint32_t initial_window() const noexcept;

 protected:
  template <class Algorithm>
  [[nodiscard]] static LossBased* copy_to(Room& room, const Algorithm& algorithm) noexcept {
    static_assert(sizeof(Algorithm) <= sizeof(Room) && alignof(Algorithm) <= alignof(Room));
    return new (room.bytes.data()) Algorithm{algorithm};
  }
  /// `hystart`: whether the first slow start is watched; `slow_start_limit`: L unless the parameters say.
  LossBased(const CongestionParameters& parameters, bool hystart, std::uint32_t slow_start_limit) noexcept;

  /// The window after congestion in bytes, before it is held above its least value.
  [[nodiscard]] virtual std::uint64_t reduced(std::uint32_t flight_size) const noexcept = 0;
  /// `acked_bytes` of the acknowledgment fall into congestion avoidance, and the window was in use.
  virtual void avoid(const AckEvent& event, std::uint32_t acked_bytes) = 0;
  /// Congestion was met: by a timeout, or otherwise. The window is still what it was.
  virtual void congested(bool timeout) = 0;
  /// Slow start grows the window.
  virtual void slow_started() {}
  /// The next two are called. Mostly they have nothing to do, and calling them for each segment would cost more than all else here.
  void watch_segments() noexcept { watches_segments_ = true; }
  /// An acknowledgment outside of a recovery. Whether slow start, if it is under way, ends here, in place of HyStart++.
  [[nodiscard]] virtual bool slow_start_over(const AckEvent&) { return false; }
  /// Data is sent again, nothing was for `idle`.
  virtual void resumed(TimePoint, Duration /*idle*/) {}
  /// Remembers, and brings back, the algorithm's own state as of before the last congestion.
  virtual void save() {}
  virtual void restore() {}
  /// Shows the plain state that it has beside.
  virtual void own_state(ImageTaker& image) = 0;
  virtual void own_state(ImageSetter& image) = 0;

  void set_cwnd(std::uint64_t bytes) noexcept;
  [[nodiscard]] std::uint32_t mss() const noexcept { return parameters_.mss; }
  /// Whether the application has left the window unfilled since this was asked last.
  [[nodiscard]] bool take_unfilled() noexcept { return std::exchange(unfilled_, false); }

 private:
  struct Former {
    std::uint32_t cwnd = 0;
    std::uint32_t ssthresh = 0;
  };

  [[gnu::noinline]] void slow_start(const AckEvent& event, std::uint32_t& acked);
  void remember(Congestion cause);
  void end_recovery() noexcept;
  [[gnu::noinline]] void reduce_gradually(const AckEvent& event);
  [[gnu::noinline]] void decay(std::uint32_t target) noexcept;
  void lose_unvalidated(const LossEvent& event);
  [[gnu::noinline]] void age_unvalidated(TimePoint now) noexcept;
  [[nodiscard]] bool trusts_window(TimePoint now) const noexcept;
  void note_loss(std::uint32_t flight_size) noexcept;
  void begin_first_window() noexcept;

  CongestionParameters parameters_;
  std::uint32_t cwnd_ = 0;
  std::uint32_t ssthresh_;
  std::uint32_t slow_start_limit_;
  Hystart hystart_;
  Prr prr_;
  std::optional<Former> former_;  ///< before the last congestion
  bool recovering_ = false;
  std::optional<SeqNum> reducing_until_;  ///< acknowledged when the answer to a congestion mark is over: gradual_ecn
  std::uint64_t recovery_limit_ = 0;      ///< inflation stops here: three segments and the flight at entry above ssthresh
  std::uint64_t acked_since_start_ = 0;   ///< bytes acknowledged since the connection, or its last restart, began
  std::uint64_t window_at_start_ = 0;     ///< bytes: cwnd then
  bool in_first_window_ = true;           ///< what was sent in that window is not acknowledged yet
  bool lost_in_first_window_ = false;     ///< later restart windows have the size of RFC 3390 (RFC 6928 section 2)
  bool lossless_ = true;                  ///< no timeout yet: appropriate byte counting may count more than a segment
  std::uint32_t used_ = 0;                ///< bytes of the window that were in use since filled_at_
  std::optional<TimePoint> filled_at_;    ///< when the window was last full
  ValidatedWindow validated_;
  std::optional<std::uint32_t>
      unvalidated_loss_;   ///< bytes of an unvalidated window that were in use when loss was met, until the recovery is over
  bool unfilled_ = false;  ///< nothing grew at some time, since the application did not fill the window
  bool watches_segments_ = false;
};

}  // namespace tapir::tcp
