#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tapir/core/packet.hpp>

#include "ring_queue.hpp"

namespace tapir::tcp {

/// A run of a byte stream, kept in slices. What all of TCP's buffers are made of. Small pieces are copied together into slabs of its own, so that
/// neither many small writes nor ten bytes of a big received slab cost much more memory than they hold.
class SliceQueue {
 public:
  explicit SliceQueue(PacketPool& pool) noexcept : pool_{&pool} {}

  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - begin_); }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t slice_count() const noexcept { return pieces_.size(); }

  /// Adds a copy of `bytes`; the last slab is filled first.
  void append_copy(std::span<const std::byte> bytes);
  /// Adds `slice`, shared, or copied when it pins more than four times its size; not when that is little, and all there is.
  void append(Slice slice);
  /// Puts `slice` in front, shared or copied likewise.
  void prepend(Slice slice);
  /// Adds another queue's bytes at the end; moves whichever has fewer slices.
  void append(SliceQueue&& other);

  /// Adds bytes [offset, offset + count), cut to what there is, to the end of `packet`, shared; a few are copied, behind the headers that come. Returns how
  /// many.
  std::size_t view(std::size_t offset, std::size_t count, Packet& packet) const;
  /// Copies from `offset` on. Returns how many bytes.
  [[nodiscard]] std::size_t copy_out(std::size_t offset, std::span<std::byte> into) const noexcept;
  /// Takes the first slice, at most `max` bytes of it. The queue is not empty and `max` not 0.
  [[nodiscard]] Slice pop_slice(std::size_t max = static_cast<std::size_t>(-1)) noexcept;
  /// Forgets the first `count` bytes, at most all.
  void trim_front(std::size_t count) noexcept;
  /// Keeps the first `size` bytes.
  void truncate(std::size_t size) noexcept;
  void clear() noexcept;

 private:
  struct Piece {
    std::uint64_t begin = 0;  ///< in octets of a count that never goes back, so that a piece is found by bisection
    Slice slice;
  };

  [[nodiscard]] std::size_t find(std::uint64_t position) const noexcept;
  [[nodiscard]] static bool wasteful(const Slice& slice) noexcept { return slice.pinned() > 4 * slice.size(); }
  [[gnu::noinline]] void append_slabs(std::span<const std::byte> bytes);
  void push_back(Slice slice);

  PacketPool* pool_;
  RingQueue<Piece> pieces_;
  std::uint64_t begin_ = kMiddle;  ///< position of the first byte
  std::uint64_t end_ = kMiddle;    ///< one past the last byte
  std::size_t tail_room_ = 0;      ///< unused bytes behind the last slice, in a slab that only this queue fills

  static constexpr std::size_t kCopied = PacketPool::header_capacity - Packet::headroom;  ///< bytes: what a packet has room for in any case
  static constexpr std::uint64_t kMiddle = 1ULL << 62U;  ///< prepend() counts down from here; neither end is ever reached
};

}  // namespace tapir::tcp
