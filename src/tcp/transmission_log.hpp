#pragma once

#include <cstddef>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "ring_queue.hpp"

namespace tapir::tcp {

/// Transmissions in the order of RFC 8985 section 6.2: by time, those of one moment by sequence number. An entry says nothing of what became of its
/// octets since: its reader compares with the RetransmitQueue and drops what is settled.
class TransmissionLog {
 public:
  struct Entry {
    SeqNum begin{};
    SeqNum end{};
    TimePoint at{};
  };

  void on_sent(SeqNum begin, SeqNum end, TimePoint at) {
    if (likely(entries_.empty()) || entries_.back().at < at) return entries_.push_back(Entry{.begin = begin, .end = end, .at = at});
    on_sent_in_burst(begin, end, at);
  }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] const Entry& oldest() const noexcept { return entries_.front(); }
  /// What the oldest entry says of octets before `begin` is settled.
  void settle_before(SeqNum begin) noexcept {
    if (begin >= entries_.front().end) {
      entries_.pop_front();
    } else {
      entries_.front().begin = later(entries_.front().begin, begin);
    }
  }
  /// All of it is, that of one moment; unlike clear() it keeps the memory.
  void settle_all() noexcept {
    while (!entries_.empty()) entries_.pop_front();
  }
  void clear() noexcept { entries_.clear(); }

 private:
  /// Something else was sent at the same time.
  [[gnu::noinline]] void on_sent_in_burst(SeqNum begin, SeqNum end, TimePoint at) {
    std::size_t place = entries_.size();
    while (place > 0 && entries_[place - 1].at == at && entries_[place - 1].begin > begin) --place;
    if (place > 0 && entries_[place - 1].at == at && entries_[place - 1].end == begin) {
      entries_[place - 1].end = end;
    } else {
      entries_.insert(place, Entry{.begin = begin, .end = end, .at = at});
    }
  }

  RingQueue<Entry> entries_;
};

}  // namespace tapir::tcp
