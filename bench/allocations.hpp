#pragma once

#include <cstddef>
#include <cstdint>

namespace tapir::bench {

/// What the whole program has asked of the heap: this folder's operator new counts.
struct Heap {
  std::uint64_t allocations = 0;  ///< so far
  std::size_t bytes = 0;          ///< held now, with what the allocator rounds up
};
[[nodiscard]] Heap heap() noexcept;

}  // namespace tapir::bench
