#pragma once

#include <cstdint>
#include <iosfwd>

namespace tapir::tcp {

/// A TCP sequence number. All arithmetic is modulo 2^32 (RFC 9293 section 3.4). On the wire: BigEndian<SeqNum>.
///
/// `a < b` means that a comes before b on the shorter way round the circle. It is meant for numbers less than 2^31 apart, which windows
/// guarantee; it is no strict weak ordering, so a SeqNum is no key of a std::map: sort by the distance from a common base instead.
class SeqNum {
 public:
  using wire_type = std::uint32_t;

  constexpr SeqNum() noexcept = default;
  constexpr explicit SeqNum(std::uint32_t value) noexcept : value_{value} {}
  [[nodiscard]] constexpr std::uint32_t value() const noexcept { return value_; }

  constexpr SeqNum& operator+=(std::uint32_t count) noexcept {
    value_ += count;
    return *this;
  }
  constexpr SeqNum& operator-=(std::uint32_t count) noexcept {
    value_ -= count;
    return *this;
  }
  constexpr SeqNum& operator++() noexcept { return *this += 1; }

  friend constexpr SeqNum operator+(SeqNum number, std::uint32_t count) noexcept { return number += count; }
  friend constexpr SeqNum operator-(SeqNum number, std::uint32_t count) noexcept { return number -= count; }
  /// The signed distance from `b` to `a`: negative when a comes before b.
  friend constexpr std::int32_t operator-(SeqNum a, SeqNum b) noexcept { return static_cast<std::int32_t>(a.value_ - b.value_); }

  friend constexpr bool operator==(SeqNum, SeqNum) noexcept = default;
  friend constexpr bool operator<(SeqNum a, SeqNum b) noexcept { return a - b < 0; }
  friend constexpr bool operator<=(SeqNum a, SeqNum b) noexcept { return a - b <= 0; }
  friend constexpr bool operator>(SeqNum a, SeqNum b) noexcept { return b < a; }
  friend constexpr bool operator>=(SeqNum a, SeqNum b) noexcept { return b <= a; }

 private:
  std::uint32_t value_ = 0;
};

/// How many octets lie from `from` up to `to`, counted forward: 0 to 2^32 - 1.
[[nodiscard]] constexpr std::uint32_t distance(SeqNum from, SeqNum to) noexcept { return to.value() - from.value(); }

/// Whether `number` is one of the `size` octets from `begin` on. Holds for every size, also one above 2^31.
[[nodiscard]] constexpr bool in_range(SeqNum number, SeqNum begin, std::uint32_t size) noexcept { return distance(begin, number) < size; }

[[nodiscard]] constexpr SeqNum earlier(SeqNum a, SeqNum b) noexcept { return b < a ? b : a; }
[[nodiscard]] constexpr SeqNum later(SeqNum a, SeqNum b) noexcept { return a < b ? b : a; }

std::ostream& operator<<(std::ostream& out, SeqNum number);

}  // namespace tapir::tcp
