#include "receive_buffer.hpp"

#include <algorithm>
#include <utility>

namespace tapir::tcp {

void ReceiveBuffer::append(Slice slice) { queue_.append(std::move(slice)); }

void ReceiveBuffer::append(const Packet& payload) {
  payload.for_each_slice([this](Slice slice) { queue_.append(std::move(slice)); });
}

std::size_t ReceiveBuffer::read(std::span<std::byte> into) noexcept {
  const std::size_t count = queue_.copy_out(0, into);
  queue_.trim_front(count);
  return count;
}

std::optional<Slice> ReceiveBuffer::read_slice(std::size_t max) noexcept {
  if (queue_.empty() || max == 0) return std::nullopt;
  return queue_.pop_slice(max);
}

std::size_t ReceiveBuffer::discard(std::size_t count) noexcept {
  count = std::min(count, queue_.size());
  queue_.trim_front(count);
  return count;
}

}  // namespace tapir::tcp
