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

/// Bytes that wait to be written, in order. Small packets are gathered; a large payload is shared, not copied. Of these bytes those of
/// messages are told from the others, which a peer can cause.
class OutputQueue {
 public:
  /// Where to append small things. Call appended() afterwards.
  [[nodiscard]] std::vector<std::byte>& tail() noexcept { return tail_; }
  /// Takes back what was appended to tail() and not yet counted.
  void undo() noexcept { tail_.resize(counted_); }
  /// Counts what was appended to tail(), of a message or not.
  void appended(bool of_message) noexcept {
    const std::size_t count = tail_.size() - counted_;
    total_ += count;
    size_ += count;
    if (!of_message) tail_besides_ += count;
    counted_ = tail_.size();
  }
  /// The payload of a message.
  void append(const Payload& payload) {
    if (payload.source() == nullptr && payload.size() <= kGathered) {
      tail_.insert(tail_.end(), payload.bytes().begin(), payload.bytes().end());
      appended(true);
      return;
    }
    close_tail();
    slices_.push_back({payload, 0});
    total_ += payload.size();
    size_ += payload.size();
  }
  /// The next bytes, from a source at most `chunk`; an error of the source that they come from, after which the stream cannot go on.
  [[nodiscard]] Result<std::optional<Payload>> take(std::size_t chunk) {
    while (!slices_.empty() && slices_.front().bytes.empty()) slices_.pop_front();
    if (slices_.empty()) close_tail();
    if (slices_.empty()) return std::nullopt;
    if (slices_.front().bytes.source() != nullptr) return read(chunk);
    Payload slice = std::move(slices_.front().bytes);
    besides_ -= slices_.front().besides;
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
    besides_ = tail_besides_ = 0;
    source_at_ = 0;
    total_ = 0;
  }
  /// Whether a payload waits that has to be read from its source.
  [[nodiscard]] bool reads_source() const noexcept {
    return std::ranges::any_of(slices_, [](const Slice& slice) { return slice.bytes.source() != nullptr; });
  }
  /// Bytes that wait.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Those among them that are not of messages.
  [[nodiscard]] std::size_t besides_messages() const noexcept { return besides_ + tail_besides_; }
  /// Bytes since the stream began, taken or not.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

 private:
  struct Slice {
    Payload bytes;
    std::size_t besides;  ///< of them not of messages
  };
  static constexpr std::size_t kGathered = 1024;  ///< bytes; below it a copy is cheaper than a slice of its own

  [[nodiscard]] Result<std::optional<Payload>> read(std::size_t chunk) {
    const Payload& whole = slices_.front().bytes;
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
    besides_ += tail_besides_;
    slices_.push_back({Payload{std::exchange(tail_, {})}, std::exchange(tail_besides_, 0)});
    counted_ = 0;
  }

  std::list<Slice> slices_;
  std::vector<std::byte> tail_;
  std::size_t counted_ = 0;  ///< bytes of tail_ that size_ and total_ hold
  std::size_t size_ = 0;
  std::size_t besides_ = 0;       ///< bytes in slices_ that are not of messages
  std::size_t tail_besides_ = 0;  ///< the same of tail_
  std::uint64_t total_ = 0;
  std::uint64_t source_at_ = 0;  ///< bytes already read of a first slice that has a source
};

}  // namespace tapir::mqtt
