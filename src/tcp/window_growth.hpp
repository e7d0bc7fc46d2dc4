#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace tapir::tcp {

/// How far the window offered may open, as Linux has it (tcp_grow_window()): a slow start of the receiver. A peer that sends little is offered little, so that
/// the buffer behind a large window need not be there at once. Sizes in bytes.
class WindowGrowth {
 public:
  static constexpr std::uint32_t kStart = 65535;       ///< what the window field of a SYN can say
  static constexpr std::uint32_t kLeastSegment = 128;  ///< smaller ones pin more memory than they bring

  explicit WindowGrowth(bool gradual) noexcept : limit_{gradual ? kStart : std::numeric_limits<std::uint32_t>::max()} {}

  /// `size` bytes arrived in order; `mss`: of a full segment of the peer's.
  void on_data(std::uint32_t size, std::uint32_t mss) noexcept {
    if (size < kLeastSegment) return;
    limit_ += std::min(2 * std::max(size, mss), std::numeric_limits<std::uint32_t>::max() - limit_);
  }
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_; }

 private:
  std::uint32_t limit_;
};

}  // namespace tapir::tcp
