#include "retransmit_queue.hpp"

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

namespace {
using Range = RetransmitQueue::Range;

/// Whether two neighbours differ in nothing but their place.
bool alike(const Range& left, const Range& right) noexcept {
  if (left.sacked || right.sacked) return left.sacked == right.sacked;
  return left.first_sent == right.first_sent && left.last_sent == right.last_sent && left.transmissions == right.transmissions &&
         left.lost == right.lost && left.stamp.delivered == right.stamp.delivered;
}

void join(Range& left, const Range& right) noexcept {
  left.end = right.end;
  left.first_sent = std::min(left.first_sent, right.first_sent);
  left.last_sent = std::max(left.last_sent, right.last_sent);
  left.transmissions = std::max(left.transmissions, right.transmissions);
  left.stamp.in_flight = std::max(left.stamp.in_flight, right.stamp.in_flight);
  left.stamp.app_limited = left.stamp.app_limited || right.stamp.app_limited;
}
}  // namespace

/// Octets that have not been sent before.
void RetransmitQueue::append(const Range& range) {
  outstanding_ += range.size();
  if (unlikely(!empty()) && alike(ranges_.back(), range)) {
    join(ranges_.back(), range);  // neither counts for anything
  } else {
    ranges_.push_back(range);
  }
}

/// From some that have been sent before; the end may be new.
void RetransmitQueue::on_sent_again(SeqNum begin, SeqNum end, TimePoint now, const DeliveryStamp& stamp) {
  const SeqNum old_end = ranges_.back().end;
  begin = later(begin, ranges_.front().begin);
  if (begin < old_end && begin < end) {
    const Range* lost = next_lost();
    const bool first_hole = lost != nullptr && lost->begin >= begin;
    const std::size_t first = split_at(begin);
    const std::size_t last = split_at(earlier(end, old_end));
    for (std::size_t i = first; i < last; ++i) {
      Range& range = ranges_[i];
      discount(range);
      range.lost = false;
      range.last_sent = now;
      range.stamp = stamp;
      ++range.transmissions;
      count(range);
    }
    if (first_hole) lost_from_ = earlier(end, old_end);
    merge(first, last);
  }
  if (end > old_end) append(Range{.begin = old_end, .end = end, .first_sent = now, .last_sent = now, .stamp = stamp});
}

void RetransmitQueue::mark_none_lost() noexcept {
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    discount(ranges_[i]);
    ranges_[i].lost = false;
    count(ranges_[i]);
  }
}

void RetransmitQueue::forget_sacks() noexcept {
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    discount(ranges_[i]);
    ranges_[i].sacked = false;
    count(ranges_[i]);
  }
}

const Range* RetransmitQueue::next_lost() const noexcept {
  if (lost_ == 0) return nullptr;
  const SeqNum from = later(lost_from_, ranges_.front().begin);
  for (std::size_t i = from < ranges_.back().end ? index_of(from) : ranges_.size(); i < ranges_.size(); ++i) {
    if (ranges_[i].lost) return &ranges_[i];
  }
  return nullptr;
}

std::uint32_t RetransmitQueue::lost_run(SeqNum begin, std::uint32_t max) const noexcept {
  if (find(begin) == nullptr) return 0;
  SeqNum end = begin;
  for (std::size_t i = index_of(begin); i < ranges_.size() && ranges_[i].lost && distance(begin, end) < max; ++i) end = ranges_[i].end;
  return std::min(distance(begin, end), max);
}

const Range* RetransmitQueue::find(SeqNum number) const noexcept {
  if (empty() || !in_range(number, ranges_.front().begin, outstanding())) return nullptr;
  return &ranges_[index_of(number)];
}

SeqNum RetransmitQueue::first_waiting(SeqNum begin, SeqNum end, TimePoint sent) const noexcept {
  if (empty()) return end;
  begin = later(begin, ranges_.front().begin);
  if (begin >= end || begin >= ranges_.back().end) return end;
  for (std::size_t i = index_of(begin); i < ranges_.size() && ranges_[i].begin < end; ++i) {
    if (ranges_[i].in_network() && ranges_[i].last_sent == sent) return later(begin, ranges_[i].begin);
  }
  return end;
}

void RetransmitQueue::clear() noexcept { *this = RetransmitQueue{}; }

/// The index of the range that holds `number`, which is outstanding.
std::size_t RetransmitQueue::index_of(SeqNum number) const noexcept {
  std::size_t low = 0;
  std::size_t high = ranges_.size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    if (ranges_[middle].begin <= number) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Makes `number` the border of two ranges; the index of the one behind it. `number` lies in the queue or is its end.
std::size_t RetransmitQueue::split_at(SeqNum number) {
  if (number == ranges_.back().end) return ranges_.size();
  const std::size_t at = index_of(number);
  if (ranges_[at].begin == number) return at;
  Range right = ranges_[at];
  right.begin = number;
  ranges_[at].end = number;
  ranges_.insert(at + 1, right);
  return at + 1;
}

/// Joins neighbours that are alike, from the one before `first` to the one behind the last of [first, last).
void RetransmitQueue::merge(std::size_t first, std::size_t last) {
  std::size_t kept = first > 0 ? first - 1 : 0;
  const std::size_t stop = std::min(last + 1, ranges_.size());
  for (std::size_t i = kept + 1; i < stop; ++i) {
    const Range right = ranges_[i];
    Range& left = ranges_[kept];
    if (alike(left, right)) {
      discount(left);
      discount(right);
      join(left, right);
      count(left);
    } else {
      ++kept;
      if (kept != i) ranges_[kept] = right;
    }
  }
  if (kept + 1 < stop) ranges_.erase(kept + 1, stop);
}

std::uint32_t RetransmitQueue::lose(Range& range) noexcept {
  if (!range.in_network()) return 0;
  lost_from_ = lost_ == 0 ? range.begin : earlier(lost_from_, range.begin);
  discount(range);
  range.lost = true;
  count(range);
  return range.size();
}

void RetransmitQueue::count(const Range& range) noexcept {
  if (range.sacked) sacked_ += range.size();
  if (range.lost) lost_ += range.size();
  if (range.in_network() && range.transmissions > 1) retransmitted_ += range.size();
}

void RetransmitQueue::discount(const Range& range) noexcept {
  if (range.sacked) sacked_ -= range.size();
  if (range.lost) lost_ -= range.size();
  if (range.in_network() && range.transmissions > 1) retransmitted_ -= range.size();
}

}  // namespace tapir::tcp
