// The count alone: what they hold, malloc would have to be asked for twice for each, which is a hundredth of what a short connection costs.

#include <cstdlib>
#include <new>

#include "../allocations.hpp"

namespace {
std::uint64_t made = 0;  // one thread
}

namespace tapir::bench {
std::uint64_t allocations() noexcept { return made; }
}  // namespace tapir::bench

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc{};
  ++made;
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
