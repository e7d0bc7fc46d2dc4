// The acknowledgment that most exchanges get: of all that was outstanding, in one piece, while nothing is lost or in doubt.

#include "loss_recovery.hpp"

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

/// Whether that is all there is to it: then on_ack() would find nothing else.
bool LossRecovery::is_whole_flight(const AckReport& report) const noexcept {
  if (unlikely(!sack_) || unlikely(!report.sack.empty()) || unlikely(state_ != CaState::open) || unlikely(queue_.range_count() != 1))
    return false;
  const RetransmitQueue::Range& range = *queue_.front();
  if (unlikely(range.transmissions != 1) || unlikely(range.sacked) || unlikely(range.lost) || unlikely(range.end != report.ack))
    return false;
  if (unlikely(mtu_probe_.has_value()) || unlikely(probe_.outstanding()) || unlikely(frto_ != Frto::off)) return false;
  if (unlikely(spurious_.all_were_duplicates())) return false;
  return likely(config_.rack) && likely(config_.shortcut);
}

[[gnu::flatten, gnu::hot]] AckOutcome LossRecovery::whole_flight_arrived(const AckReport& report) {
  const RetransmitQueue::Range& range = *queue_.front();
  const std::uint32_t bytes = range.size();
  newly_lost_.clear();
  rate_.on_delivered(report.now, bytes, range.last_sent, range.stamp);
  rack_.on_ack();
  rack_.on_delivered(range, {.at = report.arrived, .min_rtt = rtt_.min_rtt(), .echo_before = report.echo_before});
  const Duration rtt = report.arrived - range.first_sent;
  queue_.all_arrived();
  log_.settle_all();
  snd_una_ = report.ack;
  if (likely(snd_una_ > recovery_point_)) recovery_point_ = snd_una_ - 1;  // not to lie ahead again after 2^31 octets
  rack_.on_una_advanced(snd_una_);
  probe_.rearm();
  count_rtt_sample(rtt, report, bytes);
  duplicate_acks_ = limited_bytes_ = 0;
  reordering_deadline_.reset();
  return {.acked = bytes,
          .delivered = bytes,
          .credit = bytes,
          .recover_fs = bytes,
          .rtt = rtt,
          .rate = rate_.take_sample(rtt_.min_rtt()),
          .restart_timer = true};
}

}  // namespace tapir::tcp
