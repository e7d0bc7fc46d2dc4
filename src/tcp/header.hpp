#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tapir/core/addresses.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/core/drop.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// The control bits (RFC 9293 section 3.1; ECE and CWR: RFC 3168 section 6.1).
enum class Flags : std::uint8_t {
  none = 0,
  fin = 0x01,
  syn = 0x02,
  rst = 0x04,
  psh = 0x08,
  ack = 0x10,
  urg = 0x20,
  ece = 0x40,
  cwr = 0x80,
};
[[nodiscard]] constexpr Flags operator|(Flags a, Flags b) noexcept {
  return std::bit_cast<Flags>(static_cast<std::uint8_t>(static_cast<unsigned>(a) | static_cast<unsigned>(b)));
}
[[nodiscard]] constexpr Flags operator&(Flags a, Flags b) noexcept {
  return std::bit_cast<Flags>(static_cast<std::uint8_t>(static_cast<unsigned>(a) & static_cast<unsigned>(b)));
}
[[nodiscard]] constexpr Flags operator~(Flags a) noexcept {
  return std::bit_cast<Flags>(static_cast<std::uint8_t>(~static_cast<unsigned>(a) & 0xffU));
}
constexpr Flags& operator|=(Flags& a, Flags b) noexcept { return a = a | b; }
constexpr Flags& operator&=(Flags& a, Flags b) noexcept { return a = a & b; }
/// Whether any of `wanted` is set.
[[nodiscard]] constexpr bool has(Flags flags, Flags wanted) noexcept { return (flags & wanted) != Flags::none; }
/// "SYN, ACK"; "none" without a bit.
[[nodiscard]] std::string to_string(Flags flags);

/// Wire image of the fixed part (RFC 9293 section 3.1); up to 40 bytes of options follow it.
struct Header {
  BigEndian<Port> source_port{};
  BigEndian<Port> destination_port{};
  BigEndian<SeqNum> sequence{};
  BigEndian<SeqNum> acknowledgment{};
  be8 offset_and_reserved{};  ///< data offset in the high four bits; the reserved ones are sent as zero and ignored
  BigEndian<Flags> flags{};
  be16 window{};
  be16 checksum{};
  be16 urgent_pointer{};

  /// Header and options in bytes as the data offset says: 0 to 60.
  [[nodiscard]] constexpr std::size_t header_size() const noexcept { return static_cast<std::size_t>(offset_and_reserved.get() >> 4U) * 4; }
  /// `size` is a multiple of 4 from 20 to 60.
  constexpr void set_header_size(std::size_t size) noexcept { offset_and_reserved = static_cast<std::uint8_t>((size / 4) << 4U); }
};
static_assert(sizeof(Header) == 20 && alignof(Header) == 1);

inline constexpr std::size_t kMaxHeaderSize = 60;   ///< bytes: the data offset counts to 15
inline constexpr std::size_t kMaxOptionsSize = 40;  ///< bytes
inline constexpr std::size_t kChecksumOffset = 16;  ///< where Header::checksum stands, in bytes

/// What a received segment says, in the terms of RFC 9293 section 3.3.1 (SEG.SEQ, SEG.ACK, ...).
struct Segment {
  SeqNum seq{};
  SeqNum ack{};  ///< meaningful with Flags::ack
  Flags flags = Flags::none;
  std::uint32_t window = 0;  ///< bytes: the header's field, scaled where that is agreed on
  std::uint16_t urgent = 0;  ///< SEG.UP; meaningful with Flags::urg
  std::uint32_t payload_size = 0;

  [[nodiscard]] constexpr bool has(Flags wanted) const noexcept { return tcp::has(flags, wanted); }
  /// SEG.LEN: octets of sequence space, SYN and FIN counted.
  [[nodiscard]] constexpr std::uint32_t seg_len() const noexcept {
    return payload_size + (has(Flags::syn) ? 1U : 0U) + (has(Flags::fin) ? 1U : 0U);
  }
  /// Where the payload starts: behind the SYN, if there is one.
  [[nodiscard]] constexpr SeqNum payload_begin() const noexcept { return seq + (has(Flags::syn) ? 1U : 0U); }
  /// One past the last octet of sequence space.
  [[nodiscard]] constexpr SeqNum end() const noexcept { return seq + seg_len(); }
};

/// Checks the data offset against the `segment_size` bytes that carry the header: Drop::bad_header below 5 words, Drop::bad_length past the end. What the header
/// says goes into `segment`, in which nothing stands yet.
[[nodiscard]] Accepted parse(const Header& header, std::size_t segment_size, Segment& segment) noexcept;

}  // namespace tapir::tcp
