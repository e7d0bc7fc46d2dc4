#include "send_buffer.hpp"

#include <algorithm>
#include <utility>

namespace tapir::tcp {

std::size_t SendBuffer::append(std::span<const std::byte> bytes) {
  const std::size_t count = std::min(bytes.size(), room());
  queue_.append_copy(bytes.first(count));
  return count;
}

std::size_t SendBuffer::append(Slice slice) {
  slice.truncate(room());
  const std::size_t count = slice.size();
  queue_.append(std::move(slice));
  return count;
}

void SendBuffer::acknowledge(std::size_t count) noexcept {
  queue_.trim_front(count);
  push_end_ -= std::min(count, push_end_);
}

void SendBuffer::discard_from(std::size_t offset) noexcept {
  queue_.truncate(offset);
  push_end_ = std::min(push_end_, size());
}

void SendBuffer::clear() noexcept {
  queue_.clear();
  push_end_ = 0;
}

}  // namespace tapir::tcp
