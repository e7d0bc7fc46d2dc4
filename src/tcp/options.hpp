#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <new>
#include <optional>
#include <span>

#include <tapir/core/drop.hpp>
#include <tapir/core/reader.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "fast_open_cookie.hpp"
#include "user_timeout_value.hpp"

namespace tapir::tcp {

/// Option kinds (IANA "Transmission Control Protocol (TCP) Parameters").
enum class OptionKind : std::uint8_t {
  end_of_list = 0,
  no_operation = 1,
  mss = 2,
  window_scale = 3,
  sack_permitted = 4,
  sack = 5,
  timestamps = 8,
  user_timeout = 28,
  fast_open = 34,
  experimental = 254
};

/// TSval and TSecr (RFC 7323 section 3.2).
struct Timestamps {
  std::uint32_t value = 0;
  std::uint32_t echo_reply = 0;

  friend constexpr bool operator==(const Timestamps&, const Timestamps&) noexcept = default;
};

/// Octets [begin, end) that arrived out of order (RFC 2018 section 3).
struct SackBlock {
  SeqNum begin{};
  SeqNum end{};

  friend constexpr bool operator==(const SackBlock&, const SackBlock&) noexcept = default;
};

/// SACK blocks, at most four: what 40 bytes of options hold.
class SackBlocks {
 public:
  static constexpr std::size_t capacity = 4;

  constexpr SackBlocks() noexcept = default;

  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const SackBlock* begin() const noexcept { return blocks_.data(); }
  [[nodiscard]] constexpr const SackBlock* end() const noexcept { return blocks_.data() + size_; }
  [[nodiscard]] constexpr const SackBlock& operator[](std::size_t i) const noexcept { return blocks_[i]; }
  /// False, and nothing added, when it is full.
  constexpr bool push_back(SackBlock block) noexcept {
    if (size_ == capacity) return false;
    blocks_[size_++] = block;
    return true;
  }
  /// Keeps the first `count`.
  constexpr void truncate(std::size_t count) noexcept {
    if (count < size_) size_ = count;
  }

  friend constexpr bool operator==(const SackBlocks& a, const SackBlocks& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i)
      if (a.blocks_[i] != b.blocks_[i]) return false;
    return true;
  }

 private:
  std::array<SackBlock, capacity> blocks_{};
  std::size_t size_ = 0;
};

/// The options of one segment, known kinds only.
struct Options {
  std::optional<std::uint16_t> mss{};  ///< bytes of payload per segment that the sender of this option takes (RFC 9293 section 3.7.1)
  std::optional<std::uint8_t> window_scale{};      ///< shift count, 0-14 after parsing (RFC 7323 section 2.3)
  bool window_scale_too_large = false;             ///< it was above 14, and is taken as that
  bool sack_permitted = false;                     ///< RFC 2018 section 2
  std::optional<Timestamps> timestamps{};          ///< RFC 7323 section 3.2
  SackBlocks sack{};                               ///< RFC 2018 section 3, first block first
  std::optional<UserTimeoutValue> user_timeout{};  ///< RFC 5482 section 3.3
  std::optional<FastOpenOption> fast_open{};       ///< RFC 7413; one with a length that it cannot have counts as absent (section 4.1.1)

  friend constexpr bool operator==(const Options&, const Options&) noexcept = default;
};

/// Reads the options between the fixed header and the payload, aligned or not (MUST-64). Unknown kinds are skipped by their length (MUST-6),
/// what follows End-of-List is not looked at. Of an option that stands there twice the last counts. Drop::bad_option for an illegal length:
/// below 2, past the end, or not the one its kind has.
[[nodiscard]] std::expected<Options, Drop> parse_options(std::span<const std::byte> bytes) noexcept;
/// The same into `options`, in which nothing stands yet.
[[nodiscard]] Accepted read_options(std::span<const std::byte> bytes, Options& options) noexcept;

inline constexpr std::size_t kAlignedTimestampsSize = 12;  ///< bytes that the timestamps take in every segment, padding included
inline constexpr std::size_t kSackBlockSize = 8;

/// What nearly all segments carry and no more, in the layout of RFC 7323 appendix A: two times no operation, then the timestamps.
struct AlignedTimestamps {
  be32 layout;
  be32 value;
  be32 echo_reply;
};
static_assert(sizeof(AlignedTimestamps) == kAlignedTimestampsSize && alignof(AlignedTimestamps) == 1);
inline constexpr std::uint32_t kAlignedTimestampsLayout = 0x0101'080a;

/// Writes that into the first bytes of `into`.
inline void put_aligned(const Timestamps& timestamps, std::span<std::byte> into) noexcept {
  ::new (into.data()) AlignedTimestamps{kAlignedTimestampsLayout, timestamps.value, timestamps.echo_reply};
}

/// Bytes that a SACK option with these blocks takes, padding included.
[[nodiscard]] constexpr std::size_t encoded_size(const SackBlocks& blocks) noexcept {
  return blocks.empty() ? 0 : 4 + kSackBlockSize * blocks.size();
}
/// How many SACK blocks `bytes` of option space hold.
[[nodiscard]] constexpr std::size_t sack_blocks_in(std::size_t bytes) noexcept { return bytes < 4 ? 0 : (bytes - 4) / kSackBlockSize; }

/// Bytes that encode_options() writes: a multiple of 4.
[[nodiscard]] std::size_t encoded_size(const Options& options) noexcept;

/// Writes the options in the order and with the No-Operations that most stacks use (RFC 7323 appendix A): the values stand on 32-bit borders and the
/// list ends on one, so that no End-of-List is needed. Drop::truncated when `into` has no room for all of them; what it holds then is unspecified.
[[nodiscard]] std::expected<void, Drop> encode_options(const Options& options, Writer& into) noexcept;

}  // namespace tapir::tcp
