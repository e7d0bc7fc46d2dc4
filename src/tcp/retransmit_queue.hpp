#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "ring_queue.hpp"

namespace tapir::tcp {

/// What is outstanding, as ranges of sequence space and not as frames: the header is rebuilt at each transmission, in whatever size fits
/// then. SYN and FIN are octets like others. The ranges are contiguous from SND.UNA to SND.MAX.
class RetransmitQueue {
 public:
  struct Range {
    SeqNum begin{};
    SeqNum end{};
    TimePoint first_sent{};
    TimePoint last_sent{};
    std::uint32_t transmissions = 1;
    bool sacked = false;
    bool lost = false;  ///< considered lost and not sent again since

    [[nodiscard]] std::uint32_t size() const noexcept { return distance(begin, end); }
    friend bool operator==(const Range&, const Range&) noexcept = default;
  };
  /// What an acknowledgment did.
  struct Acked {
    std::uint32_t bytes = 0;                 ///< octets of sequence space newly acknowledged
    std::optional<TimePoint> rtt_sent_at{};  ///< when the oldest octet acknowledged was sent; empty if any of them was sent twice (Karn)
    bool retransmitted = false;              ///< an acknowledged range had been sent more than once
  };

  /// Octets [begin, end) leave at `now`. New ones continue where the queue ends (the first fix where it begins); those that are in the queue are
  /// retransmitted, ranges being split at the edges. Octets before the queue's begin are ignored.
  void on_sent(SeqNum begin, SeqNum end, TimePoint now);

  /// Everything before `ack` has arrived. An `ack` outside the queue does nothing.
  Acked on_ack(SeqNum ack);

  /// [begin, end), cut to the queue, is considered lost unless sacked.
  void mark_lost(SeqNum begin, SeqNum end);
  /// All that is not sacked is considered lost: what a retransmission timeout means.
  void mark_all_lost() noexcept;
  /// [begin, end), cut to the queue, was selectively acknowledged. Returns the octets for which that is news.
  std::uint32_t mark_sacked(SeqNum begin, SeqNum end);

  /// The first range that is lost and not sent again, nullptr when there is none. Valid until the next call that changes the queue.
  [[nodiscard]] const Range* next_lost() const noexcept;
  /// The range at SND.UNA, nullptr when nothing is outstanding. Valid likewise.
  [[nodiscard]] const Range* front() const noexcept { return ranges_.empty() ? nullptr : &ranges_.front(); }
  /// The range that holds `number`, or nullptr.
  [[nodiscard]] const Range* find(SeqNum number) const noexcept;

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  /// Octets outstanding, sacked and lost ones included: FlightSize.
  [[nodiscard]] std::uint32_t outstanding() const noexcept { return empty() ? 0 : distance(ranges_.front().begin, ranges_.back().end); }
  [[nodiscard]] std::uint32_t sacked_bytes() const noexcept { return sacked_; }
  [[nodiscard]] std::uint32_t lost_bytes() const noexcept { return lost_; }
  /// Octets thought to be in the network: outstanding, and neither sacked nor lost.
  [[nodiscard]] std::uint32_t in_network() const noexcept { return outstanding() - sacked_ - lost_; }
  [[nodiscard]] std::size_t range_count() const noexcept { return ranges_.size(); }
  [[nodiscard]] const RingQueue<Range>& ranges() const noexcept { return ranges_; }
  void clear() noexcept;

 private:
  [[nodiscard]] std::size_t index_of(SeqNum number) const noexcept;
  std::size_t split_at(SeqNum number);
  void merge(std::size_t first, std::size_t last);
  void lose(Range& range) noexcept;

  RingQueue<Range> ranges_;
  std::uint32_t sacked_ = 0;
  std::uint32_t lost_ = 0;
};

}  // namespace tapir::tcp
