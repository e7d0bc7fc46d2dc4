#pragma once

namespace tapir::link {

/// Learns whether the answer to a question is mostly yes, so that a question that costs a system call is asked only where it pays. What has mostly been
/// no is asked all the same now and then, since habits change.
class Habit {
 public:
  enum class First : unsigned char { yes, no };
  explicit constexpr Habit(First first) noexcept : level_{first == First::yes ? kMost : 0U} {}

  /// Whether to ask now.
  [[nodiscard]] constexpr bool worth_asking() noexcept {
    if (level_ >= kHalf) return true;
    if (++passed_over_ < kSeldom) return false;
    passed_over_ = 0;
    return true;
  }
  /// The answer, when it was asked.
  constexpr void learn(bool yes) noexcept {
    if (yes && level_ < kMost) ++level_;
    if (!yes && level_ > 0) --level_;
  }

 private:
  static constexpr unsigned kMost = 7, kHalf = 4, kSeldom = 16;
  unsigned level_;
  unsigned passed_over_ = 0;
};

}  // namespace tapir::link
