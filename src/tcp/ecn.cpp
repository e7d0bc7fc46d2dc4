#include "ecn.hpp"

namespace tapir::tcp {

Flags Ecn::syn_flags(bool again) noexcept {
  asked_ = mode_ == EcnMode::on && !again;
  return asked_ ? kSetup : Flags::none;
}

void Ecn::on_segment(Flags flags, std::uint8_t tos) noexcept {
  if (!negotiated_) return;
  if (has(flags, Flags::cwr)) echo_ = false;
  if ((tos & kMask) == kCe) echo_ = true;  // a mark on the segment that carries CWR is news
}

bool Ecn::on_ack(Flags flags, SeqNum ack) noexcept {
  // Forgotten once passed: after half of the sequence space it would lie ahead again.
  if (reduced_at_ && ack > *reduced_at_) reduced_at_.reset();
  if (answered_until_ && ack > *answered_until_) answered_until_.reset();
  echoed_ = negotiated_ && has(flags, Flags::ece);
  return echoed_ && !reduced_at_;
}

Flags Ecn::on_new_data(std::uint32_t bytes) noexcept {
  if (!negotiated_ || bytes == 0) return Flags::none;
  field_ = kEct0;
  return std::exchange(cwr_due_, false) ? Flags::cwr : Flags::none;
}

void Ecn::on_reduced(SeqNum snd_nxt) noexcept {
  if (!negotiated_) return;
  cwr_due_ = true;
  reduced_at_ = snd_nxt;
}

}  // namespace tapir::tcp
