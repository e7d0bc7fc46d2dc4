#pragma once

#include <cstdint>

namespace tapir::link {

/// Learns whether the answer to a question is mostly yes, so that a question that costs a system call is asked only where it pays. What has mostly been
/// no is asked all the same now and then, since habits change; the longer it is no, the more seldom. A new one takes it for yes.
class Habit {
 public:
  /// Whether to ask now.
  [[nodiscard]] constexpr bool worth_asking() noexcept {
    if (level_ >= kHalf) return true;
    if (++passed_over_ < interval_) return false;
    passed_over_ = 0;
    return true;
  }
  /// The answer, when it was asked.
  constexpr void learn(bool yes) noexcept {
    if (yes) {
      interval_ = kFirstInterval;
      if (level_ < kMost) ++level_;
    } else if (level_ > 0) {
      --level_;
    } else if (interval_ < kLongestInterval) {
      interval_ = static_cast<std::uint8_t>(2 * interval_);
    }
  }

 private:
  static constexpr std::uint8_t kMost = 7, kHalf = 4;
  static constexpr std::uint8_t kFirstInterval = 16, kLongestInterval = 128;
  std::uint8_t level_ = kMost;
  std::uint8_t passed_over_ = 0;            ///< since it was asked last
  std::uint8_t interval_ = kFirstInterval;  ///< at which it is asked while the answer is mostly no
};

}  // namespace tapir::link
