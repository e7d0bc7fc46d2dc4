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
  void begin_episode(SeqNum snd_una) noexcept { episode_ = Episode{.begin = snd_una}; }
  void on_retransmitted(std::uint32_t bytes, TimePoint now) noexcept {
    if (!episode_) return;
    episode_->retransmitted += bytes;
    if (!episode_->first_retransmission) episode_->first_retransmission = now;
  }
  void on_duplicate_reported(const SackBlock& block) noexcept {
    if (episode_ && block.begin >= episode_->begin) episode_->duplicates += distance(block.begin, block.end);
  }
  void end_episode() noexcept { episode_.reset(); }

  [[nodiscard]] std::optional<SeqNum> episode_begin() const noexcept { return episode_ ? std::optional{episode_->begin} : std::nullopt; }
  [[nodiscard]] bool all_were_duplicates() const noexcept {
    return episode_ && episode_->retransmitted > 0 && episode_->duplicates >= episode_->retransmitted;
  }
  /// `echo_before`: the segment whose timestamp an acknowledgment of new data echoes was sent before this.
  [[nodiscard]] bool original_echoed(std::optional<TimePoint> echo_before) const noexcept {
    return episode_ && episode_->first_retransmission && echo_before && *echo_before <= *episode_->first_retransmission;
  }

 private:
  struct Episode {
    SeqNum begin{};
    std::uint64_t retransmitted = 0;
    std::uint64_t duplicates = 0;
    std::optional<TimePoint> first_retransmission{};
  };
  std::optional<Episode> episode_;
};

}  // namespace tapir::tcp
