#include "send_buffer.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

namespace tapir::tcp {

/// How many ends are on the near side of what is asked for: those for which `before` is true come first.
template <class Before>
std::size_t SendBuffer::record_ends_before(Before before) const noexcept {
  const auto indices = std::views::iota(std::size_t{0}, record_ends_.size());
  return static_cast<std::size_t>(std::ranges::partition_point(indices, [&](std::size_t i) { return before(record_ends_[i]); }) -
                                  indices.begin());
}

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
  const std::size_t next = record_ends_before([at](std::uint64_t end) { return end <= at; });
  if (next == record_ends_.size()) return std::nullopt;
  return static_cast<std::size_t>(record_ends_[next] - at);
}

std::size_t SendBuffer::record_begin(std::size_t offset) const noexcept {
  const std::size_t next = record_ends_before([at = forgotten_ + offset](std::uint64_t end) { return end < at; });
  return next == 0 ? 0 : static_cast<std::size_t>(record_ends_[next - 1] - forgotten_);
}

void SendBuffer::clear() noexcept {
  queue_.clear();
  record_ends_.clear();
  push_end_ = 0;
}

}  // namespace tapir::tcp
