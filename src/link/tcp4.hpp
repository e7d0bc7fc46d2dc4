#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <tapir/core/byte_order.hpp>

namespace tapir::link::tcp4 {

// Where the fields lie, in bytes from each header's start (RFC 791 section 3.1, RFC 9293 section 3.1): a link cuts and joins segments of TCP over IPv4 and
// knows no more of the two.
inline constexpr std::size_t kIpTotalLength = 2;
inline constexpr std::size_t kIpIdentification = 4;
inline constexpr std::size_t kIpFragmentation = 6;
inline constexpr std::size_t kIpProtocol = 9;
inline constexpr std::size_t kIpChecksum = 10;
inline constexpr std::size_t kIpSource = 12;
inline constexpr std::size_t kTcpSequence = 4;
inline constexpr std::size_t kTcpAcknowledgment = 8;
inline constexpr std::size_t kTcpDataOffset = 12;
inline constexpr std::size_t kTcpFlags = 13;
inline constexpr std::size_t kTcpWindow = 14;
inline constexpr std::size_t kTcpChecksum = 16;
inline constexpr std::size_t kTcpUrgent = 18;
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kCwr = 0x80;
inline constexpr std::uint8_t kProtocol = 6;  ///< TCP's number
inline constexpr std::size_t kIpHeader = 20;  ///< without options
inline constexpr std::size_t kTcpHeader = 20;

template <class T>
void put(std::span<std::byte> at, std::size_t offset, T value) {
  const BigEndian<T> wire{value};
  std::memcpy(at.data() + offset, &wire, sizeof(wire));
}
template <class T>
T get(std::span<const std::byte> at, std::size_t offset) {
  BigEndian<T> wire;
  std::memcpy(&wire, at.data() + offset, sizeof(wire));
  return wire;
}

}  // namespace tapir::link::tcp4
