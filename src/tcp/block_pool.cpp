#include "block_pool.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace tapir::tcp {

/// In front of each block's memory.
struct alignas(std::max_align_t) BlockPool::Block {
  Slab* slab;
  Block* next_free;
};

/// In front of its blocks.
struct alignas(std::max_align_t) BlockPool::Slab {
  std::shared_ptr<State> state;
  std::size_t blocks;
  Block* free = nullptr;
  std::size_t in_use = 0;
  Slab* before = nullptr;  ///< among those with some in use and some free, as the next
  Slab* after = nullptr;
};

struct BlockPool::State {
  Slab* first = nullptr;  ///< of those with some in use and some free
  Slab* spare = nullptr;  ///< none of it is in use
  std::size_t in_use = 0;
  std::size_t free = 0;
  std::size_t most_blocks;
  bool closed = false;  ///< the pool is gone

  explicit State(std::size_t most) noexcept : most_blocks{most} {}

  void link(Slab& slab) noexcept {
    slab.before = nullptr;
    slab.after = std::exchange(first, &slab);
    if (slab.after != nullptr) slab.after->before = &slab;
  }
  void unlink(Slab& slab) noexcept {
    (slab.before != nullptr ? slab.before->after : first) = slab.after;
    if (slab.after != nullptr) slab.after->before = slab.before;
  }
  void give_back(Slab* slab) noexcept {
    free -= slab->blocks;
    slab->~Slab();
    ::operator delete(static_cast<void*>(slab));
  }
  /// One unused slab stays while others have as many blocks in use, so that one that comes and goes takes no allocation each time.
  void settle() noexcept {
    const bool keeps = !closed && most_blocks > 1;
    if (spare != nullptr && (!keeps || in_use < spare->blocks)) give_back(std::exchange(spare, nullptr));
  }
};

BlockPool::BlockPool(std::size_t size, std::size_t most_blocks)
    : block_size_{(size + alignof(Block) - 1) / alignof(Block) * alignof(Block)}, state_{std::make_shared<State>(most_blocks)} {}

BlockPool::~BlockPool() {
  state_->closed = true;
  state_->settle();
}

std::size_t BlockPool::free_blocks() const noexcept { return state_->free; }

/// As many blocks as there are, so that what is free is never more than what is in use by much.
BlockPool::Slab& BlockPool::add_slab() {
  const std::size_t each = sizeof(Block) + block_size_;
  const std::size_t blocks = std::clamp<std::size_t>(state_->in_use, 1, state_->most_blocks);
  auto* const memory = static_cast<std::byte*>(::operator new(sizeof(Slab) + blocks * each));
  auto* const slab = new (memory) Slab{.state = state_, .blocks = blocks};
  for (std::size_t i = blocks; i-- > 0;) slab->free = new (memory + sizeof(Slab) + i * each) Block{slab, slab->free};
  state_->free += blocks;
  return *slab;
}

void* BlockPool::allocate() {
  State& state = *state_;
  Slab* slab = state.first;
  if (slab == nullptr) {
    slab = state.spare != nullptr ? std::exchange(state.spare, nullptr) : &add_slab();
    state.link(*slab);
  }
  Block* const block = std::exchange(slab->free, slab->free->next_free);
  ++slab->in_use;
  ++state.in_use;
  --state.free;
  if (slab->free == nullptr) state.unlink(*slab);
  return block + 1;
}

void BlockPool::deallocate(void* memory) noexcept {
  Block* const block = static_cast<Block*>(memory) - 1;
  Slab& slab = *block->slab;
  const std::shared_ptr<State> state = slab.state;  // it may be the last
  if (slab.free == nullptr) state->link(slab);
  block->next_free = std::exchange(slab.free, block);
  --slab.in_use;
  --state->in_use;
  ++state->free;
  if (slab.in_use == 0) {
    state->unlink(slab);
    if (state->spare != nullptr) state->give_back(std::exchange(state->spare, nullptr));
    state->spare = &slab;
  }
  state->settle();
}

}  // namespace tapir::tcp
