#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tapir/core/error.hpp>

namespace tapir::mqtt {

/// Bytes that are read when they are sent, so that a long message is never held whole. One thread.
class PayloadSource {
 public:
  virtual ~PayloadSource() = default;
  /// Reads bytes of the payload from `offset` on and says how many: at least one before its end. May be asked for the same bytes again,
  /// when a message of QoS 1 or 2 has to be sent again.
  [[nodiscard]] virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) = 0;
};

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

  /// `size` bytes that come from `source`; bytes() and text() are empty.
  Payload(std::shared_ptr<PayloadSource> source, std::size_t size) noexcept : source_{std::move(source)}, source_size_{size} {}

  /// nullptr, or where the bytes have to be read from.
  [[nodiscard]] const std::shared_ptr<PayloadSource>& source() const noexcept { return source_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};  // char may alias anything
  }
  [[nodiscard]] std::size_t size() const noexcept { return source_ != nullptr ? source_size_ : bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  friend bool operator==(const Payload& a, const Payload& b) noexcept {
    return a.source_ == b.source_ && a.size() == b.size() && std::ranges::equal(a.bytes_, b.bytes_);
  }

 private:
  std::shared_ptr<const std::vector<std::byte>> owner_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<PayloadSource> source_;
  std::size_t source_size_ = 0;
};

}  // namespace tapir::mqtt
