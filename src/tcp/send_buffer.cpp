#include "send_buffer.hpp"

#include <algorithm>
#include <iterator>
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
  count = std::min(count, size());
  queue_.trim_front(count);
  forgotten_ += count;
  while (!record_ends_.empty() && record_ends_.front() <= forgotten_) record_ends_.pop_front();
  push_end_ -= std::min(count, push_end_);
}

void SendBuffer::discard_from(std::size_t offset) noexcept {
  queue_.truncate(offset);
  push_end_ = std::min(push_end_, size());
  while (!record_ends_.empty() && record_ends_.back() > forgotten_ + size()) record_ends_.pop_back();
}

void SendBuffer::end_record() {
  if (empty()) return;
  const std::uint64_t end = forgotten_ + size();
  if (record_ends_.empty() || record_ends_.back() != end) record_ends_.push_back(end);
}

std::optional<std::size_t> SendBuffer::record_left(std::size_t offset) const noexcept {
  const std::uint64_t at = forgotten_ + offset;
  const auto next = std::ranges::upper_bound(record_ends_, at);
  if (next == record_ends_.end()) return std::nullopt;
  return static_cast<std::size_t>(*next - at);
}

std::size_t SendBuffer::record_begin(std::size_t offset) const noexcept {
  const auto next = std::ranges::lower_bound(record_ends_, forgotten_ + offset);
  return next == record_ends_.begin() ? 0 : static_cast<std::size_t>(*std::prev(next) - forgotten_);
}

void SendBuffer::clear() noexcept {
  queue_.clear();
  record_ends_.clear();
  push_end_ = 0;
}

}  // namespace tapir::tcp
