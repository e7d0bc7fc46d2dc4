#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include <tapir/core/packet.hpp>

#include "slice_queue.hpp"

namespace tapir::tcp {

/// Received bytes in order that the application has not read yet.
class ReceiveBuffer {
 public:
  /// `limit`: bytes of receive buffer, RCV.BUFF.
  ReceiveBuffer(PacketPool& pool, std::size_t limit) noexcept : queue_{pool}, limit_{limit} {}

  /// Bytes to be read.
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  void set_limit(std::size_t bytes) noexcept { limit_ = bytes; }
  /// Space left: RCV.BUFF - RCV.USER.
  [[nodiscard]] std::size_t room() const noexcept { return size() < limit_ ? limit_ - size() : 0; }

  /// Adds in-order bytes, all of them: the caller has cut them to the window. Small slices of big slabs are copied.
  void append(Slice slice);
  void append(const Packet& payload);

  /// Copies bytes out and forgets them. Returns how many.
  std::size_t read(std::span<std::byte> into) noexcept;
  /// Copies bytes out and keeps them. Returns how many.
  [[nodiscard]] std::size_t peek(std::span<std::byte> into, std::size_t offset = 0) const noexcept { return queue_.copy_out(offset, into); }
  /// Takes the next run of contiguous bytes, at most `max` of them, without copying; empty when there is nothing.
  [[nodiscard]] std::optional<Slice> read_slice(std::size_t max = static_cast<std::size_t>(-1)) noexcept;
  /// Forgets the first `count` bytes, at most all. Returns how many.
  std::size_t discard(std::size_t count) noexcept;
  void clear() noexcept { queue_.clear(); }

 private:
  SliceQueue queue_;
  std::size_t limit_;
};

}  // namespace tapir::tcp
