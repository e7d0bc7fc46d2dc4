#pragma once

#include <cassert>
#include <cstddef>
#include <cstring>

#include "block_pool.hpp"

namespace tapir::tcp {

/// For a compiler that looked into it, nothing would be left of what is written before a constructor runs.
[[gnu::noinline]] inline void clear_block(void* memory, std::size_t size) noexcept {
  std::memset(memory, 0, size);
  asm volatile("" : : "r"(memory) : "memory");
}

/// One of the pool's blocks, `size` bytes of which are zero. What lies between the members of an object, or in an empty optional, is otherwise what was there before:
/// a connection's image (PackedImage) would hold it, and be larger for it.
[[nodiscard]] inline void* zeroed_block(BlockPool& pool, std::size_t size) {
  assert(size <= pool.block_size());
  void* const memory = pool.allocate();
  clear_block(memory, size);
  return memory;
}

}  // namespace tapir::tcp
