#pragma once

#include <cstdint>
#include <optional>

#include <tapir/tcp/seq_num.hpp>

#include "options.hpp"

namespace tapir::tcp {

/// Between which numbers a SACK option is believed.
struct SackLimits {
  SeqNum ack{};      ///< SEG.ACK of the segment that carries the option
  SeqNum snd_una{};  ///< after that segment
  SeqNum snd_nxt{};
  std::uint32_t max_window = 0;  ///< MAX.SND.WND: no duplicate is older
};

/// What the blocks of one SACK option say.
struct SackNews {
  SackBlocks blocks{};                   ///< for the scoreboard, in order of sequence numbers; all within SND.UNA..SND.NXT
  std::optional<SackBlock> duplicate{};  ///< these octets arrived twice (RFC 2883)
};

/// Sorts out the blocks of `option`. The first one reports a duplicate when it lies below the acknowledgment number of its own segment, or within the
/// second block (RFC 2883 section 4). What lies outside SND.UNA..SND.NXT, or is empty or reversed, is ignored.
[[nodiscard]] SackNews read_sack(const SackBlocks& option, const SackLimits& limits) noexcept;

}  // namespace tapir::tcp
