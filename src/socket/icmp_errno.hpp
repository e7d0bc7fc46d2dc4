#pragma once

#include <cerrno>
#include <cstdint>

#include <tapir/network/network.hpp>

namespace tapir::posix::detail {

/// How Linux tells a program of an ICMP error: the errno, and whether it fails a connected socket that has not asked for errors (man 7 icmp, RFC 1122 section 4.1.3.3).
struct IcmpErrno {
  int number = 0;
  bool fatal = false;
};

/// Whether Linux tells programs of the message at all: a destination is unreachable for one of 16 reasons, and what it was too late to put together is
/// nobody's affair.
[[nodiscard]] bool is_icmp_error(std::uint8_t type, std::uint8_t code) noexcept;
[[nodiscard]] IcmpErrno icmp_errno(network::ErrorKind kind, std::uint8_t type, std::uint8_t code) noexcept;

}  // namespace tapir::posix::detail
