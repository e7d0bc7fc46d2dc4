#include <tapir/core/packet_pool.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include <tapir/core/branch.hpp>

namespace tapir {

namespace {
/// Those that are kept for reuse. Behind them is the class of all that are larger.
constexpr std::array<std::size_t, 3> kCapacities{PacketPool::header_capacity, PacketPool::frame_capacity, PacketPool::super_capacity};
constexpr std::size_t kClasses = kCapacities.size() + 1;
/// How many free slabs of each class are kept: 256 KiB, 8 MiB and 16 MiB.
constexpr std::array<std::size_t, kClasses> kKept{1024, 4096, 256, 0};

/// The index of the first that is enough.
std::size_t class_of(std::size_t capacity) noexcept {
  const auto above = [capacity](std::size_t index) { return std::size_t{capacity > kCapacities[index]}; };
  static_assert(kCapacities.size() == 3);
  return above(0) + above(1) + above(2);
}
}  // namespace

namespace detail {

struct SizeClass {
  PoolState* pool = nullptr;
  Slab* free = nullptr;
  std::size_t free_count = 0;
  std::size_t most_free = 0;
};

struct PoolState {
  std::array<SizeClass, kClasses> classes{};
  std::size_t in_use = 0;
  std::uint64_t allocations = 0;
  bool closed = false;  ///< the PacketPool is gone: slabs that return are freed

  PoolState() noexcept {  // its classes refer to it: it stays where it is
    for (std::size_t i = 0; i < kClasses; ++i) classes[i] = {.pool = this, .most_free = kKept[i]};
  }
};

namespace {
void free_slab(Slab* slab) noexcept {
  slab->~Slab();
  ::operator delete(static_cast<void*>(slab));
}
}  // namespace

[[gnu::hot]] void return_slab(Slab* slab) noexcept {
  SizeClass& home = *slab->size_class;
  PoolState& pool = *home.pool;
  --pool.in_use;
  if (unlikely(pool.closed) || unlikely(home.free_count == home.most_free)) {
    free_slab(slab);
  } else {
    slab->next_free = std::exchange(home.free, slab);
    ++home.free_count;
  }
  if (unlikely(pool.closed) && pool.in_use == 0) delete &pool;
}

}  // namespace detail

PacketPool::PacketPool() : state_{new detail::PoolState} {}

PacketPool::~PacketPool() {
  for (detail::SizeClass& home : state_->classes) {
    while (home.free != nullptr) detail::free_slab(std::exchange(home.free, home.free->next_free));
  }
  state_->closed = true;
  if (state_->in_use == 0) delete state_;
}

[[gnu::hot]] SlabRef PacketPool::slab(std::size_t capacity) {
  const std::size_t index = class_of(capacity);
  detail::SizeClass& home = state_->classes[index];
  if (likely(home.free != nullptr)) {
    ++state_->in_use;
    --home.free_count;
    return SlabRef{std::exchange(home.free, home.free->next_free)};
  }
  const std::size_t rounded = index == kCapacities.size() ? capacity : kCapacities[index];
  auto* slab = new (::operator new(sizeof(detail::Slab) + rounded)) detail::Slab;
  slab->capacity = static_cast<std::uint32_t>(rounded);
  slab->size_class = &home;
  ++state_->in_use;
  ++state_->allocations;
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
