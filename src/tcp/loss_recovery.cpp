#include "loss_recovery.hpp"

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

namespace {
constexpr Duration kProbeMargin =
    std::chrono::milliseconds{2};  // round trips may take next to nothing, acknowledging does not; as Linux' TCP_TIMEOUT_MIN
}  // namespace

LossRecovery::LossRecovery(const Config& config, RttEstimator& rtt, SeqNum iss) noexcept
    : config_{config}, rtt_{rtt}, snd_una_{iss}, snd_nxt_{iss}, rtt_round_end_{iss}, recovery_point_{iss}, judged_until_{iss} {
  config_.duplicate_threshold = std::max(config_.duplicate_threshold, 1U);
}

void LossRecovery::set_config(const Config& config) {
  const bool other_detection = config.rack != config_.rack;
  const std::uint32_t threshold = config_.duplicate_threshold;
  config_ = config;
  config_.duplicate_threshold = threshold;
  if (!other_detection) return;
  log_.clear();
  reordering_deadline_.reset();
  judged_until_ = recovering() ? later(snd_una_, retransmitted_until_) : snd_una_;  // what went again is under way
  rebuild_log();
}

void LossRecovery::on_established(bool sack) noexcept {
  established_ = true;
  sack_ = sack;
}

void LossRecovery::on_sent(SeqNum begin, SeqNum end, TimePoint now, bool probe) {
  const bool again = begin < snd_nxt_;
  const std::uint32_t size = distance(begin, end);
  const std::uint32_t rest = likely(size < mss_) ? size : size % std::max(mss_, 1U);
  least_segment_ = std::min({likely(queue_.empty()) ? mss_ : least_segment_, mss_, likely(rest > 0) ? rest : mss_});
  const DeliveryStamp stamp = rate_.on_sent(now, queue_.in_network() + size, queue_.empty());
  queue_.on_sent(begin, end, now, stamp);
  if (likely(sack_) && likely(config_.rack)) log_.on_sent(begin, end, now);
  if (unlikely(again)) {
    const std::uint32_t bytes = distance(begin, earlier(end, snd_nxt_));
    retransmitted_bytes_ += bytes;
    if (!probe) spurious_.on_retransmitted(begin, bytes, now);
    if (!probe && !rescuing_) retransmitted_until_ = later(retransmitted_until_, end);
    rescuing_ = false;
    first_retransmission_ = false;
  }
  if (likely(end > snd_nxt_)) {
    const bool limited = duplicate_acks_ > 0 || queue_.sacked_bytes() > 0;
    if (unlikely(limited) && !recovering()) limited_bytes_ += distance(later(begin, snd_nxt_), end);
    snd_nxt_ = end;
    probe_.rearm();
  }
  if (unlikely(probe)) probe_.on_sent(snd_nxt_, again);
}

AckOutcome LossRecovery::on_any_ack(const AckReport& report) {
  News news;
  newly_lost_.clear();
  news.out.recover_fs = queue_.outstanding() - queue_.sacked_bytes();
  if (sack_) {
    news.sack = read_sack(
        report.sack, {.ack = report.ack, .snd_una = later(report.ack, snd_una_), .snd_nxt = snd_nxt_, .max_window = report.max_window});
    if (news.sack.duplicate) on_duplicate_reported(*news.sack.duplicate);
  }
  rack_.on_ack();
  const auto visitor = [&](const RetransmitQueue::Range& range) { deliver(range, report, news); };
  news.acked = queue_.on_ack(report.ack, visitor);
  news.out.acked = news.acked.bytes;
  if (news.acked.bytes > 0) {
    snd_una_ = report.ack;
    if (!recovering() && snd_una_ > recovery_point_) recovery_point_ = snd_una_ - 1;  // not to lie ahead again after 2^31 octets
    rack_.on_una_advanced(snd_una_);
    probe_.rearm();
    news.out.restart_timer = true;
    settle_mtu_probe(news.out);
  }
  for (const SackBlock& block : news.sack.blocks) {
    if (!holds_segment(block)) continue;
    news.out.sacked += queue_.mark_sacked(block.begin, block.end, visitor);
  }
  take_rtt_sample(report, news);
  if (sack_) {
    acknowledged_with_sack(report, news);
  } else {
    acknowledged_without_sack(report, news);
  }
  news.out.rate = rate_.take_sample(rtt_.min_rtt());
  return news.out;
}

