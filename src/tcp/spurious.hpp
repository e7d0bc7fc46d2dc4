#pragma once

#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "options.hpp"

namespace tapir::tcp {

/// Whether what was retransmitted since a recovery began had been lost at all: by the echoed timestamp (the Eifel detection algorithm, RFC 3522) or because
/// the receiver reports every one of the retransmissions as a duplicate (RFC 3708). An episode outlives its recovery: duplicates are reported late.
class SpuriousDetector {
 public:
  /// `under_way`: retransmissions of an earlier episode are still outstanding. Their echoes are no older than the first of them.
  void begin_episode(SeqNum snd_una, bool under_way) noexcept {
    episode_ = Episode{.begin = snd_una, .end = snd_una};
    if (!under_way) first_retransmission_.reset();
  }
  /// Not of a tail loss probe: what it repeats was not thought to be lost, so that its coming twice takes nothing back.
  void on_retransmitted(SeqNum begin, std::uint32_t bytes, TimePoint now) noexcept {
    if (!first_retransmission_) first_retransmission_ = now;
    if (!episode_) return;
    episode_->retransmitted += bytes;
    episode_->end = later(episode_->end, begin + bytes);
  }
  void on_duplicate_reported(const SackBlock& block) noexcept {
    if (episode_ && block.begin >= episode_->begin && block.end <= episode_->end) episode_->duplicates += distance(block.begin, block.end);
  }
  void end_episode() noexcept { episode_.reset(); }

  [[nodiscard]] std::optional<SeqNum> episode_begin() const noexcept { return episode_ ? std::optional{episode_->begin} : std::nullopt; }
  [[nodiscard]] bool all_were_duplicates() const noexcept {
    return episode_ && episode_->retransmitted > 0 && episode_->duplicates >= episode_->retransmitted;
  }
  /// `echo_before`: the segment whose timestamp an acknowledgment of new data echoes was sent before this.
  [[nodiscard]] bool original_echoed(std::optional<TimePoint> echo_before) const noexcept {
    return episode_ && first_retransmission_ && echo_before && *echo_before <= *first_retransmission_;
  }

 private:
  struct Episode {
    SeqNum begin{};
    SeqNum end{};  ///< of what was retransmitted
    std::uint64_t retransmitted = 0;
    std::uint64_t duplicates = 0;
  };
  std::optional<Episode> episode_;
  std::optional<TimePoint>
      first_retransmission_;  ///< of this episode, or of those before it of which something was outstanding when it began
};

}  // namespace tapir::tcp
