#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tapir::tcp {

/// A Fast Open cookie (RFC 7413 section 4.1.1), opaque to the client: 4 to 16 bytes, an even number; none in a request for one.
class FastOpenCookie {
 public:
  static constexpr std::size_t kMinSize = 4;
  static constexpr std::size_t kMaxSize = 16;

  constexpr FastOpenCookie() noexcept = default;
  /// Empty for a length that no cookie has.
  [[nodiscard]] static constexpr std::optional<FastOpenCookie> from(std::span<const std::byte> bytes) noexcept {
    if (!bytes.empty() && (bytes.size() < kMinSize || bytes.size() > kMaxSize || bytes.size() % 2 != 0)) return std::nullopt;
    FastOpenCookie cookie;
    std::ranges::copy(bytes, cookie.bytes_.begin());
    cookie.size_ = static_cast<std::uint8_t>(bytes.size());
    return cookie;
  }

  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr std::span<const std::byte> bytes() const noexcept { return std::span{bytes_}.first(size_); }

  friend constexpr bool operator==(const FastOpenCookie&, const FastOpenCookie&) noexcept = default;

 private:
  std::array<std::byte, kMaxSize> bytes_{};  ///< those behind size_ are zero
  std::uint8_t size_ = 0;
};

/// The Fast Open option of a SYN or SYN,ACK: a request when the cookie is empty.
struct FastOpenOption {
  FastOpenCookie cookie{};
  bool experimental = false;  ///< kind 254 with the magic of RFC 7413 section 4.1.1, from before kind 34 was assigned

  friend constexpr bool operator==(const FastOpenOption&, const FastOpenOption&) noexcept = default;
};

}  // namespace tapir::tcp
