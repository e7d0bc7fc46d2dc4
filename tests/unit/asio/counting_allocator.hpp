#pragma once

#include <cstddef>
#include <memory>

namespace tapir::test {

/// Counts the bytes that are allocated now, and all that ever were.
template <class T>
struct Counting {
  using value_type = T;
  std::ptrdiff_t* now;
  std::ptrdiff_t* ever;
  Counting(std::ptrdiff_t* live, std::ptrdiff_t* total) : now{live}, ever{total} {}
  template <class U>
  Counting(const Counting<U>& other) : now{other.now}, ever{other.ever} {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t count) {
    *now += static_cast<std::ptrdiff_t>(count * sizeof(T));
    *ever += static_cast<std::ptrdiff_t>(count * sizeof(T));
    return std::allocator<T>{}.allocate(count);
  }
  void deallocate(T* memory, std::size_t count) {
    *now -= static_cast<std::ptrdiff_t>(count * sizeof(T));
    std::allocator<T>{}.deallocate(memory, count);
  }
  bool operator==(const Counting&) const = default;
};

}  // namespace tapir::test
