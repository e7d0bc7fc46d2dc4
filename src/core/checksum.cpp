#include <tapir/core/checksum.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

#include <tapir/core/packet.hpp>

namespace tapir {

namespace {

/// The sum of `count` 32-bit words in the host's order. The compiler makes vector instructions of it.
[[gnu::always_inline]] inline std::uint64_t sum(const std::byte* from, std::size_t count) noexcept {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, from + i * sizeof(word), sizeof(word));
    total += word;
  }
  return total;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] std::uint64_t sum_with_avx2(const std::byte* from, std::size_t count) noexcept { return sum(from, count); }

std::uint64_t sum_longs(const std::byte* from, std::size_t count) noexcept {
  constexpr std::size_t kWorthIt = 32;
  if (count < kWorthIt) return sum(from, count);
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  return avx2 ? sum_with_avx2(from, count) : sum(from, count);
}
#else
std::uint64_t sum_longs(const std::byte* from, std::size_t count) noexcept { return sum(from, count); }
#endif

}  // namespace

void InternetChecksum::add(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return;
  if (odd_) {
    sum_ += std::to_integer<std::uint16_t>(bytes.front());
    bytes = bytes.subspan(1);
    odd_ = false;
  }
  // The sum does not depend on byte order (RFC 1071 section 2 (B)): add host-order words, swap the folded result once.
  const std::size_t whole = bytes.size() / sizeof(std::uint32_t);
  std::uint64_t native = sum_longs(bytes.data(), whole);
  bytes = bytes.subspan(whole * sizeof(std::uint32_t));
  if (bytes.size() >= sizeof(std::uint16_t)) {
    std::uint16_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    native += word;
    bytes = bytes.subspan(sizeof(word));
  }
  while (native >> 16U != 0) native = (native & 0xffffU) + (native >> 16U);
  auto folded = static_cast<std::uint16_t>(native);
  if constexpr (std::endian::native == std::endian::little) {
    folded = static_cast<std::uint16_t>(folded << 8U | folded >> 8U);
  }
  sum_ += folded;
  if (!bytes.empty()) {
    sum_ += static_cast<std::uint64_t>(bytes.front()) << 8U;
    odd_ = true;
  }
}

std::uint16_t InternetChecksum::folded() const noexcept {
  std::uint64_t sum = sum_;
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(sum);
}

void add_packet(InternetChecksum& sum, const Packet& packet, std::size_t offset) noexcept {
  packet.for_each_chunk([&](std::span<const std::byte> chunk) {
    const std::size_t skip = std::min(offset, chunk.size());
    offset -= skip;
    sum.add(chunk.subspan(skip));
  });
}

}  // namespace tapir
