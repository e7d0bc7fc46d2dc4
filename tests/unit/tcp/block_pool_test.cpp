// Where the memory of connections comes from: several in one allocation, which goes back.

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "tcp/block_pool.hpp"
#include "tcp/zeroed_memory.hpp"

using namespace tapir;
using tcp::BlockPool;

TEST_CASE("blocks do not overlap, are aligned, and their memory goes back when none is in use", "[tcp]") {
  constexpr std::size_t kSize = 100;
  std::mt19937 random{7};
  BlockPool pool{kSize, GENERATE(1UL, 5UL, 64UL)};
  REQUIRE(pool.block_size() >= kSize);
  std::vector<std::pair<std::byte*, std::byte>> taken;
  std::size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bool grows = i % 4000 < 2000 ? random() % 4 > 0 : random() % 4 == 0;
    if (grows || taken.empty()) {
      auto* const block = static_cast<std::byte*>(pool.allocate());
      REQUIRE(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t) == 0);
      taken.emplace_back(block, static_cast<std::byte>(random()));
      std::memset(block, std::to_integer<int>(taken.back().second), kSize);
    } else {
      std::swap(taken[random() % taken.size()], taken.back());
      const auto [block, mark] = taken.back();
      REQUIRE(std::all_of(block, block + kSize, [mark](std::byte byte) { return byte == mark; }));
      BlockPool::deallocate(block);
      taken.pop_back();
    }
    most = std::max(most, taken.size());
  }
  CHECK(most > 500);
  for (const auto& [block, mark] : taken) BlockPool::deallocate(block);
  CHECK(pool.free_blocks() == 0);
}

TEST_CASE("a pool with few blocks in use has few free ones", "[tcp]") {
  BlockPool pool{100, 64};
  std::vector<void*> taken;
  for (std::size_t count = 1; count <= 1000; ++count) {
    taken.push_back(pool.allocate());
    CHECK(pool.free_blocks() < std::min<std::size_t>(count, 64));
  }
  while (!taken.empty()) {
    BlockPool::deallocate(taken.back());
    taken.pop_back();
    CHECK(pool.free_blocks() <= std::max<std::size_t>(taken.size(), 63) + 64);
  }
  CHECK(pool.free_blocks() == 0);
}

TEST_CASE("while others are in use, one that comes and goes takes the same memory", "[tcp]") {
  BlockPool pool{100, 64};
  void* const stays = pool.allocate();
  void* const first = pool.allocate();
  BlockPool::deallocate(first);
  CHECK(pool.free_blocks() == 1);
  CHECK(pool.allocate() == first);
  BlockPool::deallocate(first);
  BlockPool::deallocate(stays);
  CHECK(pool.free_blocks() == 0);
}

TEST_CASE("what is in use outlives its pool", "[tcp]") {
  auto pool = std::make_unique<BlockPool>(sizeof(int), GENERATE(1UL, 64UL));
  int* const one = new (pool->allocate()) int{1};
  int* const other = new (pool->allocate()) int{2};
  pool.reset();
  CHECK(*one == 1);
  CHECK(*other == 2);
  BlockPool::deallocate(other);
  CHECK(*one == 1);
  BlockPool::deallocate(one);
}

TEST_CASE("a block that is used again is zero", "[tcp]") {
  constexpr std::size_t kSize = 48;
  BlockPool pool{kSize, 64};
  void* const other = pool.allocate();  // so that the memory stays in the pool
  void* const first = tcp::zeroed_block(pool, kSize);
  std::memset(first, 0xff, kSize);
  BlockPool::deallocate(first);
  void* const again = tcp::zeroed_block(pool, kSize);
  CHECK(std::ranges::all_of(std::span{static_cast<const std::byte*>(again), kSize}, [](std::byte byte) { return byte == std::byte{}; }));
  BlockPool::deallocate(again);
  BlockPool::deallocate(other);
}
