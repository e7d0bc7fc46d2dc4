#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace tapir::tcp::detail {

/// An allocator whose memory is all zero. What lies between the members of an object, or in an empty optional, is otherwise what was there before: a
/// connection's image (PackedImage) would hold it, and be larger for it.
template <class T>
class ZeroedMemory {
 public:
  using value_type = T;

  ZeroedMemory() noexcept = default;
  template <class Other>
  explicit(false) ZeroedMemory(const ZeroedMemory<Other>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    void* const memory = ::operator new(count * sizeof(T));
    clear(memory, count * sizeof(T));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { ::operator delete(memory); }

  template <class Other>
  friend bool operator==(const ZeroedMemory&, const ZeroedMemory<Other>&) noexcept {
    return true;
  }

 private:
  /// For a compiler that looked into it, nothing would be left of what is written before a constructor runs.
  [[gnu::noinline]] static void clear(void* memory, std::size_t size) noexcept {
    std::memset(memory, 0, size);
    asm volatile("" : : "r"(memory) : "memory");
  }
};

/// As std::make_shared, in zeroed memory.
template <class T, class... Arguments>
[[nodiscard]] std::shared_ptr<T> make_zeroed(Arguments&&... arguments) {
  return std::allocate_shared<T>(ZeroedMemory<T>{}, std::forward<Arguments>(arguments)...);
}

}  // namespace tapir::tcp::detail
