#include "echo_options.hpp"

#include <algorithm>
#include <cstring>

#include <tapir/core/reader.hpp>

namespace tapir::icmp {

namespace {

// Option types, RFC 791 section 3.1.
constexpr std::uint8_t kEnd = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kRecordRoute = 7;
constexpr std::uint8_t kTimestamp = 68;
constexpr std::uint8_t kLooseSourceRoute = 131;
constexpr std::uint8_t kStrictSourceRoute = 137;

constexpr std::size_t kAddress = 4;     ///< bytes of an address, and of a timestamp
constexpr std::size_t kFirstRoute = 3;  ///< where the addresses of a route start: after type, length and pointer
constexpr std::size_t kFirstStamp = 4;  ///< where timestamps start: after type, length, pointer, and overflow with flag

std::uint8_t octet(std::span<const std::byte> option, std::size_t at) noexcept { return std::to_integer<std::uint8_t>(option[at]); }

void put(std::span<std::byte> option, std::size_t at, std::uint32_t value) noexcept {
  const be32 wire{value};
  if (at <= option.size() && option.size() - at >= sizeof(wire)) std::memcpy(option.data() + at, &wire, sizeof(wire));
}

Ipv4Address address_at(std::span<const std::byte> option, std::size_t at) noexcept {
  return Reader{option.subspan(at)}.read<Ipv4Address>().value_or(Ipv4Address{});
}

/// The pointer counts octets from 1; moves it on by `count`.
void advance_pointer(std::span<std::byte> option, std::size_t count) noexcept {
  option[2] = static_cast<std::byte>(octet(option, 2) + count);
}

}  // namespace

EchoOptions::EchoOptions(std::span<const std::byte> received, Ipv4Address source, Ipv4Address own, std::uint32_t milliseconds) noexcept {
  received = received.first(std::min(received.size(), bytes_.size()));
  while (!received.empty() && octet(received, 0) != kEnd) {
    const std::uint8_t type = octet(received, 0);
    if (type == kNoOperation) {
      received = received.subspan(1);
      continue;
    }
    if (received.size() < 2) return;
    const std::size_t length = octet(received, 1);
    if (length < 2 || length > received.size()) return;
    const auto option = received.first(length);
    received = received.subspan(length);
    if (type == kRecordRoute) add_record_route(option, own);
    if (type == kTimestamp) add_timestamp(option, own, milliseconds);
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) add_reversed_route(option, source);
  }
}

std::span<std::byte> EchoOptions::add_copy(std::span<const std::byte> option) noexcept {
  // No option grows and each is taken once, so what came in 40 bytes fits into 40.
  const auto copy = std::span{bytes_}.subspan(size_, option.size());
  std::ranges::copy(option, copy.begin());
  size_ += option.size();
  return copy;
}

void EchoOptions::add_record_route(std::span<const std::byte> option, Ipv4Address own) noexcept {
  if (option.size() < kFirstRoute) return;
  const auto copy = add_copy(option);
  const std::size_t pointer = octet(copy, 2);
  if (pointer <= kFirstRoute || pointer - 1 + kAddress > copy.size()) return;  // full
  put(copy, pointer - 1, own.value());
  advance_pointer(copy, kAddress);
}

void EchoOptions::add_timestamp(std::span<const std::byte> option, Ipv4Address own, std::uint32_t milliseconds) noexcept {
  if (option.size() < kFirstStamp) return;
  const auto copy = add_copy(option);
  const std::size_t pointer = octet(copy, 2);
  const unsigned flag = octet(copy, 3) & 0xfU;
  const std::size_t entry = flag == 0 ? kAddress : 2 * kAddress;
  if (pointer <= kFirstStamp) return;
  if (pointer - 1 + entry > copy.size()) {
    const unsigned overflow = octet(copy, 3) >> 4U;
    if (flag != 3 && overflow < 15) copy[3] = static_cast<std::byte>((overflow + 1) << 4U | flag);
    return;
  }
  if (flag == 3 && address_at(copy, pointer - 1) != own) return;  // the next address of the list is another host's
  if (flag == 1) put(copy, pointer - 1, own.value());
  put(copy, pointer - 1 + entry - kAddress, milliseconds);
  advance_pointer(copy, entry);
}

/// RFC 1122 section 3.2.1.8 (c): the recorded addresses backwards, without the source host where it put itself at the beginning.
void EchoOptions::add_reversed_route(std::span<const std::byte> option, Ipv4Address source) noexcept {
  if (routed_ || option.size() < kFirstRoute + kAddress || octet(option, 2) <= option.size()) return;
  const std::size_t count = (option.size() - kFirstRoute) / kAddress;
  const std::size_t skipped = address_at(option, kFirstRoute) == source ? 1 : 0;
  if (count == skipped) return;
  routed_ = true;
  const auto copy = add_copy(option.first(kFirstRoute + (count - skipped) * kAddress));
  for (std::size_t i = 0; i < count - skipped; ++i) {
    put(copy, kFirstRoute + i * kAddress, address_at(option, kFirstRoute + (count - 1 - i) * kAddress).value());
  }
  copy[1] = static_cast<std::byte>(copy.size());
  copy[2] = std::byte{kFirstRoute + 1};
}

}  // namespace tapir::icmp
