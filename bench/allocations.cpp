#include "allocations.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {
tapir::bench::Heap counted;  // one thread
}

namespace tapir::bench {
Heap heap() noexcept { return counted; }
}  // namespace tapir::bench

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc{};
  ++counted.allocations;
  counted.bytes += malloc_usable_size(memory) + sizeof(std::size_t);  // and malloc's own word
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  counted.bytes -= malloc_usable_size(memory) + sizeof(std::size_t);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
