#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/siphash.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "four_tuple.hpp"

namespace tapir::tcp {

/// Initial sequence numbers that stand for a half-open connection of which nothing is kept (RFC 4987 section 3.6): the peer's ACK brings back all there is
/// to know. Five bits of time, three bits that name a segment size, 24 bits that only the holder of the key can make.
class SynCookies {
 public:
  /// No cookie is accepted after this.
  static constexpr Duration kLongestLife = std::chrono::seconds{3 * 64};

  /// The key never leaves this object.
  explicit SynCookies(const SipKey& key) noexcept : key_{key} {}

  /// The number for a SYN,ACK to a SYN with number `irs` whose sender takes segments of `mss` bytes; 536 without the option.
  [[nodiscard]] SeqNum make(const FourTuple& tuple, SeqNum irs, std::uint16_t mss, TimePoint now) const noexcept;
  /// What make() was told of the segment size, rounded down to one of eight, when `cookie` was made for these ends and `irs` not more than two to
  /// three minutes ago; empty for any other number.
  [[nodiscard]] std::optional<std::uint16_t> check(const FourTuple& tuple, SeqNum irs, SeqNum cookie, TimePoint now) const noexcept;

 private:
  [[nodiscard]] std::uint32_t seal(const FourTuple& tuple, SeqNum irs, std::uint64_t period, std::uint32_t size_index) const noexcept;

  SipKey key_;
};

/// What the SYN's options agreed on, as the low six bits of a TSval carry it to the peer and back.
struct CookieOptions {
  std::optional<std::uint8_t> window_scale{};  ///< the peer's, 0-14
  bool sack = false;
  bool ecn = false;

  /// The latest TSval not after `now` that says this.
  [[nodiscard]] std::uint32_t stamp(std::uint32_t now) const noexcept;
  /// What the TSval that comes back as `echo_reply` says.
  [[nodiscard]] static CookieOptions from(std::uint32_t echo_reply) noexcept;
  friend bool operator==(const CookieOptions&, const CookieOptions&) noexcept = default;
};

}  // namespace tapir::tcp
