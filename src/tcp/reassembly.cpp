#include "reassembly.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tapir::tcp {

Reassembly::Inserted Reassembly::insert(SeqNum rcv_nxt, SeqNum begin, Packet payload) {
  Inserted result;
  if (begin < rcv_nxt) {
    payload.trim_front(distance(begin, rcv_nxt));
    begin = rcv_nxt;
  }
  const SeqNum first = begin;
  const SeqNum end = begin + static_cast<std::uint32_t>(payload.size());
  ++touches_;
  for (SeqNum cursor = first; cursor < end;) {
    const std::size_t next = first_ending_after(cursor);
    if (next < ranges_.size() && ranges_[next].begin <= cursor) {
      const SeqNum covered = earlier(end, ranges_[next].end);
      if (!result.duplicate) result.duplicate = SackBlock{.begin = cursor, .end = covered};
      cursor = covered;
      continue;
    }
    const SeqNum gap_end = next < ranges_.size() ? earlier(end, ranges_[next].begin) : end;
    const std::size_t kept = fill_gap(next, cursor, distance(cursor, gap_end), payload, distance(first, cursor));
    result.bytes += kept;
    if (kept < distance(cursor, gap_end)) result.dropped = true;
    cursor = gap_end;
  }
  const std::size_t holder = first_ending_after(first);
  if (holder < ranges_.size() && ranges_[holder].begin <= first) ranges_[holder].touched = touches_;
  return result;
}

std::size_t Reassembly::first_ending_after(SeqNum number) const noexcept {
  const auto found = std::ranges::partition_point(ranges_, [&](const Range& range) { return range.end <= number; });
  return static_cast<std::size_t>(found - ranges_.begin());
}

std::optional<SackBlock> Reassembly::overlap(SeqNum begin, SeqNum end) const noexcept {
  const std::size_t at = first_ending_after(begin);
  if (at == ranges_.size() || ranges_[at].begin >= end) return std::nullopt;
  return SackBlock{.begin = later(begin, ranges_[at].begin), .end = earlier(end, ranges_[at].end)};
}

bool Reassembly::full() const noexcept {
  std::size_t slices = 0;
  for (const Range& range : ranges_) slices += range.octets.slice_count();
  return slices >= config_.max_slices;
}

/// Puts `size` octets at `begin`, which no range holds, into the ranges; ranges_[next] is the first behind them. Returns how many found room, from the
/// left.
std::size_t Reassembly::fill_gap(std::size_t next, SeqNum begin, std::uint32_t size, const Packet& payload, std::size_t offset) {
  std::size_t room = std::min<std::size_t>(bytes_ < config_.max_bytes ? config_.max_bytes - bytes_ : 0, size);
  const bool extends = next > 0 && ranges_[next - 1].end == begin;
  if (!extends) {
    if (full()) return 0;
    // With no range to spare, octets stay that touch the next one, and only all of them do.
    const bool joins = next < ranges_.size() && room == size && begin + size == ranges_[next].begin;
    if (ranges_.size() >= config_.max_ranges && !joins) return 0;
  }
  if (room == 0) return 0;
  if (!extends) ranges_.insert(ranges_.begin() + static_cast<std::ptrdiff_t>(next), Range{begin, begin, touches_, SliceQueue{*pool_}});
  Range& into = ranges_[extends ? next - 1 : next];
  payload.for_each_slice([&](const Slice& slice) {
    const std::size_t skipped = std::min(offset, slice.size());
    Slice part = slice.sub(skipped, room);
    offset -= skipped;
    room -= part.size();
    into.octets.append(std::move(part));
  });
  const auto kept = static_cast<std::uint32_t>(into.octets.size() - distance(into.begin, into.end));
  into.end += kept;
  bytes_ += kept;
  merge(extends ? next - 1 : next);
  return kept;
}

/// Joins ranges_[at] with the one behind it when they touch.
void Reassembly::merge(std::size_t at) {
  if (at + 1 >= ranges_.size() || ranges_[at].end != ranges_[at + 1].begin) return;
  Range& left = ranges_[at];
  Range& right = ranges_[at + 1];
  left.octets.append(std::move(right.octets));
  left.end = right.end;
  left.touched = std::max(left.touched, right.touched);
  ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
}

std::optional<Slice> Reassembly::take(SeqNum rcv_nxt) {
  while (!ranges_.empty() && ranges_.front().begin <= rcv_nxt) {
    Range& range = ranges_.front();
    const std::uint32_t old = std::min(distance(range.begin, rcv_nxt), distance(range.begin, range.end));
    range.octets.trim_front(old);
    range.begin += old;
    bytes_ -= old;
    if (range.begin == range.end) {
      ranges_.erase(ranges_.begin());
      continue;
    }
    Slice slice = range.octets.pop_slice();
    range.begin += static_cast<std::uint32_t>(slice.size());
    bytes_ -= slice.size();
    if (range.begin == range.end) ranges_.erase(ranges_.begin());
    return slice;
  }
  return std::nullopt;
}

SackBlocks Reassembly::sack_blocks(std::size_t max) const {
  std::array<const Range*, SackBlocks::capacity> latest{};
  const auto kept = std::min({max, latest.size(), ranges_.size()});
  std::size_t found = 0;
  for (const Range& range : ranges_) {  // an insertion sort of which only the best few are kept
    std::size_t at = found;
    while (at > 0 && latest[at - 1]->touched < range.touched) --at;
    if (at >= kept) continue;
    if (found < kept) ++found;
    for (std::size_t i = found - 1; i > at; --i) latest[i] = latest[i - 1];
    latest[at] = &range;
  }
  SackBlocks blocks;
  for (std::size_t i = 0; i < found; ++i) (void)blocks.push_back({latest[i]->begin, latest[i]->end});
  return blocks;
}

void Reassembly::clear() noexcept {
  ranges_.clear();
  bytes_ = 0;
}

}  // namespace tapir::tcp
