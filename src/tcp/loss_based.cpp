#include "loss_based.hpp"

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>

#include "initial_window.hpp"

namespace tapir::tcp {

namespace {
constexpr std::uint32_t kOldInitialWindow = 4380;  // RFC 3390 section 1
constexpr std::uint64_t kMuchSent = 4096;          // RFC 6928 section 2: "more than 4KB"
}  // namespace

LossBased::LossBased(const CongestionParameters& parameters, bool hystart, std::uint32_t slow_start_limit) noexcept
    : parameters_{parameters},
      ssthresh_{parameters.initial_ssthresh},
      slow_start_limit_{std::max(parameters.slow_start_limit.value_or(slow_start_limit), 1U)},
      validated_{parameters.rtt} {
  parameters_.mss = std::max(parameters_.mss, 1U);
  parameters_.initial_window_segments = std::clamp(parameters_.initial_window_segments, 1U, 10U);
  set_cwnd(parameters.cwnd.value_or(initial_window()));
  // RFC 9406 section 4.3: only in the first slow start.
  if (!hystart || !parameters.hystart || parameters.cwnd) hystart_.stop();
  begin_first_window();
  if (parameters.cwnd) in_first_window_ = false;
}

std::uint32_t LossBased::initial_window() const noexcept { return tcp::initial_window(parameters_.initial_window_segments, mss()); }

void LossBased::begin_first_window() noexcept {
  acked_since_start_ = 0;
  window_at_start_ = cwnd_;
  in_first_window_ = true;
}

void LossBased::on_established(std::uint32_t syn_retransmissions) {
  set_cwnd(syn_retransmissions > 1 ? mss() : initial_window());
  begin_first_window();
}

void LossBased::on_ack(const AckEvent& event) {
  acked_since_start_ += event.acked_bytes;
  if (acked_since_start_ > window_at_start_) in_first_window_ = false;
  if (unlikely(event.in_recovery)) {
    if (!prr_.active()) return;
    const bool safe = event.acked_bytes > 0 && event.lost_bytes == 0;
    if (event.delivered_bytes > 0)
      set_cwnd(std::uint64_t{event.in_flight} + prr_.on_ack(event.delivered_bytes, event.in_flight, safe, mss()));
    return;
  }
  if (unlikely(reducing_until_.has_value())) return reduce_gradually(event);
  if (parameters_.window_validation == WindowValidation::rfc7661) {
    validated_.on_ack({.now = event.now, .bytes = event.acked_bytes, .snd_una = event.snd_una, .snd_nxt = event.snd_nxt}, event.rtt, cwnd_);
  }
  if (unlikely(watches_segments_) && slow_start_over(event) && in_slow_start()) ssthresh_ = cwnd_;
  if (!in_slow_start()) hystart_.stop();
  if (hystart_.phase() != Hystart::Phase::over) {
    hystart_.on_ack(event.snd_una, event.snd_nxt, event.rtt);
    if (hystart_.phase() == Hystart::Phase::over) ssthresh_ = cwnd_;
  }
  std::uint32_t acked = event.credit_bytes.value_or(event.acked_bytes);
  if (unlikely(event.ece) || unlikely(acked == 0)) return;
  // A window that the application does not fill was not probed, so it must not grow (RFC 7661 section 1 on RFC 5681 section 3.1).
  if (!event.cwnd_limited) {
    unfilled_ = true;
    return;
  }
  if (in_slow_start()) slow_start(event, acked);
  if (acked > 0) avoid(event, acked);
}

/// Takes of `acked` what slow start is about.
void LossBased::slow_start(const AckEvent& event, std::uint32_t& acked) {
  slow_started();
  // Appropriate byte counting (RFC 3465): dividing acknowledgments gains nothing, and one covering many segments counts as L, after a timeout as one: what it
  // acknowledges may have left the network long ago (section 2.3).
  const std::uint64_t segments = std::uint64_t{std::max(event.segments, 1U)} * (lossless_ ? slow_start_limit_ : 1);
  const bool unlimited = parameters_.paced && hystart_.phase() != Hystart::Phase::over;  // RFC 9406 section 4.2
  const std::uint64_t most = unlimited ? acked : segments * mss();
  const std::uint64_t growth = hystart_.growth(std::min<std::uint64_t>(acked, most));
  const std::uint64_t room = ssthresh_ - cwnd_;
  set_cwnd(cwnd_ + std::min(growth, room));
  acked = growth > room ? static_cast<std::uint32_t>(growth - room) : 0;
}

/// For on_undo(). A mark is no inference: the answer to it stands, and so does what was before it.
void LossBased::remember(Congestion cause) {
  former_.reset();
  if (cause == Congestion::ecn) return;
  former_ = Former{cwnd_, ssthresh_};
  save();
}

void LossBased::on_loss(const LossEvent& event) {
  if (!trusts_window(event.now)) return lose_unvalidated(event);
  note_loss(event.flight_size);
  remember(event.cause);
  congested(false);
  hystart_.stop();
  recovering_ = event.cause != Congestion::ecn;
  reducing_until_.reset();
  const std::uint64_t window = reduced(parameters_.reduce_from_cwnd ? cwnd_ : event.flight_size);
  ssthresh_ = static_cast<std::uint32_t>(std::max<std::uint64_t>(window, 2ULL * mss()));
  switch (event.cause) {
    case Congestion::duplicate_acks:
      // The three duplicates say that three segments have left the network (RFC 5681 section 3.2 step 3). Further ones inflate it by what was outstanding at
      // most, so that forged duplicates gain nothing.
      set_cwnd(std::uint64_t{ssthresh_} + 3ULL * mss());
      recovery_limit_ = std::uint64_t{cwnd_} + event.flight_size;
      break;
    case Congestion::loss:
      prr_.begin(ssthresh_, event.recover_fs > 0 ? event.recover_fs : event.flight_size);
      set_cwnd(std::uint64_t{event.in_flight} + mss());  // the fast retransmit; what the acknowledgment delivered comes with on_ack()
      break;
    case Congestion::ecn:
      if (parameters_.gradual_ecn) {
        prr_.begin(ssthresh_, cwnd_);
        reducing_until_ = event.snd_nxt;
        break;
      }
      // A mark may take the window to one segment (RFC 9438 section 4.6), and never lets it grow.
      set_cwnd(std::min<std::uint64_t>(cwnd_, window));
      break;
  }
}

bool LossBased::trusts_window(TimePoint now) const noexcept {
  return parameters_.window_validation != WindowValidation::rfc7661 || validated_.validated(now, cwnd_);
}

/// RFC 7661 section 4.4.1: nothing says that the path takes a window that was not used lately, so what was used counts instead.
void LossBased::lose_unvalidated(const LossEvent& event) {
  note_loss(event.flight_size);
  remember(event.cause);
  const std::uint32_t used = std::max(validated_.pipe_ack(event.now).value_or(0), event.flight_size);
  set_cwnd(std::min(cwnd_, used));
  congested(false);
  hystart_.stop();
  end_recovery();
  const std::uint32_t window = used / 2;
  ssthresh_ = std::max(window, 2 * mss());
  set_cwnd(window);
  if (event.cause == Congestion::ecn) return validated_.forget();
  recovering_ = true;
  unvalidated_loss_ = used;
  if (event.cause == Congestion::duplicate_acks) {
    set_cwnd(std::uint64_t{window} + 3ULL * mss());
    recovery_limit_ = std::uint64_t{cwnd_} + event.flight_size;
  }
}

void LossBased::on_duplicate_ack(const DuplicateAckEvent& event) {
  const std::uint64_t inflated = cwnd_ + std::uint64_t{mss()} * event.segments;
  set_cwnd(std::max<std::uint64_t>(cwnd_, std::min(inflated, recovery_limit_)));
}

void LossBased::on_partial_ack(const PartialAckEvent& event) {
  // RFC 6582 section 3.2 step 3: deflate by what left the network, add a segment back for the one that the retransmission filled.
  std::uint64_t deflated = event.acked_bytes < cwnd_ ? cwnd_ - event.acked_bytes : 0;
  if (event.acked_bytes >= mss()) deflated += mss();
  set_cwnd(deflated);
}

void LossBased::on_recovered(const RecoveredEvent& event) {
  if (!recovering_) return;  // the loss was none
  validated_.forget();
  if (const auto used = std::exchange(unvalidated_loss_, std::nullopt)) {
    // What had to be sent again was more than the path took.
    set_cwnd((*used - std::min(*used, event.repaired_bytes)) / 2);
    ssthresh_ = std::max(cwnd_, 2 * mss());
    return end_recovery();
  }
  if (prr_.active()) {
    set_cwnd(ssthresh_);  // RFC 9937 section 6
  } else {
    // The careful variant of RFC 6582 section 3.2 step 3: no burst when little is outstanding.
    const std::uint64_t no_burst = std::uint64_t{std::max(event.flight_size, mss())} + mss();
    set_cwnd(std::min<std::uint64_t>(ssthresh_, no_burst));
  }
  end_recovery();
}

/// A window of data after a congestion mark: as in a recovery, but carefully, for nothing shows that the queue is getting shorter.
void LossBased::reduce_gradually(const AckEvent& event) {
  if (event.snd_una >= *reducing_until_) {
    set_cwnd(ssthresh_);
    end_recovery();
  } else if (event.delivered_bytes > 0) {
    set_cwnd(std::uint64_t{event.in_flight} + prr_.on_ack(event.delivered_bytes, event.in_flight, false, mss()));
  }
}

void LossBased::end_recovery() noexcept {
  recovering_ = false;
  reducing_until_.reset();
  prr_.end();
}

void LossBased::on_rto(const RtoEvent& event) {
  note_loss(event.flight_size);
  hystart_.stop();
  end_recovery();
  lossless_ = false;
  if (event.first) {
    remember(Congestion::loss);
    congested(true);
    const bool from_cwnd = parameters_.reduce_from_cwnd && trusts_window(event.now);
    ssthresh_ = static_cast<std::uint32_t>(std::max<std::uint64_t>(reduced(from_cwnd ? cwnd_ : event.flight_size), 2ULL * mss()));
  }
  validated_.forget();
  unvalidated_loss_.reset();
  set_cwnd(mss());
}

void LossBased::on_undo(const UndoEvent&) {
  if (!former_) return;
  end_recovery();
  unvalidated_loss_.reset();
  set_cwnd(std::max(cwnd_, former_->cwnd));
  ssthresh_ = std::max(ssthresh_, former_->ssthresh);
  former_.reset();
  restore();
}

void LossBased::on_sent(const SentEvent& event) {
  if (unlikely(prr_.active())) prr_.on_sent(event.bytes);
  if (event.retransmission || parameters_.window_validation == WindowValidation::off) return;
  if (parameters_.window_validation == WindowValidation::rfc7661) return age_unvalidated(event.now);
  if (event.cwnd_limited || !filled_at_) {
    used_ = 0;
    filled_at_ = event.now;
    return;
  }
  used_ = std::max(used_, event.in_flight + event.bytes);
  if (event.now - *filled_at_ < event.rto) return;
  // RFC 2861 section 3: for each timeout in which the window was not filled it comes half way down to what was used.
  const std::uint32_t used = std::max(used_, initial_window());
  if (used < cwnd_) decay(static_cast<std::uint32_t>((std::uint64_t{cwnd_} + used) / 2));
  used_ = 0;
  filled_at_ = event.now;
}

void LossBased::on_idle(const IdleEvent& event) {
  unfilled_ = true;
  if (unlikely(watches_segments_)) resumed(event.now, event.idle);
  if (parameters_.window_validation == WindowValidation::rfc7661) return age_unvalidated(event.now);
  if (likely(event.idle <= event.rto) || parameters_.window_validation == WindowValidation::off) return;
  std::uint32_t restart = initial_window();
  if (lost_in_first_window_) {
    restart = std::min({restart, 4 * mss(), std::max(2 * mss(), kOldInitialWindow)});
  }
  if (restart < cwnd_) decay(restart);
  used_ = 0;
  filled_at_ = event.now;
  begin_first_window();
}

/// RFC 7661 section 4.4.3: after five minutes, and every five minutes more, without use the window is halved.
void LossBased::age_unvalidated(TimePoint now) noexcept {
  if (recovering_) return;
  for (auto periods = validated_.take_periods(now, cwnd_); periods > 0 && cwnd_ > initial_window(); --periods) {
    decay(std::max(cwnd_ / 2, initial_window()));
  }
}

/// A window that was not used is out of date. What it was is kept in the threshold: slow start may go back there (RFC 2861 section 3).
void LossBased::decay(std::uint32_t target) noexcept {
  ssthresh_ = std::max(ssthresh_, static_cast<std::uint32_t>(std::uint64_t{cwnd_} * 3 / 4));
  set_cwnd(target);
}

void LossBased::on_mss_change(const MssChangeEvent& event) {
  const std::uint32_t size = std::max(event.mss, 1U);
  // Fewer bytes a segment, the same number of segments; a larger size leaves the bytes as they are (RFC 5681 section 3.1, RFC 8899 section 3).
  if (size < mss()) set_cwnd(std::uint64_t{cwnd_} * size / mss());
  parameters_.mss = size;
  set_cwnd(cwnd_);
}

void LossBased::set_cwnd(std::uint64_t bytes) noexcept {
  cwnd_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes, mss(), std::max(parameters_.max_cwnd, mss())));
}

/// Remembers a loss in the initial or a restart window that was larger than what RFC 3390 would have sent.
void LossBased::note_loss(std::uint32_t flight_size) noexcept {
  if (in_first_window_ && acked_since_start_ + flight_size > kMuchSent) lost_in_first_window_ = true;
}

}  // namespace tapir::tcp
