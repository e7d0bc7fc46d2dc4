#include "block_pool.hpp"

#include <new>
#include <utility>

namespace tapir::tcp {

namespace {
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kFew = 1;  // blocks in a slab, which goes back at once: who uses what was given back is found out
constexpr std::size_t kMany = 1;
#else
constexpr std::size_t kFew = 8;    // blocks in the first slabs
constexpr std::size_t kMany = 64;  // in the others. malloc() keeps so much apart from small pieces, which then lie close together
#endif
constexpr std::size_t kFirstSlabs = 8;
}  // namespace

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
  Slab* before = nullptr;  ///< among those with a free block, as the next
  Slab* after = nullptr;
};

struct BlockPool::State {
  Slab* first = nullptr;  ///< of those with a free block
  std::size_t slabs = 0;
  std::size_t free = 0;  ///< blocks
  bool closed = false;   ///< the pool is gone

  void link(Slab& slab) noexcept {
    slab.before = nullptr;
    slab.after = std::exchange(first, &slab);
    if (slab.after != nullptr) slab.after->before = &slab;
  }
  void unlink(Slab& slab) noexcept {
    (slab.before != nullptr ? slab.before->after : first) = slab.after;
    if (slab.after != nullptr) slab.after->before = slab.before;
  }
  /// Whether an unused slab stays, so that one block that comes and goes takes no allocation each time.
  [[nodiscard]] bool keeps(const Slab& slab) const noexcept {
    if (closed || kFew == 1 || free - slab.blocks >= kFew) return false;
    return slab.blocks == kFew || slabs > 1;
  }
  void give_back(Slab* slab) noexcept {
    unlink(*slab);
    free -= slab->blocks;
    --slabs;
    slab->~Slab();
    ::operator delete(static_cast<void*>(slab));
  }
};

BlockPool::BlockPool(std::size_t size)
    : block_size_{(size + alignof(Block) - 1) / alignof(Block) * alignof(Block)}, state_{std::make_shared<State>()} {}

BlockPool::~BlockPool() {
  state_->closed = true;
  for (Slab* slab = state_->first; slab != nullptr;) {
    Slab* const next = slab->after;
    if (slab->in_use == 0) state_->give_back(slab);
    slab = next;
  }
}

std::size_t BlockPool::free_blocks() const noexcept { return state_->free; }

BlockPool::Slab& BlockPool::add_slab() {
  const std::size_t each = sizeof(Block) + block_size_;
  const std::size_t blocks = state_->slabs < kFirstSlabs ? kFew : kMany;
  auto* const memory = static_cast<std::byte*>(::operator new(sizeof(Slab) + blocks * each));
  auto* const slab = new (memory) Slab{.state = state_, .blocks = blocks};
  for (std::size_t i = blocks; i-- > 0;) slab->free = new (memory + sizeof(Slab) + i * each) Block{slab, slab->free};
  state_->free += blocks;
  ++state_->slabs;
  state_->link(*slab);
  return *slab;
}

void* BlockPool::allocate() {
  Slab& slab = state_->first != nullptr ? *state_->first : add_slab();
  Block* const block = std::exchange(slab.free, slab.free->next_free);
  ++slab.in_use;
  --state_->free;
  if (slab.free == nullptr) state_->unlink(slab);
  return block + 1;
}

void BlockPool::deallocate(void* memory) noexcept {
  Block* const block = static_cast<Block*>(memory) - 1;
  Slab& slab = *block->slab;
  const std::shared_ptr<State> state = slab.state;  // it may be the last
  if (slab.free == nullptr) state->link(slab);
  block->next_free = std::exchange(slab.free, block);
  --slab.in_use;
  ++state->free;
  if (slab.in_use == 0 && !state->keeps(slab)) state->give_back(&slab);
}

}  // namespace tapir::tcp
