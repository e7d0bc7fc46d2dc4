#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <tapir/core/error.hpp>

#include "error_number.hpp"

namespace tapir::posix::detail {

class Socket;

/// An option's value as getsockopt() hands it out.
class OptionValue {
 public:
  template <class T>
    requires(std::is_trivially_copyable_v<T> && !std::is_convertible_v<const T&, std::span<const std::byte>>)
  explicit OptionValue(const T& value) noexcept : OptionValue{std::as_bytes(std::span{&value, 1})} {
    is_int_ = std::is_same_v<T, int>;
  }
  explicit OptionValue(std::span<const std::byte> bytes) noexcept : size_{bytes.size() < kMost ? bytes.size() : kMost} {
    std::ranges::copy(bytes.first(size_), bytes_.begin());  // of no bytes there may be no address
  }
  /// It is handed out whole, or getsockopt() fails.
  [[nodiscard]] static OptionValue whole(std::uint64_t value) noexcept {
    OptionValue made{value};
    made.divisible_ = false;
    return made;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return std::span{bytes_}.first(size_); }
  /// Whether it is an int from 0 to 255.
  [[nodiscard]] bool fits_one_byte() const noexcept {
    int value = 0;
    if (!is_int_) return false;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    return value >= 0 && value <= UINT8_MAX;
  }
  /// Whether it is cut when there is little room.
  [[nodiscard]] bool divisible() const noexcept { return divisible_; }

 private:
  static constexpr std::size_t kMost = 512;  // struct tcp_info is the largest
  std::array<std::byte, kMost> bytes_{};
  std::size_t size_;
  bool divisible_ = true;
  bool is_int_ = false;
};

using OptionBytes = std::span<const std::byte>;

/// One row: an option of getsockopt() and setsockopt(). A missing function: ENOPROTOOPT.
struct Option {
  int level = 0;
  int name = 0;
  Result<OptionValue> (*get)(Socket& socket) = nullptr;
  Result<> (*set)(Socket& socket, OptionBytes value) = nullptr;
};

/// EINVAL for fewer bytes than an int has.
[[nodiscard]] inline Result<int> int_of(OptionBytes bytes) {
  int value = 0;
  if (bytes.size() < sizeof(value)) return error(EINVAL);
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}
/// Options of IPPROTO_IP also take one byte.
[[nodiscard]] inline Result<int> int_or_byte_of(OptionBytes bytes) {
  if (bytes.size() >= sizeof(int)) return int_of(bytes);
  if (bytes.empty()) return 0;
  return std::to_integer<int>(bytes[0]);
}

/// The rows for every socket, and those for streams and for datagrams alone.
[[nodiscard]] std::span<const Option> socket_level_options() noexcept;
[[nodiscard]] std::span<const Option> timestamp_options() noexcept;
[[nodiscard]] std::span<const Option> ip_level_options() noexcept;
[[nodiscard]] std::span<const Option> tcp_level_options() noexcept;
[[nodiscard]] std::span<const Option> udp_level_options() noexcept;

}  // namespace tapir::posix::detail
