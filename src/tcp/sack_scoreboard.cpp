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
  std::array<SackBlock, SackBlocks::capacity> valid{};
  std::size_t count = 0;
  for (std::size_t i = duplicate ? 1 : 0; i < option.size(); ++i) {
    const SackBlock& block = option[i];
    if (block.begin < block.end && limits.snd_una <= block.begin && block.end <= limits.snd_nxt) valid[count++] = block;
  }
  std::sort(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(count),
            [&](const SackBlock& a, const SackBlock& b) { return distance(limits.snd_una, a.begin) < distance(limits.snd_una, b.begin); });
  for (std::size_t i = 0; i < count; ++i) (void)news.blocks.push_back(valid[i]);
  return news;
}

}  // namespace tapir::tcp
