#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <tapir/core/packet.hpp>

#include "ring_queue.hpp"
#include "slice_queue.hpp"

namespace tapir::tcp {

/// What the application wrote and the peer has not acknowledged: slices in order, shared with the packets that carry them. Offset 0 is the
/// oldest byte kept, the one at SND.UNA. It knows no sequence numbers.
class SendBuffer {
 public:
  /// All that is kept must have its place in sequence space, on the right side of SND.UNA (RFC 9293 section 3.4): well below 2^31 bytes.
  static constexpr std::size_t max_limit = std::size_t{1} << 30U;

  /// `limit`: bytes that append() takes at most; at most max_limit.
  SendBuffer(PacketPool& pool, std::size_t limit) noexcept : queue_{pool}, limit_{std::min(limit, max_limit)} {}

  /// Bytes kept.
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// A limit below size() refuses new bytes until enough is acknowledged; what is there stays.
  void set_limit(std::size_t bytes) noexcept { limit_ = std::min(bytes, max_limit); }
  /// Bytes that append() would take now.
  [[nodiscard]] std::size_t room() const noexcept { return size() < limit_ ? limit_ - size() : 0; }

  /// Takes a copy of as many bytes as there is room for, filling the last slab first, so that many small writes share one. Returns how many.
  std::size_t append(std::span<const std::byte> bytes);
  /// Takes a copy of all, whatever the limit.
  void append_all(std::span<const std::byte> bytes) { queue_.append_copy(bytes); }
  /// Takes `slice`, cut to the room there is, without copying (unless it pins more than four times its size). Returns how many bytes it took.
  std::size_t append(Slice slice);

  /// Adds bytes [offset, offset + count), cut to what there is, to the end of `packet`, shared. Returns how many.
  std::size_t view(std::size_t offset, std::size_t count, Packet& packet) const { return queue_.view(offset, count, packet); }

  /// The first `count` bytes were acknowledged: forgets them. At most all.
  void acknowledge(std::size_t count) noexcept;
  /// Forgets the bytes from `offset` on, which were never sent.
  void discard_from(std::size_t offset) noexcept;
  void clear() noexcept;

  /// What is kept ends with the end of a record: no segment holds octets of it and of what follows.
  void end_record();
  /// Whether any end of a record is kept.
  [[nodiscard]] bool has_records() const noexcept { return !record_ends_.empty(); }
  /// Bytes from `offset` to the next end of a record behind it; nullopt: none follows.
  [[nodiscard]] std::optional<std::size_t> record_left(std::size_t offset) const noexcept;
  /// The last end of a record before `offset`, as an offset; 0: none is known.
  [[nodiscard]] std::size_t record_begin(std::size_t offset) const noexcept;

  /// Marks the end of what is kept as the end of a write that is to be pushed (RFC 9293 section 3.9.1.2). Successive marks collapse into the
  /// last one (SHLD-27).
  void push() noexcept { push_end_ = size(); }
  /// Bytes from the front up to the end of the latest pushed write; 0: none.
  [[nodiscard]] std::size_t push_end() const noexcept { return push_end_; }
  /// Whether [offset, offset + count) holds the last byte of the latest pushed write: such a segment carries PSH.
  [[nodiscard]] bool ends_push(std::size_t offset, std::size_t count) const noexcept {
    return push_end_ > offset && push_end_ - offset <= count;
  }

 private:
  template <class Before>
  [[nodiscard]] std::size_t record_ends_before(Before before) const noexcept;

  SliceQueue queue_;
  std::size_t limit_;
  std::size_t push_end_ = 0;
  std::uint64_t forgotten_ = 0;           ///< bytes that were kept once
  RingQueue<std::uint64_t> record_ends_;  ///< counted from the first byte ever kept; each behind forgotten_
};

}  // namespace tapir::tcp
