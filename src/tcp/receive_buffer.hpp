#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include <tapir/core/packet.hpp>

namespace tapir::tcp {

/// Received bytes in order that the application has not read yet.
class ReceiveBuffer {
 public:
  /// `limit`: bytes of receive buffer, RCV.BUFF.
  ReceiveBuffer(PacketPool& pool, std::size_t limit) noexcept : pool_{&pool}, limit_{limit} {}

  /// Bytes to be read.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  void set_limit(std::size_t bytes) noexcept { limit_ = bytes; }
  /// Space left: RCV.BUFF - RCV.USER.
  [[nodiscard]] std::size_t room() const noexcept { return size_ < limit_ ? limit_ - size_ : 0; }

  /// Adds in-order bytes. The caller has cut them to the window; small slices of big slabs are copied.
  void append(Slice slice);
  /// Adds all bytes of `payload`.
  void append(Packet&& payload);

  /// Copies bytes out and forgets them. Returns how many.
  std::size_t read(std::span<std::byte> into) noexcept;
  /// Copies bytes out and keeps them. Returns how many.
  std::size_t peek(std::span<std::byte> into) const noexcept;
  /// Takes the next run of contiguous bytes, at most `max` of them; empty when there is nothing.
  [[nodiscard]] std::optional<Slice> read_slice(std::size_t max = static_cast<std::size_t>(-1));
  void clear() noexcept;

 private:
  PacketPool* pool_;
  std::deque<Slice> slices_;
  std::size_t size_ = 0;
  std::size_t limit_;
  std::size_t tail_room_ = 0;  ///< unused bytes behind the last slice in a slab of our own, into which small slices are copied
  std::size_t tail_used_ = 0;
};

}  // namespace tapir::tcp
