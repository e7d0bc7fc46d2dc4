#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tapir {

/// Learns in what rhythm the answers to a question come, as a processor's branch predictor does: what has mostly followed on the same last answers is expected
/// to follow on them again. In an exchange of some steps each step so has an answer of its own.
class Rhythm {
 public:
  /// Whether the next answer will be yes.
  [[nodiscard]] constexpr bool expects_yes() const noexcept { return levels_[recent_] >= kHalf; }
  /// The answer.
  constexpr void learn(bool yes) noexcept {
    std::uint8_t& level = levels_[recent_];
    if (yes && level < kMost) ++level;
    if (!yes && level > 0) --level;
    recent_ = (recent_ << 1U | static_cast<std::size_t>(yes)) % levels_.size();
  }

 private:
  static constexpr std::size_t kRemembered = 6;  ///< answers
  static constexpr std::uint8_t kMost = 3, kHalf = 2;

  [[nodiscard]] static constexpr std::array<std::uint8_t, 1U << kRemembered> undecided() noexcept {
    std::array<std::uint8_t, 1U << kRemembered> levels{};
    levels.fill(kHalf - 1);
    return levels;
  }

  std::array<std::uint8_t, 1U << kRemembered> levels_ = undecided();
  std::size_t recent_ = 0;  ///< the last answers, a bit each
};

}  // namespace tapir
