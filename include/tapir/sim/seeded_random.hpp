#pragma once

#include <random>

#include <tapir/core/random.hpp>

namespace tapir::sim {

/// A sequence of random numbers that one seed determines on every platform (the Mersenne Twister is specified to the bit).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_{seed} {}
  [[nodiscard]] std::uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tapir::sim
