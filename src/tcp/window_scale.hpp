#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tapir::tcp {

inline constexpr std::uint8_t kMaxWindowShift = 14;         // RFC 7323 section 2.3
inline constexpr std::uint32_t kMaxUnscaledWindow = 65535;  ///< bytes: what the header's field can say

/// The smallest shift by which the field can offer `largest` bytes: it must serve the largest buffer that the connection may ever have, for it cannot be
/// changed after the SYN.
[[nodiscard]] constexpr std::uint8_t window_shift_for(std::size_t largest) noexcept {
  std::uint8_t shift = 0;
  while (shift < kMaxWindowShift && (std::size_t{kMaxUnscaledWindow} << shift) < largest) ++shift;
  return shift;
}

/// The largest window that can be offered with this shift, in bytes.
[[nodiscard]] constexpr std::uint32_t max_window(std::uint8_t shift) noexcept { return kMaxUnscaledWindow << shift; }

/// The window of `offered` bytes that a segment is to say, in what its field can express. It is rounded up as far as the buffer's `room` goes, so that
/// the edge does not go back. Where there is no room it is rounded down: what was offered before is still accepted (RFC 7323 section 2.4).
[[nodiscard]] constexpr std::uint32_t expressible_window(std::uint32_t offered, std::size_t room, std::uint8_t shift) noexcept {
  const std::uint32_t limited = std::min(offered, max_window(shift));
  const std::uint32_t unit = 1U << shift;
  const std::uint32_t up = (limited + unit - 1) / unit * unit;
  return up <= room ? std::min(up, max_window(shift)) : limited;
}

}  // namespace tapir::tcp
