#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <tapir/mqtt/payload.hpp>

namespace tapir::mqtt {

/// Bytes that wait to be written, in order. Small packets are gathered; a large payload is shared, not copied.
class OutputQueue {
 public:
  /// Where to append small things. Call appended() afterwards.
  [[nodiscard]] std::vector<std::byte>& tail() noexcept { return tail_; }
  /// Counts what was appended to tail().
  void appended() noexcept {
    total_ += tail_.size() - counted_;
    size_ += tail_.size() - counted_;
    counted_ = tail_.size();
  }
  void append(const Payload& payload) {
    if (payload.size() <= kGathered) {
      tail_.insert(tail_.end(), payload.bytes().begin(), payload.bytes().end());
      appended();
      return;
    }
    close_tail();
    slices_.push_back(payload);
    total_ += payload.size();
    size_ += payload.size();
  }
  [[nodiscard]] std::optional<Payload> take() {
    if (slices_.empty()) close_tail();
    if (slices_.empty()) return std::nullopt;
    Payload slice = std::move(slices_.front());
    slices_.pop_front();
    size_ -= slice.size();
    return slice;
  }
  /// A new stream begins.
  void clear() noexcept {
    slices_.clear();
    tail_.clear();
    counted_ = size_ = 0;
    total_ = 0;
  }
  /// Bytes that wait.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Bytes since the stream began, taken or not.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

 private:
  static constexpr std::size_t kGathered = 1024;  ///< bytes; below it a copy is cheaper than a slice of its own

  void close_tail() {
    if (tail_.empty()) return;
    slices_.emplace_back(std::exchange(tail_, {}));
    counted_ = 0;
  }

  std::deque<Payload> slices_;
  std::vector<std::byte> tail_;
  std::size_t counted_ = 0;  ///< bytes of tail_ that size_ and total_ hold
  std::size_t size_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace tapir::mqtt