/// RFC 2018 section 5: what counts are segments wholly within a block. One of which a block has far less than the smallest that was sent has not arrived as it
/// was sent; half is the margin for segments that gave up some payload for options.
bool LossRecovery::holds_segment(const SackBlock& block) const noexcept {
  return 2 * std::uint64_t{distance(block.begin, block.end)} >= least_segment_;
}

/// One range of which the arrival is news.
void LossRecovery::deliver(const RetransmitQueue::Range& range, const AckReport& report, News& news) noexcept {
  news.out.delivered += range.size();
  rate_.on_delivered(report.now, range.size(), range.last_sent, range.stamp);
  if (range.transmissions == 1 && range.end <= recovery_point_) news.original_delivered = true;
  if (range.transmissions > 1 && in_fast_recovery()) repaired_bytes_ += range.size();
  rack_.on_delivered(range, {.at = report.arrived, .min_rtt = rtt_.min_rtt(), .echo_before = report.echo_before});
}

/// By the time of the transmission unless there were two of them (Karn); by the echoed timestamp then.
void LossRecovery::take_rtt_sample(const AckReport& report, News& news) noexcept {
  if (news.acked.rtt_sent_at) {
    news.out.rtt = report.arrived - *news.acked.rtt_sent_at;
  } else if (news.acked.bytes > 0 && report.echo_rtt) {
    news.out.rtt = report.echo_rtt;
  }
  if (news.out.rtt) count_rtt_sample(*news.out.rtt, report, queue_.outstanding() + news.acked.bytes);
}

/// `flight`: octets that were outstanding before the acknowledgment.
void LossRecovery::count_rtt_sample(Duration rtt, const AckReport& report, std::uint32_t flight) noexcept {
  // RFC 7323 appendix G: with an acknowledgment for every second segment there are so many samples in a round trip.
  // What was in flight when it began counts: its last acknowledgments find little of it left.
  if (likely(report.ack > rtt_round_end_)) {
    rtt_round_end_ = snd_nxt_;
    rtt_round_samples_ = likely(flight <= 2 * mss_) ? 1 : (flight + 2 * mss_ - 1) / (2 * mss_);
  }
  rtt_.on_sample(rtt, rtt_round_samples_, report.now);
  probe_.on_rtt_sample();
}

void LossRecovery::on_duplicate_reported(const SackBlock& block) noexcept {
  ++duplicates_reported_;
  duplicate_bytes_ += distance(block.begin, block.end);
  // More duplicates than were ever sent again: it is the network that duplicates.
  if (duplicate_bytes_ > retransmitted_bytes_) return;
  rack_.on_duplicate_reported(snd_nxt_);
  spurious_.on_duplicate_reported(block);
}

void LossRecovery::acknowledged_with_sack(const AckReport& report, News& news) {
  AckOutcome& out = news.out;
  if (out.acked > 0 || rack_.reordering() > config_.duplicate_threshold * mss_) out.credit = out.delivered;
  if (out.acked > 0) {
    duplicate_acks_ = 0;
    if (!recovering()) limited_bytes_ = 0;
  } else if (out.sacked > 0) {
    ++duplicate_acks_;
  }
  const auto probe_end = probe_.end();
  out.tail_lost = probe_.on_ack({.ack = report.ack,
                                 .duplicate_of_probe = probe_end && news.sack.duplicate && news.sack.duplicate->end == *probe_end,
                                 .plain_duplicate = report.duplicate && report.sack.empty()}) &&
                  !recovering();
  if (out.tail_lost) spurious_.end_episode();  // what it was about is no longer the latest response
  if (!undo_if_spurious(report, news) && recovering() && snd_una_ >= recovery_point_) leave(out);
  out.lost = detect(report.now);
  if (out.lost > 0) losses_found(out);
  settle_state();
}

