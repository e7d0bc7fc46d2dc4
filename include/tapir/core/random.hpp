#pragma once

#include <cstdint>

namespace tapir {

/// Where protocol code gets its random numbers: from the system's generator in real time, from one seed in a simulation.
/// Used by one thread.
class Random {
 public:
  virtual ~Random() = default;

  /// 64 uniformly distributed bits.
  [[nodiscard]] virtual std::uint64_t next() = 0;

  /// A number in [0, bound), every one equally likely; 0 when bound is 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) {
    if (bound == 0) return 0;
    const std::uint64_t unfair = (0 - bound) % bound;  // numbers below this would favour the small results
    for (;;) {
      const std::uint64_t value = next();
      if (value >= unfair) return value % bound;
    }
  }

  /// A number in [0, 1).
  [[nodiscard]] double fraction() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
};

}  // namespace tapir
