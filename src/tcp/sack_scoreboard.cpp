#include "sack_scoreboard.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tapir::tcp {

namespace {
bool within(const SackBlock& inner, const SackBlock& outer) noexcept { return outer.begin <= inner.begin && inner.end <= outer.end; }

bool reports_duplicate(const SackBlocks& option, SeqNum ack) noexcept {
  return option[0].end <= ack || (option.size() > 1 && within(option[0], option[1]));
}

/// Whether octets of `block` can have been sent and can still travel.
bool plausible_duplicate(const SackBlock& block, const SackLimits& limits) noexcept {
  if (block.begin >= block.end || block.end > limits.snd_nxt) return false;
  return block.begin >= limits.snd_una || distance(block.begin, limits.snd_una) <= limits.max_window;
}
}  // namespace

SackNews read_sack(const SackBlocks& option, const SackLimits& limits) noexcept {
  SackNews news;
  if (option.empty()) return news;
  const bool duplicate = reports_duplicate(option, limits.ack);
  if (duplicate && plausible_duplicate(option[0], limits)) news.duplicate = option[0];
  std::array<SackBlock, SackBlocks::capacity> sorted{};  // by insertion: there are four at most
  std::size_t count = 0;
  for (std::size_t i = duplicate ? 1 : 0; i < option.size(); ++i) {
    const SackBlock& block = option[i];
    if (block.begin >= block.end || block.begin < limits.snd_una || block.end > limits.snd_nxt) continue;
    std::size_t at = count++;
    for (; at > 0 && block.begin < sorted[at - 1].begin; --at) sorted[at] = sorted[at - 1];
    sorted[at] = block;
  }
  for (std::size_t i = 0; i < count; ++i) (void)news.blocks.push_back(sorted[i]);
  return news;
}

}  // namespace tapir::tcp
