#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "delivery_rate.hpp"
#include "ring_queue.hpp"

namespace tapir::tcp {

/// What is outstanding, as ranges of sequence space and not as frames: the header is rebuilt at each transmission, in whatever size fits
/// then. SYN and FIN are octets like others. The ranges are contiguous from SND.UNA to SND.MAX. The scoreboard of RFC 6675 is in it.
class RetransmitQueue {
 public:
  struct Range {
    SeqNum begin{};
    SeqNum end{};
    TimePoint first_sent{};
    TimePoint last_sent{};
    std::uint32_t transmissions = 1;
    bool sacked = false;  ///< neighbours that are become one range, whatever they differ in: their times are of no more use
    bool lost = false;    ///< considered lost and not sent again since
    DeliveryStamp stamp;  ///< of the last transmission

    [[nodiscard]] std::uint32_t size() const noexcept { return distance(begin, end); }
    [[nodiscard]] bool in_network() const noexcept { return !sacked && !lost; }
  };
  /// What an acknowledgment did.
  struct Acked {
    std::uint32_t bytes = 0;                 ///< octets of sequence space newly acknowledged
    std::optional<TimePoint> rtt_sent_at{};  ///< when the oldest octet delivered was sent; empty if any of them was sent twice (Karn)
    bool retransmitted = false;              ///< a range delivered had been sent more than once
  };

  /// Octets [begin, end) leave at `now`. New ones continue where the queue ends (the first fix where it begins); those that are in the queue are
  /// retransmitted, ranges being split at the edges. Octets before the queue's begin are ignored.
  void on_sent(SeqNum begin, SeqNum end, TimePoint now, const DeliveryStamp& stamp = {}) {
    if (unlikely(!empty()) && unlikely(begin < ranges_.back().end)) return on_sent_again(begin, end, now, stamp);
    if (likely(begin < end))
      append(Range{.begin = likely(empty()) ? begin : ranges_.back().end, .end = end, .first_sent = now, .last_sent = now, .stamp = stamp});
  }

  /// Everything before `ack` has arrived. An `ack` outside the queue does nothing. `delivered` sees, in order, each range for which that is news: it
  /// was not selectively acknowledged before.
  template <class Visitor>
  Acked on_ack(SeqNum ack, const Visitor& delivered) {
    Acked acked;
    if (empty() || ack <= ranges_.front().begin || ack > ranges_.back().end) return acked;
    acked.bytes = distance(ranges_.front().begin, ack);
    for (std::size_t count = split_at(ack); count > 0; --count) {
      const Range range = ranges_.front();
      if (!range.sacked) {
        if (!acked.rtt_sent_at) acked.rtt_sent_at = range.first_sent;
        if (range.transmissions > 1) acked.retransmitted = true;
        delivered(range);
      }
      discount(range);
      ranges_.pop_front();
      outstanding_ -= range.size();
    }
    if (acked.retransmitted) acked.rtt_sent_at.reset();
    return acked;
  }

  /// Everything has arrived: the one range there is, of which nothing is sacked, lost or sent again.
  void all_arrived() noexcept {
    ranges_.pop_front();
    outstanding_ = 0;
  }

  Acked on_ack(SeqNum ack) {
    return on_ack(ack, [](const Range&) {});
  }

