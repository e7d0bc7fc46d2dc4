#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

namespace tapir::tcp {

inline constexpr std::size_t kLargestImage = 4096;  ///< bytes: some more than a connection's

/// Bytes of an image that a part takes: whole words.
template <class Part>
inline constexpr std::size_t kImageSize = (sizeof(Part) + 3) / 4 * 4;

/// The plain state of an object, byte for byte, as its parts are shown to it one after the other.
class ImageTaker {
 public:
  template <class Part>
  void operator()(const Part& part) {
    static_assert(std::is_trivially_copyable_v<Part>);
    assert(kImageSize<Part> <= image_.size() - size_);
    std::byte* const at = image_.data() + size_;
    std::memcpy(at, &part, sizeof(Part));
    if constexpr (kImageSize<Part> > sizeof(Part)) std::memset(at + sizeof(Part), 0, kImageSize<Part> - sizeof(Part));
    size_ += kImageSize<Part>;
  }
  [[nodiscard]] std::span<const std::byte> image() const noexcept { return std::span{image_}.first(size_); }

 private:
  std::array<std::byte, kLargestImage> image_;
  std::size_t size_ = 0;
};

/// Puts an image back into the same parts, shown in the same order.
class ImageSetter {
 public:
  /// `image` must outlive this.
  explicit ImageSetter(std::span<const std::byte> image) noexcept : left_{image} {}

  template <class Part>
  void operator()(Part& part) {
    static_assert(std::is_trivially_copyable_v<Part>);
    assert(kImageSize<Part> <= left_.size());
    std::memcpy(static_cast<void*>(&part), left_.data(), sizeof(Part));
    left_ = left_.subspan(kImageSize<Part>);
  }

 private:
  std::span<const std::byte> left_;
};

/// An image in few bytes, as pack_image() makes it.
class PackedImage {
 public:
  /// These instead of what it held. Its memory stays where another allocation would save nothing: connections that sleep and wake by turns do not stir the heap.
  void assign(std::span<const std::byte> bytes) {
    Sizes sizes = this->sizes();
    if (memory_ == nullptr || bytes.size() > sizes.room || bytes.size() + kSpare < sizes.room) {
      memory_ = std::make_unique_for_overwrite<std::byte[]>(sizeof(Sizes) + bytes.size());
      sizes.room = static_cast<std::uint16_t>(bytes.size());
    }
    sizes.used = static_cast<std::uint16_t>(bytes.size());
    std::memcpy(memory_.get(), &sizes, sizeof(sizes));
    std::ranges::copy(bytes, memory_.get() + sizeof(sizes));
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return memory_ == nullptr ? std::span<const std::byte>{} : std::span{memory_.get() + sizeof(Sizes), sizes().used};
  }
  /// It is unpacked soon.
  void announce() const noexcept { __builtin_prefetch(memory_.get()); }

 private:
  struct Sizes {
    std::uint16_t used = 0;
    std::uint16_t room = 0;
  };
  static constexpr std::size_t kSpare = 8;

  [[nodiscard]] Sizes sizes() const noexcept {
    Sizes sizes;
    if (memory_ != nullptr) std::memcpy(&sizes, memory_.get(), sizeof(sizes));
    return sizes;
  }

  std::unique_ptr<std::byte[]> memory_;  ///< the sizes, and the bytes: one pointer in each of many idle connections
};

/// Puts `image` into `packed`, in few bytes: what is as in `base` costs next to nothing, what comes again or lies near something before it costs little. Image and
/// base have the same size, a multiple of 4 bytes, kLargestImage at most.
void pack_image(std::span<const std::byte> image, std::span<const std::byte> base, PackedImage& packed);
/// The way back: `image`, which is a copy of the base, becomes what pack_image() was given.
void unpack_image(const PackedImage& packed, std::span<std::byte> image) noexcept;

}  // namespace tapir::tcp
