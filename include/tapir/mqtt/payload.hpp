#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tapir::mqtt {

/// The bytes of an application message: immutable, shared by its copies, so that a copy costs no memory. One thread.
class Payload {
 public:
  Payload() noexcept = default;
  /// Copies the bytes.
  explicit Payload(std::span<const std::byte> bytes) : Payload{std::vector<std::byte>{bytes.begin(), bytes.end()}} {}
  /// Copies the characters. Implicit, for text is the usual payload.
  Payload(std::string_view text) : Payload{std::as_bytes(std::span{text})} {}  // NOLINT(google-explicit-constructor)
  Payload(const char* text) : Payload{std::string_view{text}} {}               // NOLINT(google-explicit-constructor)
  /// Takes the bytes over.
  explicit Payload(std::vector<std::byte>&& bytes) {
    if (bytes.empty()) return;
    auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    bytes_ = *owner;
    owner_ = std::move(owner);
  }
  /// Shares a part of `owner`'s bytes.
  Payload(std::shared_ptr<const std::vector<std::byte>> owner, std::span<const std::byte> part) noexcept
      : owner_{std::move(owner)}, bytes_{part} {}

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};  // char may alias anything
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

  friend bool operator==(const Payload& a, const Payload& b) noexcept { return std::ranges::equal(a.bytes_, b.bytes_); }

 private:
  std::shared_ptr<const std::vector<std::byte>> owner_;
  std::span<const std::byte> bytes_;
};

}  // namespace tapir::mqtt
