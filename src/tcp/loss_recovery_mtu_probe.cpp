// What becomes of a segment that probes the path MTU (RFC 4821 section 7.6).

#include "loss_recovery.hpp"

namespace tapir::tcp {

/// The probe was acknowledged, in order.
void LossRecovery::settle_mtu_probe(AckOutcome& out) noexcept {
  if (!mtu_probe_ || snd_una_ < mtu_probe_->end) return;
  mtu_probe_.reset();
  out.mtu_probe = MtuProbeFate::arrived;
}

/// What was found lost begins a recovery. Not so when it is nothing but a probe of the path MTU: that one was too large, which is no sign of congestion
/// (section 7.6.2), so its octets go again, and that is all. What is lost beyond that is.
void LossRecovery::losses_found(AckOutcome& out) {
  if (recovering()) return;
  if (mtu_probe_) {
    const auto [begin, end] = *mtu_probe_;
    mtu_probe_.reset();
    if (out.lost > 0 && queue_.lost_bytes() == queue_.lost_run(begin, distance(begin, end))) {
      out.lost += queue_.mark_lost(begin, end);
      // Nor does an algorithm that looks at each loss hear of it.
      for (const LostEvent& lost : newly_lost_) rate_.forget_lost(lost.bytes);
      newly_lost_.clear();
      out.mtu_probe = MtuProbeFate::lost;
      first_retransmission_ = true;
      return;
    }
    out.mtu_probe = MtuProbeFate::undecided;
  }
  enter(out);
}

void LossRecovery::mtu_probe_refused() {
  if (!mtu_probe_) return;
  (void)queue_.mark_lost(mtu_probe_->begin, mtu_probe_->end);
  mtu_probe_.reset();
  if (!recovering()) first_retransmission_ = true;
}

}  // namespace tapir::tcp
