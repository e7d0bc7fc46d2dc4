#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <tapir/core/error.hpp>
#include <tapir/core/time.hpp>

namespace tapir {

/// One block of bytes that outlives the process, replaced as a whole. Used by one thread.
class ByteStore {
 public:
  virtual ~ByteStore() = default;
  /// Returns when `bytes` will be there after a crash: either they or, if the crash was during the call, what was there before.
  [[nodiscard]] virtual Result<> save(std::span<const std::byte> bytes) = 0;
  /// What was saved last; nullopt: nothing.
  [[nodiscard]] virtual Result<std::optional<std::vector<std::byte>>> load() = 0;
  /// How long ago that was saved, by a clock that also goes on while no process runs; zero when that is not known.
  [[nodiscard]] virtual Duration age() { return Duration::zero(); }
};

}  // namespace tapir