/// RFC 5681 section 3.2, RFC 6582 section 3.2.
void LossRecovery::acknowledged_without_sack(const AckReport& report, News& news) {
  AckOutcome& out = news.out;
  const bool duplicate = report.duplicate && !queue_.empty();
  if (out.acked > 0) {
    // Each duplicate before it told of a segment that had arrived.
    const std::uint64_t known = std::uint64_t{duplicate_acks_} * mss_;
    out.credit = out.acked > known ? static_cast<std::uint32_t>(out.acked - known) : std::min(out.acked, mss_);
    duplicate_acks_ = 0;
    limited_bytes_ = 0;
    if (undo_if_spurious(report, news)) return;
    if (recovering() && snd_una_ >= recovery_point_) {
      leave(out);
    } else if (in_fast_recovery()) {
      out.partial = true;
      out.lost = lose(report.now, snd_una_, snd_una_ + mss_);
      out.restart_timer = !partial_seen_;
      partial_seen_ = true;
    }
  } else if (duplicate && in_fast_recovery()) {
    out.duplicate_in_recovery = true;
  } else if (duplicate) {
    (void)undo_if_spurious(report, news);
    ++duplicate_acks_;
    // RFC 6582 section 3.2 step 2: duplicates of what was sent before the last recovery say nothing of a new loss.
    if (duplicate_acks_ == config_.duplicate_threshold && snd_una_ > recovery_point_) {
      out.lost = lose(report.now, snd_una_, snd_una_ + mss_);
      losses_found(out);
    }
  }
  settle_state();
}

void LossRecovery::enter(AckOutcome& out) noexcept {
  out.entered = true;
  state_ = CaState::recovery;
  recovery_point_ = snd_nxt_;
  partial_seen_ = false;
  first_retransmission_ = true;
  retransmitted_until_ = snd_una_;
  repaired_bytes_ = 0;
  rescued_ = false;
  spurious_.begin_episode(snd_una_, queue_.retransmitted_bytes() > 0);
}

void LossRecovery::leave(AckOutcome& out) noexcept {
  out.left = in_fast_recovery();
  out.repaired = repaired_bytes_;
  state_ = CaState::open;
  frto_ = Frto::off;
  first_retransmission_ = false;
  limited_bytes_ = 0;
  judged_until_ = snd_una_;
  rack_.on_recovery_over();
}

/// Between recoveries: whether something arrived out of order.
void LossRecovery::settle_state() noexcept {
  if (recovering()) return;
  state_ = queue_.sacked_bytes() > 0 || duplicate_acks_ > 0 ? CaState::disorder : CaState::open;
}

void LossRecovery::on_timeout(TimePoint now) {
  mtu_probe_.reset();
  newly_lost_.clear();
  if (queue_.empty()) return;
  const bool was_fast = in_fast_recovery();
  const bool reneged = queue_.front()->sacked;
  // What is undone is the response of this episode: of the fast recovery that the timeout ends, too.
  if (established_ && !recovering()) spurious_.begin_episode(snd_una_, queue_.retransmitted_bytes() > 0);
  if (reneged) queue_.forget_sacks();
  if (sack_ && config_.rack && !reneged) {
    // RFC 8985 section 6.3: what was sent a short while ago may well arrive.
    (void)lose(now, snd_una_, snd_una_ + mss_);
    (void)detect_by_time(now, true);
  } else {
    all_lost(now);
  }
  state_ = CaState::loss;
  frto_ = config_.frto && established_ && !was_fast && !reneged ? Frto::armed : Frto::off;
  recovery_point_ = snd_nxt_;
  duplicate_acks_ = 0;
  limited_bytes_ = 0;
  first_retransmission_ = true;
  reordering_deadline_.reset();
  probe_.forget();
}

AckOutcome LossRecovery::on_reordering_timer(TimePoint now) {
  AckOutcome out{.recover_fs = queue_.outstanding() - queue_.sacked_bytes()};
  newly_lost_.clear();
  out.lost = detect(now);
  if (out.lost > 0) losses_found(out);
  return out;
}

void LossRecovery::all_lost(TimePoint now) {
  queue_.mark_all_lost([&](const RetransmitQueue::Range& range) { note_lost(now, range); });
  log_.clear();
  reordering_deadline_.reset();
}

void LossRecovery::clear() noexcept {
  mtu_probe_.reset();
  queue_.clear();
  log_.clear();
  reordering_deadline_.reset();
  probe_.forget();
}

