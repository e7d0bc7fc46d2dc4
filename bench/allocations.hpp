#pragma once

#include <cstddef>
#include <cstdint>

namespace tapir::bench {

// What the whole program has asked of the heap: this folder's operator new counts.
/// So far.
[[nodiscard]] std::uint64_t allocations() noexcept;
/// Held now, with what the allocator rounds up.
[[nodiscard]] std::size_t heap_bytes() noexcept;

}  // namespace tapir::bench
