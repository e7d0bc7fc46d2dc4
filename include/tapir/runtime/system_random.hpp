#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <tapir/core/random.hpp>

namespace tapir {

/// Random numbers from the operating system's generator (getrandom(2)), fit for secrets. One thread.
class SystemRandom final : public Random {
 public:
  SystemRandom() noexcept = default;
  [[nodiscard]] std::uint64_t next() override;

 private:
  void refill();
  std::array<std::uint64_t, 64> numbers_{};
  std::size_t left_ = 0;
};

}  // namespace tapir
