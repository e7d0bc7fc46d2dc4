#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

/// How much Linux takes of a write (tcp_sendmsg(), sk_stream_memory_free(), tcp_sndbuf_expand()): it fills chunks that become super-segments. A chunk begins
/// while the limits have room, and is filled whatever they say then; and the limit covers what the kernel's own bookkeeping takes. All sizes in bytes.
namespace tapir::tcp::chunks {

inline constexpr std::size_t kOverhead = 1280;  ///< of a chunk: an empty buffer and its descriptor

/// A chunk: what a super-segment may carry, at most half of the largest window that the peer has offered, in whole segments.
[[nodiscard]] constexpr std::uint32_t size(std::uint32_t mss, std::uint32_t max_window) noexcept {
  constexpr std::uint32_t most = 65535 - 320;  // a super-segment less the room for its headers
  constexpr std::uint32_t small = 536;         // a window no larger than this is not halved
  const std::uint32_t half = max_window > small ? max_window / 2 : max_window;
  const std::uint32_t bytes = half == 0 ? most : std::min(half, most);
  return std::max(bytes / mss, 1U) * mss;
}

/// What `queued` bytes count against the limit.
[[nodiscard]] constexpr std::size_t charge(std::size_t queued, std::uint32_t chunk) noexcept {
  return queued + (queued + chunk - 1) / chunk * kOverhead;
}

/// A send buffer for twice `segments` segments of `mss` bytes.
[[nodiscard]] constexpr std::size_t buffer_for(std::uint64_t segments, std::uint32_t mss) noexcept {
  constexpr std::uint32_t headers = 320 + 320;  // room for the headers, and the end of a buffer
  constexpr std::size_t descriptor = 256;
  return 2 * segments * (std::bit_ceil(mss + headers) + descriptor);
}

struct Decision {
  std::size_t queued = 0;          ///< written and not acknowledged
  std::size_t limit = 0;           ///< of the send buffer
  std::uint32_t waiting = 0;       ///< not sent, what may leave at once not counted
  std::uint32_t not_sent_low = 0;  ///< while more waits no chunk begins
  std::uint32_t tail = 0;          ///< in the last chunk, which is not sent yet; 0: there is none that more may be added to
  std::uint32_t chunk = 1;
};

/// How many bytes of a write are taken now; 0: none.
[[nodiscard]] constexpr std::size_t room(const Decision& d) noexcept {
  if (d.tail > 0 && d.tail < d.chunk) return d.chunk - d.tail;
  return charge(d.queued, d.chunk) < d.limit && d.waiting < d.not_sent_low ? d.chunk : 0;
}

/// Whether it is worth waking a writer: a third of the buffer is free, and less than half of what may wait does.
[[nodiscard]] constexpr bool worth_writing(const Decision& d) noexcept {
  const std::size_t used = charge(d.queued, d.chunk);
  return used < d.limit && d.limit - used >= used / 2 && 2 * std::uint64_t{d.waiting} < d.not_sent_low;
}

}  // namespace tapir::tcp::chunks