  /// [begin, end), cut to the queue, is considered lost unless sacked; with `sent`, only what was sent last at that time. Returns the octets for which
  /// that is news; `lost` sees their ranges in order.
  template <class Visitor>
  std::uint32_t mark_lost(SeqNum begin, SeqNum end, std::optional<TimePoint> sent, const Visitor& lost) {
    if (empty()) return 0;
    begin = later(begin, ranges_.front().begin);
    end = earlier(end, ranges_.back().end);
    if (begin >= end) return 0;
    std::uint32_t news = 0;
    const std::size_t first = split_at(begin);
    const std::size_t last = split_at(end);
    for (std::size_t i = first; i < last; ++i) {
      if (sent && ranges_[i].last_sent != *sent) continue;
      const std::uint32_t bytes = lose(ranges_[i]);
      if (bytes > 0) lost(std::as_const(ranges_[i]));
      news += bytes;
    }
    merge(first, last);
    return news;
  }
  std::uint32_t mark_lost(SeqNum begin, SeqNum end, std::optional<TimePoint> sent = {}) {
    return mark_lost(begin, end, sent, [](const Range&) {});
  }
  /// All that is not sacked is considered lost: what a retransmission timeout means. `lost` sees the ranges for which that is news.
  template <class Visitor>
  void mark_all_lost(const Visitor& lost) {
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      if (lose(ranges_[i]) > 0) lost(std::as_const(ranges_[i]));
    }
  }
  /// Nothing is considered lost any more.
  void mark_none_lost() noexcept;
  /// [begin, end), cut to the queue, was selectively acknowledged. Returns the octets for which that is news; `delivered` sees their ranges in order.
  template <class Visitor>
  std::uint32_t mark_sacked(SeqNum begin, SeqNum end, const Visitor& delivered) {
    if (empty()) return 0;
    begin = later(begin, ranges_.front().begin);
    end = earlier(end, ranges_.back().end);
    if (begin >= end) return 0;
    const Range& holder = ranges_[index_of(begin)];
    if (holder.sacked && end <= holder.end) return 0;  // blocks are repeated again and again
    const std::uint32_t before = sacked_;
    const std::size_t first = split_at(begin);
    const std::size_t last = split_at(end);
    for (std::size_t i = first; i < last; ++i) {
      Range& range = ranges_[i];
      if (range.sacked) continue;
      delivered(std::as_const(range));
      discount(range);
      range.lost = false;
      range.sacked = true;
      count(range);
    }
    merge(first, last);
    return sacked_ - before;
  }
  std::uint32_t mark_sacked(SeqNum begin, SeqNum end) {
    return mark_sacked(begin, end, [](const Range&) {});
  }
  /// The receiver has thrown away what it had selectively acknowledged (RFC 2018 section 8).
  void forget_sacks() noexcept;

  /// The first range that is lost and not sent again, nullptr when there is none. Valid until the next call that changes the queue.
  [[nodiscard]] const Range* next_lost() const noexcept;
  /// How many octets from `begin` on, at most `max`, are lost without a gap.
  [[nodiscard]] std::uint32_t lost_run(SeqNum begin, std::uint32_t max) const noexcept;
  /// The range at SND.UNA, nullptr when nothing is outstanding. Valid likewise.
  [[nodiscard]] const Range* front() const noexcept { return ranges_.empty() ? nullptr : &ranges_.front(); }
  [[nodiscard]] const Range* back() const noexcept { return ranges_.empty() ? nullptr : &ranges_.back(); }
  /// The range that holds `number`, or nullptr.
  [[nodiscard]] const Range* find(SeqNum number) const noexcept;
  /// The first octet of [begin, end) that was sent last at `sent` and is in the network; `end` when there is none.
  [[nodiscard]] SeqNum first_waiting(SeqNum begin, SeqNum end, TimePoint sent) const noexcept;

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  /// Octets outstanding, sacked and lost ones included: FlightSize.
  [[nodiscard]] std::uint32_t outstanding() const noexcept { return outstanding_; }
  [[nodiscard]] std::uint32_t sacked_bytes() const noexcept { return sacked_; }
  [[nodiscard]] std::uint32_t lost_bytes() const noexcept { return lost_; }
  /// Octets sent more than once of which the last transmission is thought to be in the network.
  [[nodiscard]] std::uint32_t retransmitted_bytes() const noexcept { return retransmitted_; }
  /// Octets thought to be in the network: outstanding, and neither sacked nor lost. What RFC 6675 calls pipe.
  [[nodiscard]] std::uint32_t in_network() const noexcept { return outstanding() - sacked_ - lost_; }
  [[nodiscard]] std::size_t range_count() const noexcept { return ranges_.size(); }
  [[nodiscard]] const RingQueue<Range>& ranges() const noexcept { return ranges_; }
  void clear() noexcept;

 private:
  [[gnu::noinline]] void on_sent_again(SeqNum begin, SeqNum end, TimePoint now, const DeliveryStamp& stamp);
  void append(const Range& range);
  [[nodiscard]] std::size_t index_of(SeqNum number) const noexcept;
  std::size_t split_at(SeqNum number);
  void merge(std::size_t first, std::size_t last);
  std::uint32_t lose(Range& range) noexcept;
  void count(const Range& range) noexcept;
  void discount(const Range& range) noexcept;

  RingQueue<Range> ranges_;
  std::uint32_t outstanding_ = 0;
  std::uint32_t sacked_ = 0;
  std::uint32_t lost_ = 0;
  std::uint32_t retransmitted_ = 0;
  SeqNum lost_from_;  ///< nothing before it is lost; meaningful while lost_ > 0
};

}  // namespace tapir::tcp
