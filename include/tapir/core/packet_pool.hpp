#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace tapir {

class PacketPool;

namespace detail {
struct PoolState;
struct SizeClass;

/// The front of one allocation; its bytes follow. The reference count is not atomic: a pool and its slabs belong to one thread.
struct Slab {
  std::uint32_t references = 0;
  std::uint32_t capacity = 0;       ///< bytes
  SizeClass* size_class = nullptr;  ///< where it returns to
  Slab* next_free = nullptr;

  [[nodiscard]] std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};
void return_slab(Slab* slab) noexcept;
}  // namespace detail

/// A counted reference to a slab of bytes. Copying it shares the bytes.
class SlabRef {
 public:
  constexpr SlabRef() noexcept = default;
  explicit SlabRef(detail::Slab* slab) noexcept : slab_{slab} {
    if (slab_ != nullptr) ++slab_->references;
  }
  SlabRef(const SlabRef& other) noexcept : SlabRef{other.slab_} {}
  SlabRef(SlabRef&& other) noexcept : slab_{std::exchange(other.slab_, nullptr)} {}
  SlabRef& operator=(SlabRef other) noexcept {
    std::swap(slab_, other.slab_);
    return *this;
  }
  ~SlabRef() {
    if (slab_ == nullptr) [[likely]]
      return;  // most of those that end have been moved from
    if (--slab_->references == 0) detail::return_slab(slab_);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return slab_ != nullptr; }
  [[nodiscard]] bool unique() const noexcept { return slab_ != nullptr && slab_->references == 1; }
  /// Another reference has it, too.
  [[nodiscard]] bool shared() const noexcept { return slab_ != nullptr && slab_->references > 1; }
  void reset() noexcept { *this = SlabRef{}; }
  /// Bytes the slab can hold; 0 without a slab.
  [[nodiscard]] std::size_t capacity() const noexcept { return slab_ == nullptr ? 0 : slab_->capacity; }
  /// All its bytes; write only what no other reference reads.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept {
    if (slab_ == nullptr) [[unlikely]]
      return {};
    return {slab_->bytes(), slab_->capacity};
  }

 private:
  detail::Slab* slab_ = nullptr;
};

/// A run of bytes inside a slab that it keeps alive.
class Slice {
 public:
  Slice() noexcept = default;
  /// `size` bytes from `begin`; both are cut to the slab's capacity.
  Slice(SlabRef slab, std::size_t begin, std::size_t size) noexcept
      : slab_{std::move(slab)},
        begin_{static_cast<std::uint32_t>(std::min(begin, slab_.capacity()))},
        size_{static_cast<std::uint32_t>(std::min(size, slab_.capacity() - begin_))} {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return slab_.bytes().subspan(begin_, size_); }
  [[nodiscard]] const SlabRef& slab() const noexcept { return slab_; }
  /// Where it begins in the slab, in bytes.
  [[nodiscard]] std::size_t begin() const noexcept { return begin_; }
  /// Bytes of memory that this slice keeps alive.
  [[nodiscard]] std::size_t pinned() const noexcept { return slab_.capacity(); }
  /// `size` bytes from `offset`, cut to what there is.
  [[nodiscard]] Slice sub(std::size_t offset, std::size_t size) const noexcept {
    const std::size_t from = offset < size_ ? offset : size_;
    return Slice{slab_, begin_ + from, size < size_ - from ? size : size_ - from};
  }
  void trim_front(std::size_t count) noexcept {
    const auto cut = static_cast<std::uint32_t>(count < size_ ? count : size_);
    begin_ += cut;
    size_ -= cut;
  }
  /// Takes in the `count` bytes behind it, which are the slab's.
  void extend(std::size_t count) noexcept { size_ += static_cast<std::uint32_t>(count); }
  void truncate(std::size_t size) noexcept {
    if (size < size_) size_ = static_cast<std::uint32_t>(size);
  }

 private:
  SlabRef slab_;
  std::uint32_t begin_ = 0;
  std::uint32_t size_ = 0;
};

/// Where slabs come from and return to. Freed slabs are kept for reuse up to a bound, so that a steady state allocates nothing.
/// One thread; slabs may outlive the pool.
class PacketPool {
 public:
  /// The three sizes kept for reuse, in bytes: headers of a segment, one frame, one super-segment.
  static constexpr std::size_t header_capacity = 256;
  static constexpr std::size_t frame_capacity = 2048;
  static constexpr std::size_t super_capacity = 65536 + 256;

  PacketPool();
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  /// A slab of at least `capacity` bytes with unspecified contents, uniquely owned.
  [[nodiscard]] SlabRef slab(std::size_t capacity);
  /// A slice that holds a copy of `bytes`.
  [[nodiscard]] Slice copy(std::span<const std::byte> bytes);
  /// `slice` itself, or a copy when it pins more than four times its size: for queues that keep slices for long.
  [[nodiscard]] Slice compact(Slice slice);

  /// Slabs in use now.
  [[nodiscard]] std::size_t in_use() const noexcept;
  /// Heap allocations made so far.
  [[nodiscard]] std::uint64_t allocations() const noexcept;

 private:
  detail::PoolState* state_;  ///< deletes itself when the pool is gone and the last slab is back
};

}  // namespace tapir
