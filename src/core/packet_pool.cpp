#include <tapir/core/branch.hpp>
#include <tapir/core/packet_pool.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace tapir {

namespace {
constexpr std::array<std::size_t, 3> kCapacities{PacketPool::header_capacity, PacketPool::frame_capacity, PacketPool::super_capacity};
/// How many free slabs of each size are kept: 256 KiB, 8 MiB and 16 MiB.
constexpr std::array<std::size_t, 3> kKept{1024, 4096, 256};

/// The first of kCapacities that is enough; their number when none is.
std::size_t class_of(std::size_t capacity) noexcept {
  const auto above = [capacity](std::size_t index) { return std::size_t{capacity > kCapacities[index]}; };
  static_assert(kCapacities.size() == 3);
  return above(0) + above(1) + above(2);
}
}  // namespace

namespace detail {

struct PoolState {
  std::array<Slab*, 3> free{};
  std::array<std::size_t, 3> free_count{};
  std::size_t in_use = 0;
  std::uint64_t allocations = 0;
  bool closed = false;  ///< the PacketPool is gone: slabs that return are freed
};

namespace {
void free_slab(Slab* slab) noexcept {
  slab->~Slab();
  ::operator delete(static_cast<void*>(slab));
}
}  // namespace

void return_slab(Slab* slab) noexcept {
  PoolState& pool = *slab->pool;
  --pool.in_use;
  const std::size_t index = slab->size_class;
  if (unlikely(pool.closed) || unlikely(index == kCapacities.size()) || unlikely(pool.free_count[index] == kKept[index])) {
    free_slab(slab);
  } else {
    slab->next_free = std::exchange(pool.free[index], slab);
    ++pool.free_count[index];
  }
  if (unlikely(pool.closed) && pool.in_use == 0) delete &pool;
}

}  // namespace detail

PacketPool::PacketPool() : state_{new detail::PoolState} {}

PacketPool::~PacketPool() {
  for (detail::Slab* slab : state_->free) {
    while (slab != nullptr) detail::free_slab(std::exchange(slab, slab->next_free));
  }
  state_->closed = true;
  if (state_->in_use == 0) delete state_;
}

SlabRef PacketPool::slab(std::size_t capacity) {
  const std::size_t index = class_of(capacity);
  ++state_->in_use;
  if (likely(index < kCapacities.size()) && likely(state_->free[index] != nullptr)) {
    --state_->free_count[index];
    return SlabRef{std::exchange(state_->free[index], state_->free[index]->next_free)};
  }
  const std::size_t rounded = index == kCapacities.size() ? capacity : kCapacities[index];
  ++state_->allocations;
  auto* slab = new (::operator new(sizeof(detail::Slab) + rounded)) detail::Slab;
  slab->capacity = static_cast<std::uint32_t>(rounded);
  slab->size_class = index;
  slab->pool = state_;
  return SlabRef{slab};
}

Slice PacketPool::copy(std::span<const std::byte> bytes) {
  SlabRef fresh = slab(bytes.size());
  if (!bytes.empty()) std::memcpy(fresh.bytes().data(), bytes.data(), bytes.size());
  return Slice{std::move(fresh), 0, bytes.size()};
}

Slice PacketPool::compact(Slice slice) {
  if (slice.pinned() <= 4 * slice.size() || slice.pinned() <= header_capacity) return slice;
  return copy(slice.bytes());
}

std::size_t PacketPool::in_use() const noexcept { return state_->in_use; }
std::uint64_t PacketPool::allocations() const noexcept { return state_->allocations; }

}  // namespace tapir
