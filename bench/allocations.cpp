#include "allocations.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {
// One thread.
std::uint64_t made = 0;
std::size_t held = 0;
}  // namespace

namespace tapir::bench {
std::uint64_t allocations() noexcept { return made; }
std::size_t heap_bytes() noexcept { return held; }
}  // namespace tapir::bench

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc{};
  ++made;
  held += malloc_usable_size(memory) + sizeof(std::size_t);  // and malloc's own word
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  held -= malloc_usable_size(memory) + sizeof(std::size_t);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
