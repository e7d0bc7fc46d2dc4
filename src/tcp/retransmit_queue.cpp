#include "retransmit_queue.hpp"

#include <algorithm>

namespace tapir::tcp {

void RetransmitQueue::on_sent(SeqNum begin, SeqNum end, TimePoint now) {
  if (empty()) {
    if (begin < end) ranges_.push_back(Range{.begin = begin, .end = end, .first_sent = now, .last_sent = now});
    return;
  }
  const SeqNum old_end = ranges_.back().end;
  begin = later(begin, ranges_.front().begin);
  if (begin < old_end && begin < end) {
    const std::size_t first = split_at(begin);
    const std::size_t last = split_at(earlier(end, old_end));
    for (std::size_t i = first; i < last; ++i) {
      Range& range = ranges_[i];
      if (range.lost) lost_ -= range.size();
      range.lost = false;
      range.last_sent = now;
      ++range.transmissions;
    }
    merge(first, last);
  }
  if (end > old_end) {
    ranges_.push_back(Range{.begin = old_end, .end = end, .first_sent = now, .last_sent = now});
    merge(ranges_.size() - 1, ranges_.size());
  }
}

RetransmitQueue::Acked RetransmitQueue::on_ack(SeqNum ack) {
  Acked acked;
  if (empty() || ack <= ranges_.front().begin || ack > ranges_.back().end) return acked;
  acked.bytes = distance(ranges_.front().begin, ack);
  acked.rtt_sent_at = ranges_.front().first_sent;
  const std::size_t count = split_at(ack);
  for (std::size_t i = 0; i < count; ++i) {
    const Range& range = ranges_.front();
    if (range.transmissions > 1) acked.retransmitted = true;
    if (range.lost) lost_ -= range.size();
    if (range.sacked) sacked_ -= range.size();
    ranges_.pop_front();
  }
  if (acked.retransmitted) acked.rtt_sent_at.reset();
  return acked;
}

void RetransmitQueue::mark_lost(SeqNum begin, SeqNum end) {
  if (empty()) return;
  begin = later(begin, ranges_.front().begin);
  end = earlier(end, ranges_.back().end);
  if (begin >= end) return;
  const std::size_t first = split_at(begin);
  const std::size_t last = split_at(end);
  for (std::size_t i = first; i < last; ++i) lose(ranges_[i]);
  merge(first, last);
}

void RetransmitQueue::mark_all_lost() noexcept {
  for (std::size_t i = 0; i < ranges_.size(); ++i) lose(ranges_[i]);
}

std::uint32_t RetransmitQueue::mark_sacked(SeqNum begin, SeqNum end) {
  if (empty()) return 0;
  begin = later(begin, ranges_.front().begin);
  end = earlier(end, ranges_.back().end);
  if (begin >= end) return 0;
  const std::uint32_t before = sacked_;
  const std::size_t first = split_at(begin);
  const std::size_t last = split_at(end);
  for (std::size_t i = first; i < last; ++i) {
    Range& range = ranges_[i];
    if (range.sacked) continue;
    if (range.lost) lost_ -= range.size();
    range.lost = false;
    range.sacked = true;
    sacked_ += range.size();
  }
  merge(first, last);
  return sacked_ - before;
}

const RetransmitQueue::Range* RetransmitQueue::next_lost() const noexcept {
  if (lost_ == 0) return nullptr;
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    if (ranges_[i].lost) return &ranges_[i];
  }
  return nullptr;
}

const RetransmitQueue::Range* RetransmitQueue::find(SeqNum number) const noexcept {
  if (empty() || !in_range(number, ranges_.front().begin, outstanding())) return nullptr;
  return &ranges_[index_of(number)];
}

void RetransmitQueue::clear() noexcept {
  ranges_.clear();
  sacked_ = 0;
  lost_ = 0;
}

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

/// Joins neighbours that differ in nothing but their place, from the one before `first` to the one behind the last of [first, last).
void RetransmitQueue::merge(std::size_t first, std::size_t last) {
  std::size_t kept = first > 0 ? first - 1 : 0;
  const std::size_t stop = std::min(last + 1, ranges_.size());
  for (std::size_t i = kept + 1; i < stop; ++i) {
    Range& left = ranges_[kept];
    const Range& right = ranges_[i];
    if (left.first_sent == right.first_sent && left.last_sent == right.last_sent && left.transmissions == right.transmissions &&
        left.sacked == right.sacked && left.lost == right.lost) {
      left.end = right.end;
    } else {
      ++kept;
      if (kept != i) ranges_[kept] = right;
    }
  }
  ranges_.erase(kept + 1, stop);
}

void RetransmitQueue::lose(Range& range) noexcept {
  if (range.sacked || range.lost) return;
  range.lost = true;
  lost_ += range.size();
}

}  // namespace tapir::tcp
