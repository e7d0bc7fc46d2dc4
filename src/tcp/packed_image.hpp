#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace tapir::tcp {

/// The plain state of an object, byte for byte, as its parts are shown to it one after the other.
class ImageTaker {
 public:
  template <class Part>
  void operator()(const Part& part) {
    static_assert(std::is_trivially_copyable_v<Part>);
    const auto bytes = std::as_bytes(std::span{&part, 1});
    image_.insert(image_.end(), bytes.begin(), bytes.end());
    image_.resize((image_.size() + 3) / 4 * 4);
  }
  [[nodiscard]] const std::vector<std::byte>& image() const noexcept { return image_; }

 private:
  std::vector<std::byte> image_;
};

/// Puts an image back into the same parts, shown in the same order.
class ImageSetter {
 public:
  /// `image` must outlive this.
  explicit ImageSetter(std::span<const std::byte> image) noexcept : left_{image} {}

  template <class Part>
  void operator()(Part& part) {
    static_assert(std::is_trivially_copyable_v<Part>);
    std::ranges::copy(left_.first(sizeof(Part)), std::as_writable_bytes(std::span{&part, 1}).begin());
    left_ = left_.subspan((sizeof(Part) + 3) / 4 * 4);
  }

 private:
  std::span<const std::byte> left_;
};

/// What pack_image() made, in as much memory as it needs.
class PackedImage {
 public:
  PackedImage() noexcept = default;
  explicit PackedImage(std::span<const std::byte> bytes)
      : bytes_{std::make_unique_for_overwrite<std::byte[]>(bytes.size())}, size_{static_cast<std::uint32_t>(bytes.size())} {
    std::ranges::copy(bytes, bytes_.get());
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::uint32_t size_ = 0;
};

/// `image` in few bytes: what is as in `base` costs next to nothing, what comes again or lies near something before it costs little. Both have the same size, a
/// multiple of 4 bytes.
[[nodiscard]] std::vector<std::byte> pack_image(std::span<const std::byte> image, std::span<const std::byte> base);
/// The image that pack_image() made `packed` of, with the same `base`.
[[nodiscard]] std::vector<std::byte> unpack_image(std::span<const std::byte> packed, std::span<const std::byte> base);

}  // namespace tapir::tcp
