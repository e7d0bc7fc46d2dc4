#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include <tapir/core/error.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/payload.hpp>

namespace tapir::mqtt {

/// Bytes that wait to be written, in order. Small packets are gathered; a large payload is shared, not copied.
class OutputQueue {
 public:
  /// Where to append small things. Call appended() afterwards.
  [[nodiscard]] std::vector<std::byte>& tail() noexcept { return tail_; }
  /// Takes back what was appended to tail() and not yet counted.
  void undo() noexcept { tail_.resize(counted_); }
  /// Counts what was appended to tail().
  void appended() noexcept {
    total_ += tail_.size() - counted_;
    size_ += tail_.size() - counted_;
    counted_ = tail_.size();
  }
  void append(const Payload& payload) {
    if (payload.source() == nullptr && payload.size() <= kGathered) {
      tail_.insert(tail_.end(), payload.bytes().begin(), payload.bytes().end());
      appended();
      return;
    }
    close_tail();
    slices_.push_back(payload);
    total_ += payload.size();
    size_ += payload.size();
  }
  /// The next bytes, from a source at most `chunk`; an error of the source that they come from, after which the stream cannot go on.
  [[nodiscard]] Result<std::optional<Payload>> take(std::size_t chunk) {
    while (!slices_.empty() && slices_.front().empty()) slices_.pop_front();
    if (slices_.empty()) close_tail();
    if (slices_.empty()) return std::nullopt;
    if (slices_.front().source() != nullptr) return read(chunk);
    Payload slice = std::move(slices_.front());
    slices_.pop_front();
    size_ -= slice.size();
    return slice;
  }
  /// `total` bytes of the stream were taken from another queue.
  void continue_at(std::uint64_t total) noexcept { total_ = total; }
  /// A new stream begins.
  void clear() noexcept {
    slices_.clear();
    tail_.clear();
    counted_ = size_ = 0;
    source_at_ = 0;
    total_ = 0;
  }
  /// Whether a payload waits that has to be read from its source.
  [[nodiscard]] bool reads_source() const noexcept {
    return std::ranges::any_of(slices_, [](const Payload& slice) { return slice.source() != nullptr; });
  }
  /// Bytes that wait.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Bytes since the stream began, taken or not.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

 private:
  static constexpr std::size_t kGathered = 1024;  ///< bytes; below it a copy is cheaper than a slice of its own

  [[nodiscard]] Result<std::optional<Payload>> read(std::size_t chunk) {
    const Payload& whole = slices_.front();
    std::vector<std::byte> bytes(std::min<std::uint64_t>(std::max<std::size_t>(chunk, 1), whole.size() - source_at_));
    const auto count = whole.source()->read(source_at_, bytes);
    if (!count) return fail(count.error());
    if (*count == 0 || *count > bytes.size()) return fail(Error::payload_source_failed);
    bytes.resize(*count);
    source_at_ += *count;
    size_ -= *count;
    if (source_at_ == whole.size()) {
      slices_.pop_front();
      source_at_ = 0;
    }
    return Payload{std::move(bytes)};
  }
  void close_tail() {
    if (tail_.empty()) return;
    slices_.emplace_back(std::exchange(tail_, {}));
    counted_ = 0;
  }

  std::list<Payload> slices_;
  std::vector<std::byte> tail_;
  std::size_t counted_ = 0;  ///< bytes of tail_ that size_ and total_ hold
  std::size_t size_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t source_at_ = 0;  ///< bytes already read of a first slice that has a source
};

}  // namespace tapir::mqtt
