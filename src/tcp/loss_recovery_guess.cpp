// What is sent again on a guess: NextSeg() of RFC 6675 section 4, rules 3 and 4.

#include "loss_recovery.hpp"

namespace tapir::tcp {

std::optional<LossRecovery::Guess> LossRecovery::next_guess() const noexcept {
  if (!sack_ || config_.rack || !in_fast_recovery() || queue_.lost_bytes() > 0) return std::nullopt;
  const auto& ranges = queue_.ranges();
  std::optional<SackBlock> before_sacked;  // rule 3: the first that was not sent again and has something beyond it that arrived
  std::optional<SackBlock> waiting;
  std::optional<SackBlock> last;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const RetransmitQueue::Range& range = ranges[i];
    if (range.sacked) {
      if (!before_sacked) before_sacked = waiting;
      continue;
    }
    last = SackBlock{later(range.begin, range.end - mss_), range.end};
    const SeqNum begin = later(range.begin, later(retransmitted_until_, snd_una_));
    if (!waiting && begin < range.end) waiting = SackBlock{begin, earlier(begin + mss_, range.end)};
  }
  if (before_sacked) return Guess{.range = *before_sacked};
  if (last && !rescued_) return Guess{.range = *last, .rescue = true};
  return std::nullopt;
}

void LossRecovery::on_guess(const Guess& guess) noexcept {
  rescuing_ = guess.rescue;
  rescued_ = rescued_ || guess.rescue;
}

void LossRecovery::on_guess_refused() noexcept {
  if (rescuing_) rescued_ = false;
  rescuing_ = false;
}

}  // namespace tapir::tcp
