#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tapir {

/// A strong type with one unsigned integer inside, such as Port or Ipv4Address.
template <class T>
concept StrongInteger = requires(const T& strong) {
  typename T::wire_type;
  requires std::unsigned_integral<typename T::wire_type>;
  { strong.value() } -> std::same_as<typename T::wire_type>;
  requires std::constructible_from<T, typename T::wire_type>;
};

/// What may stand in a wire header: an unsigned integer, an enum over one, or a strong integer.
template <class T>
concept WireValue = std::unsigned_integral<T> || std::is_enum_v<T> || StrongInteger<T>;

namespace detail {
template <class T>
struct WireInteger {
  using type = T;
};
template <class T>
  requires std::is_enum_v<T>
struct WireInteger<T> {
  using type = std::underlying_type_t<T>;
};
template <StrongInteger T>
struct WireInteger<T> {
  using type = typename T::wire_type;
};
}  // namespace detail

/// A value as it stands on the wire, most significant octet first (RFC 791 appendix B). Alignment 1, so that a struct
/// of these is exactly the header's wire image. It converts to and from the host's value; no call site swaps bytes.
template <WireValue T>
class BigEndian {
 public:
  using Integer = typename detail::WireInteger<T>::type;

  constexpr BigEndian() noexcept = default;
  constexpr BigEndian(T value) noexcept  // NOLINT(google-explicit-constructor): a header field is assigned its value
      : octets_{std::bit_cast<Octets>(swapped(to_integer(value)))} {}

  /// The value in the host's terms.
  [[nodiscard]] constexpr T get() const noexcept {
    return T(swapped(std::bit_cast<Integer>(octets_)));  // NOLINT(clang-analyzer-optin.core.EnumCastOutOfRange): a peer may send any value
  }
  constexpr operator T() const noexcept { return get(); }  // NOLINT(google-explicit-constructor)

 private:
  using Octets = std::array<std::uint8_t, sizeof(Integer)>;
  static constexpr Integer to_integer(T value) noexcept {
    if constexpr (StrongInteger<T>) {
      return value.value();
    } else {
      return static_cast<Integer>(value);
    }
  }
  /// Between the host's order and the network's: one instruction, where a loop over the octets would be one or more for each.
  static constexpr Integer swapped(Integer integer) noexcept {
    if constexpr (std::endian::native == std::endian::little) return std::byteswap(integer);
    return integer;
  }
  Octets octets_{};
};

using be8 = BigEndian<std::uint8_t>;
using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

static_assert(sizeof(be16) == 2 && alignof(be16) == 1);
static_assert(sizeof(be32) == 4 && alignof(be32) == 1);

}  // namespace tapir
