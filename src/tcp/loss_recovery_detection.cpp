// What of that which is outstanding is lost.

#include <algorithm>
#include <variant>

#include "loss_recovery.hpp"

namespace tapir::tcp {

std::uint32_t LossRecovery::detect(TimePoint now) {
  if (!sack_) return 0;
  return config_.rack ? detect_by_time(now, false) : detect_by_count(now);
}

std::uint32_t LossRecovery::lose(TimePoint now, SeqNum begin, SeqNum end, std::optional<TimePoint> sent) {
  return queue_.mark_lost(begin, end, sent, [&](const RetransmitQueue::Range& range) { note_lost(now, range); });
}

void LossRecovery::note_lost(TimePoint now, const RetransmitQueue::Range& range) {
  rate_.on_lost(range.size());
  newly_lost_.push_back({.now = now,
                         .bytes = range.size(),
                         .in_flight_at_send = range.stamp.in_flight,
                         .lost_bytes = rate_.lost() - range.stamp.lost,
                         .total_delivered_bytes = rate_.delivered(),
                         .app_limited = range.stamp.app_limited});
}

bool LossRecovery::threshold_reached() const noexcept {
  return duplicate_acks_ >= config_.duplicate_threshold || queue_.sacked_bytes() / std::max(mss_, 1U) >= config_.duplicate_threshold;
}

Duration LossRecovery::reordering_window() const noexcept {
  return rack::reordering_window({.seen = rack_.reordering_seen(),
                                  .in_recovery = recovering(),
                                  .threshold_reached = threshold_reached(),
                                  .multiplier = rack_.window_multiplier(),
                                  .min_rtt = rtt_.min_rtt().value_or(Duration::zero()),
                                  .srtt = rtt_.srtt().value_or(Duration::zero())});
}

/// RACK_detect_loss of RFC 8985 section 6.2 step 5; at a `timeout` that of section 6.3, where it does not matter what was delivered. Looks at
/// transmissions in order of time, and at none behind the first that may still arrive.
std::uint32_t LossRecovery::detect_by_time(TimePoint now, bool timeout) {
  reordering_deadline_.reset();
  const auto latest = rack_.latest();
  if (!latest && !timeout) return 0;
  const Duration window = reordering_window();
  std::uint32_t lost = 0;
  while (!log_.empty()) {
    const TransmissionLog::Entry entry = log_.oldest();
    SeqNum end = entry.end;
    if (!timeout) {
      if (entry.at > latest->at) break;
      if (entry.at == latest->at) end = earlier(end, latest->end);  // those of one burst are ordered by their numbers
      if (entry.begin >= end) break;
    }
    const SeqNum begin = queue_.first_waiting(entry.begin, end, entry.at);
    if (begin == end) {  // all arrived, lost or sent again
      log_.settle_before(end);
      continue;
    }
    const auto verdict = rack::judge(now, {.at = entry.at, .end = end}, rack_.rtt(), window);
    if (const auto* waiting = std::get_if<rack::StillWaiting>(&verdict)) {
      log_.settle_before(begin);
      if (!timeout) reordering_deadline_ = now + waiting->remaining;
      break;
    }
    lost += lose(now, begin, end, entry.at);
    log_.settle_before(end);
  }
  return lost;
}

/// IsLost() of RFC 6675 section 4, and its dual threshold in section 5: DupThresh runs, or more than DupThresh - 1 full segments, have arrived beyond.
std::uint32_t LossRecovery::detect_by_count(TimePoint now) {
  const auto& ranges = queue_.ranges();
  std::uint64_t bytes = 0;
  std::uint32_t runs = 0;
  SeqNum edge = snd_una_;
  for (std::size_t i = ranges.size(); i > 0 && edge == snd_una_; --i) {
    const RetransmitQueue::Range& range = ranges[i - 1];
    if (!range.sacked) continue;
    bytes += range.size();
    ++runs;
    const bool enough = runs >= config_.duplicate_threshold || bytes > std::uint64_t{config_.duplicate_threshold - 1} * mss_;
    if (enough) edge = range.begin;
  }
  judged_until_ = later(judged_until_, snd_una_);
  std::uint32_t lost = 0;
  if (edge > judged_until_) {
    lost = lose(now, judged_until_, edge);
    judged_until_ = edge;
  } else if (edge == snd_una_ && !recovering() && duplicate_acks_ >= config_.duplicate_threshold) {
    lost = lose(now, snd_una_, snd_una_ + mss_);
    judged_until_ = snd_una_ + mss_;
  }
  return lost;
}

}  // namespace tapir::tcp
