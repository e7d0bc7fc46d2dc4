#pragma once

#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "block_pool.hpp"

namespace tapir::tcp::detail {

/// An allocator of a pool's blocks, which are all zero. What lies between the members of an object, or in an empty optional, is otherwise what was there before:
/// a connection's image (PackedImage) would hold it, and be larger for it.
template <class T>
class ZeroedMemory {
 public:
  using value_type = T;

  explicit ZeroedMemory(BlockPool& pool) noexcept : pool_{&pool} {}
  template <class Other>
  explicit(false) ZeroedMemory(const ZeroedMemory<Other>& other) noexcept : pool_{other.pool_} {}

  [[nodiscard]] T* allocate([[maybe_unused]] std::size_t count) {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    assert(count * sizeof(T) <= pool_->block_size());
    void* const memory = pool_->allocate();
    clear(memory, sizeof(T));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { BlockPool::deallocate(memory); }

  template <class Other>
  friend bool operator==(const ZeroedMemory& one, const ZeroedMemory<Other>& other) noexcept {
    return one.pool_ == other.pool_;
  }

 private:
  template <class Other>
  friend class ZeroedMemory;

  /// For a compiler that looked into it, nothing would be left of what is written before a constructor runs.
  [[gnu::noinline]] static void clear(void* memory, std::size_t size) noexcept {
    std::memset(memory, 0, size);
    asm volatile("" : : "r"(memory) : "memory");
  }

  BlockPool* pool_;  ///< not used to give back: it may be gone then
};

/// What std::make_shared needs beside an object, at most.
inline constexpr std::size_t kSharedOverhead = 64;

/// As std::make_shared, in zeroed memory.
template <class T, class... Arguments>
[[nodiscard]] std::shared_ptr<T> make_zeroed(BlockPool& pool, Arguments&&... arguments) {
  return std::allocate_shared<T>(ZeroedMemory<T>{pool}, std::forward<Arguments>(arguments)...);
}

}  // namespace tapir::tcp::detail
