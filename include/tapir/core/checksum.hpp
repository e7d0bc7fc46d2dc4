#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace tapir {

class Packet;

/// The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words. Bytes may be added in pieces
/// of any length, odd ones too; the sum goes on where the last piece ended.
class InternetChecksum {
 public:
  /// Adds bytes as they stand on the wire.
  void add(std::span<const std::byte> bytes) noexcept;
  /// Adds one 16-bit word, given in the host's terms. Only between pieces of even length.
  void add_word(std::uint16_t word) noexcept { sum_ += word; }
  /// Adds a 32-bit value as two words.
  void add_long(std::uint32_t value) noexcept { sum_ += (value >> 16U) + (value & 0xffffU); }

  /// The sum folded to 16 bits, not complemented: what a pseudo-header leaves in the field for a link to complete.
  [[nodiscard]] std::uint16_t folded() const noexcept;
  /// The checksum as it goes into the header. 0 when the bytes added include a correct checksum.
  [[nodiscard]] std::uint16_t value() const noexcept { return static_cast<std::uint16_t>(~folded()); }

 private:
  std::uint64_t sum_ = 0;
  bool odd_ = false;  ///< the last piece ended in the middle of a word
};

/// The Internet checksum (RFC 1071) over a header of fixed size as it stands on the wire: 0 when it includes a correct one. Its few words stay in registers.
template <class Header>
  requires(std::is_trivially_copyable_v<Header> && sizeof(Header) % sizeof(std::uint32_t) == 0)
[[nodiscard]] inline std::uint16_t checksum_of(const Header& header) noexcept {
  const auto bytes = std::as_bytes(std::span{&header, 1});
  std::uint64_t sum = 0;
  std::size_t at = 0;
  for (std::uint64_t words = 0; at + sizeof(words) <= sizeof(Header); at += sizeof(words)) {
    std::memcpy(&words, bytes.data() + at, sizeof(words));
    sum += (words & 0xffff'ffffU) + (words >> 32U);
  }
  if (std::uint32_t word = 0; at < sizeof(Header)) {
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    sum += word;
  }
  sum = (sum & 0xffff'ffffU) + (sum >> 32U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  auto folded = static_cast<std::uint16_t>(sum + (sum >> 16U));
  // The sum does not depend on byte order (RFC 1071 section 2 (B)): the result is swapped once.
  if constexpr (std::endian::native == std::endian::little) folded = std::byteswap(folded);
  return static_cast<std::uint16_t>(~folded);
}

/// The sum over `packet` from `offset` bytes after its front to its end, added to `sum`.
void add_packet(InternetChecksum& sum, const Packet& packet, std::size_t offset = 0) noexcept;

/// RFC 1624 equation 3: the checksum after one 16-bit word changed from `before` to `after`.
[[nodiscard]] constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) noexcept {
  std::uint32_t sum = static_cast<std::uint16_t>(~checksum);
  sum += static_cast<std::uint16_t>(~before);
  sum += after;
  sum = (sum & 0xffffU) + (sum >> 16U);
  sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace tapir
