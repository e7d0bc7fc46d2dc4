#include "block_pool.hpp"

#include <new>
#include <utility>

namespace tapir::tcp {

namespace {
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kSlabBlocks = 1;  // in a slab, none of which is kept: who uses what was given back is found out
constexpr std::size_t kKeptSlabs = 0;
#else
constexpr std::size_t kSlabBlocks = 8;
constexpr std::size_t kKeptSlabs = 1;  // slabs without a block in use
#endif
}  // namespace

/// In front of each block's memory.
struct alignas(std::max_align_t) BlockPool::Block {
  Slab* slab;
  Block* next_free;
};

/// In front of its blocks.
struct alignas(std::max_align_t) BlockPool::Slab {
  std::shared_ptr<State> state;
  Block* free = nullptr;
  std::size_t in_use = 0;
  Slab* before = nullptr;  ///< among those with a free block, as the next
  Slab* after = nullptr;
};

struct BlockPool::State {
  Slab* first = nullptr;  ///< of those with a free block
  std::size_t slabs = 0;
  std::size_t unused = 0;  ///< of these, without a block in use
  std::size_t kept = kKeptSlabs;

  void link(Slab& slab) noexcept {
    slab.before = nullptr;
    slab.after = std::exchange(first, &slab);
    if (slab.after != nullptr) slab.after->before = &slab;
  }
  void unlink(Slab& slab) noexcept {
    (slab.before != nullptr ? slab.before->after : first) = slab.after;
    if (slab.after != nullptr) slab.after->before = slab.before;
  }
  void free_unused(Slab* slab) noexcept {
    unlink(*slab);
    --unused;
    --slabs;
    slab->~Slab();
    ::operator delete(static_cast<void*>(slab));
  }
};

BlockPool::BlockPool(std::size_t size)
    : block_size_{(size + alignof(Block) - 1) / alignof(Block) * alignof(Block)}, state_{std::make_shared<State>()} {}

BlockPool::~BlockPool() {
  state_->kept = 0;
  for (Slab* slab = state_->first; slab != nullptr;) {
    Slab* const next = slab->after;
    if (slab->in_use == 0) state_->free_unused(slab);
    slab = next;
  }
}

std::size_t BlockPool::slabs() const noexcept { return state_->slabs; }

BlockPool::Slab& BlockPool::add_slab() {
  const std::size_t each = sizeof(Block) + block_size_;
  auto* const memory = static_cast<std::byte*>(::operator new(sizeof(Slab) + kSlabBlocks * each));
  auto* const slab = new (memory) Slab{.state = state_};
  for (std::size_t i = kSlabBlocks; i-- > 0;) slab->free = new (memory + sizeof(Slab) + i * each) Block{slab, slab->free};
  ++state_->slabs;
  ++state_->unused;
  state_->link(*slab);
  return *slab;
}

void* BlockPool::allocate() {
  Slab& slab = state_->first != nullptr ? *state_->first : add_slab();
  if (slab.in_use++ == 0) --state_->unused;
  Block* const block = std::exchange(slab.free, slab.free->next_free);
  if (slab.free == nullptr) state_->unlink(slab);
  return block + 1;
}

void BlockPool::deallocate(void* memory) noexcept {
  Block* const block = static_cast<Block*>(memory) - 1;
  Slab& slab = *block->slab;
  const std::shared_ptr<State> state = slab.state;  // it may be the last
  if (slab.free == nullptr) state->link(slab);
  block->next_free = std::exchange(slab.free, block);
  if (--slab.in_use == 0 && ++state->unused > state->kept) state->free_unused(&slab);
}

}  // namespace tapir::tcp
