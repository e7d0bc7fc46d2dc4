#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include <tapir/tcp/seq_num.hpp>

#include "options.hpp"

namespace tapir::tcp {

/// What the next acknowledgment has to say first, once: octets that arrived twice (D-SACK, RFC 2883 section 4), or that were thrown away although they
/// are the newest (RFC 2018 section 8).
class SackReport {
 public:
  /// Octets [begin, end) arrived that had been received before. Only one run of them can be told: a further one that touches it makes it longer, else it
  /// takes its place.
  constexpr void on_duplicate(SeqNum begin, SeqNum end) noexcept {
    if (end <= begin) return;
    if (first_ && is_duplicate_ && begin <= first_->end && end >= first_->begin) {
      first_ = SackBlock{.begin = earlier(begin, first_->begin), .end = later(end, first_->end)};
    } else {
      first_ = SackBlock{.begin = begin, .end = end};
    }
    is_duplicate_ = true;
  }
  /// Octets [begin, end) arrived beyond a gap and could not be kept.
  constexpr void on_discarded(SeqNum begin, SeqNum end) noexcept {
    first_ = SackBlock{.begin = begin, .end = end};
    is_duplicate_ = false;
  }
  /// The blocks to send, at most `max`: what is to be said first, then `islands`, the latest first. A duplicate above RCV.NXT lies in the latest of them.
  [[nodiscard]] constexpr SackBlocks blocks(const SackBlocks& islands, std::size_t max) const noexcept {
    SackBlocks all;
    if (first_ && max > 0) (void)all.push_back(*first_);
    for (const SackBlock& island : islands) {
      if (all.size() >= max) break;
      (void)all.push_back(island);
    }
    return all;
  }
  [[nodiscard]] constexpr bool pending() const noexcept { return first_.has_value(); }
  /// It has been said.
  constexpr void on_sent() noexcept { first_.reset(); }

 private:
  std::optional<SackBlock> first_;
  bool is_duplicate_ = false;
};

}  // namespace tapir::tcp
