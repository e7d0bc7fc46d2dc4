#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/drop.hpp>

namespace tapir {

/// Reads the variable parts of headers (options, MQTT, DHCP) front to back. Every read is checked against the end and returns
/// Drop::truncated instead of going past it; nothing is consumed by a failed read. Does not own the bytes.
class Reader {
 public:
  constexpr explicit Reader(std::span<const std::byte> bytes) noexcept : bytes_{bytes} {}

  [[nodiscard]] constexpr std::size_t remaining() const noexcept { return bytes_.size(); }
  [[nodiscard]] constexpr bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] constexpr std::span<const std::byte> rest() const noexcept { return bytes_; }

  /// The next value in network byte order.
  template <WireValue T>
  [[nodiscard]] constexpr std::expected<T, Drop> read() noexcept {
    using Integer = typename BigEndian<T>::Integer;
    if (bytes_.size() < sizeof(Integer)) return std::unexpected{Drop::truncated};
    Integer integer = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      if constexpr (sizeof(Integer) > 1) integer = static_cast<Integer>(integer << 8U);
      integer = static_cast<Integer>(integer | std::to_integer<std::uint8_t>(bytes_[i]));
    }
    bytes_ = bytes_.subspan(sizeof(Integer));
    return T(integer);
  }
  [[nodiscard]] constexpr auto u8() noexcept { return read<std::uint8_t>(); }
  [[nodiscard]] constexpr auto u16() noexcept { return read<std::uint16_t>(); }
  [[nodiscard]] constexpr auto u32() noexcept { return read<std::uint32_t>(); }

  /// The next `count` bytes, a view into what was given at construction.
  [[nodiscard]] constexpr std::expected<std::span<const std::byte>, Drop> take(std::size_t count) noexcept {
    if (bytes_.size() < count) return std::unexpected{Drop::truncated};
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }

 private:
  std::span<const std::byte> bytes_;
};

/// Writes the variable parts of headers into a buffer of fixed size. A write that does not fit returns Drop::truncated and changes
/// nothing. Does not own the bytes.
class Writer {
 public:
  constexpr explicit Writer(std::span<std::byte> bytes) noexcept : bytes_{bytes} {}

  [[nodiscard]] constexpr std::size_t written() const noexcept { return written_; }
  [[nodiscard]] constexpr std::size_t remaining() const noexcept { return bytes_.size() - written_; }

  /// Appends a value in network byte order.
  template <WireValue T>
  constexpr std::expected<void, Drop> write(T value) noexcept {
    using Integer = typename BigEndian<T>::Integer;
    if (remaining() < sizeof(Integer)) return std::unexpected{Drop::truncated};
    auto integer = static_cast<std::uint64_t>(integer_of(value));
    for (std::size_t i = sizeof(Integer); i-- > 0;) {
      bytes_[written_ + i] = static_cast<std::byte>(integer & 0xffU);
      integer >>= 8U;
    }
    written_ += sizeof(Integer);
    return {};
  }
  /// Appends bytes as they are.
  constexpr std::expected<void, Drop> write(std::span<const std::byte> bytes) noexcept {
    if (remaining() < bytes.size()) return std::unexpected{Drop::truncated};
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(written_));
    written_ += bytes.size();
    return {};
  }

 private:
  template <WireValue T>
  static constexpr auto integer_of(T value) noexcept {
    if constexpr (StrongInteger<T>) {
      return value.value();
    } else {
      return static_cast<typename BigEndian<T>::Integer>(value);
    }
  }
  std::span<std::byte> bytes_;
  std::size_t written_ = 0;
};

}  // namespace tapir