// Spurious retransmissions.

/// Takes the inference of a loss back when it was wrong.
bool LossRecovery::undo_if_spurious(const AckReport& report, News& news) {
  const bool echoed = recovering() && news.out.acked > 0 && spurious_.original_echoed(report.echo_before);
  if (echoed || spurious_.all_were_duplicates() || (state_ == CaState::loss && timeout_was_spurious(report, news))) {
    undo(news.out);
    return true;
  }
  return false;
}

/// F-RTO (RFC 5682): what was never sent again arrives after the timeout, so not all was lost.
bool LossRecovery::timeout_was_spurious(const AckReport& report, const News& news) noexcept {
  if (frto_ == Frto::off) return false;
  // Without SACK an acknowledgment that covers a retransmission says nothing of the rest: the receiver may have had it all the time.
  if (news.original_delivered && (sack_ || !news.acked.retransmitted)) return true;
  if (snd_nxt_ > recovery_point_) {
    if (news.out.sacked > 0 || report.duplicate) {  // step 3a: the loss was real, and new data may fill cwnd
      frto_ = Frto::off;
      first_retransmission_ = true;
    }
  } else if (news.out.acked > 0 && snd_una_ < recovery_point_) {
    frto_ = Frto::probing;  // step 2b
  } else if (report.duplicate && !sack_) {
    frto_ = Frto::off;  // step 2a
  }
  return false;
}

void LossRecovery::undo(AckOutcome& out) {
  if (state_ == CaState::loss) rtt_.on_spurious_timeout();
  out.undone = true;
  ++undos_;
  queue_.mark_none_lost();
  rebuild_log();
  if (const auto begin = spurious_.episode_begin(); begin && state_ != CaState::loss) rack_.on_late_arrival(*begin);
  spurious_.end_episode();
  if (recovering()) {
    AckOutcome ignored;
    leave(ignored);
  }
  out.restart_timer = out.restart_timer || !queue_.empty();
}

/// What was found lost, and struck off the log, waits for its acknowledgment again.
void LossRecovery::rebuild_log() {
  if (!sack_ || !config_.rack) return;
  log_.clear();
  std::vector<TransmissionLog::Entry> waiting;
  for (std::size_t i = 0; i < queue_.ranges().size(); ++i) {
    const RetransmitQueue::Range& range = queue_.ranges()[i];
    if (range.in_network()) waiting.push_back({.begin = range.begin, .end = range.end, .at = range.last_sent});
  }
  std::ranges::sort(waiting, {}, &TransmissionLog::Entry::at);
  for (const auto& entry : waiting) log_.on_sent(entry.begin, entry.end, entry.at);
}

bool LossRecovery::new_data_is_impossible() noexcept {
  if (frto_ != Frto::probing || snd_nxt_ > recovery_point_) return false;
  frto_ = Frto::off;
  return true;
}

// Probes and allowances.

void LossRecovery::schedule_probe(TimePoint now, Deadline rto_deadline) noexcept {
  if (!config_.tail_loss_probe || !sack_ || recovering() || queue_.empty() || queue_.sacked_bytes() > 0 || queue_.lost_bytes() > 0 ||
      probe_.outstanding())
    return probe_.cancel();
  const bool one_segment = queue_.outstanding() <= mss_;
  const Duration timeout = rack::probe_timeout(rtt_.srtt(), one_segment, std::max(config_.max_ack_delay, kProbeMargin));
  probe_.schedule(now, one_segment ? timeout : timeout + kProbeMargin, rto_deadline);
}

bool LossRecovery::on_probe_timer() noexcept {
  probe_.cancel();
  return probe_.may_probe() && !queue_.empty();
}

std::uint32_t LossRecovery::limited_transmit_allowance() const noexcept {
  if (!config_.limited_transmit || sack_ || in_fast_recovery() || duplicate_acks_ > 2) return 0;
  return duplicate_acks_ * mss_;
}

std::uint32_t LossRecovery::in_flight() const noexcept {
  const bool held = sack_ && !config_.limited_transmit && !recovering();
  return queue_.in_network() + (held ? queue_.sacked_bytes() : 0);
}

}  // namespace tapir::tcp
