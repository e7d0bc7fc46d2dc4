#pragma once

#include <cstddef>
#include <memory>

namespace tapir::tcp {

/// Memory for objects of one size that come and go: several of them in one allocation, a slab, which goes back once none of them is in use. The first slab is one
/// block, and what is free is not more than what is in use, but for what lies between blocks in use. What is in use may outlive the pool. One thread.
class BlockPool {
 public:
  /// In a slab, at most: malloc() keeps so much apart from small pieces, which then lie close together. With AddressSanitizer each block is an allocation of its
  /// own, which goes back at once: who uses what was given back is found out.
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kMostBlocks = 1;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  static constexpr std::size_t kMostBlocks = 1;
#else
  static constexpr std::size_t kMostBlocks = 64;
#endif
#else
  static constexpr std::size_t kMostBlocks = 64;
#endif

  /// Blocks of `size` bytes, for anything of usual alignment.
  explicit BlockPool(std::size_t size, std::size_t most_blocks = kMostBlocks);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  [[nodiscard]] std::size_t block_size() const noexcept { return block_size_; }
  [[nodiscard]] void* allocate();
  static void deallocate(void* memory) noexcept;
  /// Those that it holds and that are not in use.
  [[nodiscard]] std::size_t free_blocks() const noexcept;

 private:
  struct Block;
  struct Slab;
  struct State;

  [[nodiscard]] Slab& add_slab();

  std::size_t block_size_;
  std::shared_ptr<State> state_;  ///< which the slabs hold, too
};

}  // namespace tapir::tcp
