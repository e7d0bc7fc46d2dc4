#pragma once

#include <algorithm>
#include <cstdint>

namespace tapir::tcp {

/// IW in bytes for segments of `mss` bytes, `segments` of them where that is not too much: RFC 6928 section 2.
[[nodiscard]] constexpr std::uint32_t initial_window(std::uint32_t segments, std::uint32_t mss) noexcept {
  constexpr std::uint32_t kMostBytes = 14600;
  return std::min(segments * mss, std::max(2 * mss, kMostBytes));
}

}  // namespace tapir::tcp
