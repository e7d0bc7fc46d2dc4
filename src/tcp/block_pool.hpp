#pragma once

#include <cstddef>
#include <memory>

namespace tapir::tcp {

/// Memory for objects of one size that come and go: several of them in one allocation, which goes back once none of them is in use. What is in use may outlive
/// the pool. One thread.
class BlockPool {
 public:
  /// Blocks of `size` bytes, for anything of usual alignment.
  explicit BlockPool(std::size_t size);
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
