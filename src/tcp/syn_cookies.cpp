#include "syn_cookies.hpp"

#include <algorithm>

namespace tapir::tcp {

namespace {
constexpr std::chrono::seconds kPeriod{64};
constexpr std::uint64_t kLongestAge = 2;  // periods: all retransmissions of our SYN,ACK that matter come earlier
constexpr std::uint32_t kPeriodShift = 27;
constexpr std::uint32_t kSizeShift = 24;
constexpr std::uint32_t kSealMask = 0xff'ffffU;
/// Segment sizes of common paths; the largest that does not exceed the peer's counts.
constexpr std::array<std::uint16_t, 8> kSizes{48, 536, 1220, 1360, 1440, 1460, 4312, 8960};

constexpr std::uint32_t kNoScale = 0x0fU;  // of the four bits for the shift count, which is at most 14
constexpr std::uint32_t kSackBit = 1U << 4U;
constexpr std::uint32_t kEcnBit = 1U << 5U;
constexpr std::uint32_t kOptionMask = 0x3fU;

struct Sealed {
  IpAddress::Octets local_address;
  IpAddress::Octets remote_address;
  BigEndian<Port> local_port;
  BigEndian<Port> remote_port;
  BigEndian<SeqNum> irs;
  be32 period;
  be32 size_index;
};
static_assert(sizeof(Sealed) == 2 * sizeof(IpAddress::Octets) + 16 && alignof(Sealed) == 1);

std::uint64_t period_of(TimePoint now) noexcept { return static_cast<std::uint64_t>(now.time_since_epoch() / kPeriod); }
}  // namespace

std::uint32_t SynCookies::seal(const FourTuple& tuple, SeqNum irs, std::uint64_t period, std::uint32_t size_index) const noexcept {
  const Sealed sealed{.local_address = tuple.local.address.octets(),
                      .remote_address = tuple.remote.address.octets(),
                      .local_port = tuple.local.port,
                      .remote_port = tuple.remote.port,
                      .irs = irs,
                      .period = static_cast<std::uint32_t>(period),
                      .size_index = size_index};
  return static_cast<std::uint32_t>(siphash(key_, std::as_bytes(std::span{&sealed, 1}))) & kSealMask;
}

SeqNum SynCookies::make(const FourTuple& tuple, SeqNum irs, std::uint16_t mss, TimePoint now) const noexcept {
  const auto above = std::ranges::upper_bound(kSizes, mss);
  const auto index = static_cast<std::uint32_t>(above == kSizes.begin() ? 0 : above - kSizes.begin() - 1);
  const std::uint64_t period = period_of(now);
  const auto period_bits = static_cast<std::uint32_t>(period << kPeriodShift);
  return SeqNum{period_bits | (index << kSizeShift) | seal(tuple, irs, period, index)};
}

std::optional<std::uint16_t> SynCookies::check(const FourTuple& tuple, SeqNum irs, SeqNum cookie, TimePoint now) const noexcept {
  const std::uint64_t present = period_of(now);
  const std::uint32_t age = (static_cast<std::uint32_t>(present) - (cookie.value() >> kPeriodShift)) & 0x1fU;
  if (age > kLongestAge || age > present) return std::nullopt;
  const std::uint32_t index = (cookie.value() >> kSizeShift) & 0x7U;
  if ((cookie.value() & kSealMask) != seal(tuple, irs, present - age, index)) return std::nullopt;
  return kSizes[index];
}

std::uint32_t CookieOptions::stamp(std::uint32_t now) const noexcept {
  std::uint32_t bits = window_scale ? std::min<std::uint32_t>(*window_scale, 14) : kNoScale;
  if (sack) bits |= kSackBit;
  if (ecn) bits |= kEcnBit;
  const std::uint32_t low = now & kOptionMask;
  return now - low + bits - (bits > low ? kOptionMask + 1 : 0);
}

CookieOptions CookieOptions::from(std::uint32_t echo_reply) noexcept {
  CookieOptions options{.sack = (echo_reply & kSackBit) != 0, .ecn = (echo_reply & kEcnBit) != 0};
  const std::uint32_t scale = echo_reply & kNoScale;
  if (scale != kNoScale) options.window_scale = static_cast<std::uint8_t>(scale);
  return options;
}

}  // namespace tapir::tcp
