#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace tapir {

namespace detail {
/// Two moves of `Step` bytes, which may overlap, cover all sizes from one to two of them.
template <std::size_t Step>
inline void copy_ends(const std::byte* from, std::byte* to, std::size_t size) noexcept {
  std::array<std::byte, Step> first;
  std::array<std::byte, Step> last;
  std::memcpy(first.data(), from, Step);
  std::memcpy(last.data(), from + size - Step, Step);
  std::memcpy(to, first.data(), Step);
  std::memcpy(to + size - Step, last.data(), Step);
}
}  // namespace detail

/// Copies all of `from` to the start of `into`, which has room for it and is no part of it. As std::memcpy, whose call goes through a pointer: for the few
/// bytes of options, or of a sensor's reading, finding out where that leads takes longer than the copying. Not expanded in place: a
/// packet's way comes here several times.
[[gnu::noinline, gnu::hot]] inline void copy_bytes(std::span<const std::byte> from, std::span<std::byte> into) noexcept {
  const std::size_t size = from.size();
  std::byte* const to = into.data();
  const std::byte* const bytes = from.data();
  if (size > 32) [[unlikely]] {  // and if it is so, it takes longer than getting there
    std::memcpy(to, bytes, size);
  } else if (size >= 16) {
    detail::copy_ends<16>(bytes, to, size);
  } else if (size >= 8) {
    detail::copy_ends<8>(bytes, to, size);
  } else if (size >= 4) {
    detail::copy_ends<4>(bytes, to, size);
  } else if (size > 0) {
    to[0] = bytes[0];
    to[size / 2] = bytes[size / 2];
    to[size - 1] = bytes[size - 1];
  }
}

}  // namespace tapir
