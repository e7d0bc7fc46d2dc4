#include "icmp_errno.hpp"

#include <array>

namespace tapir::posix::detail {

namespace {
constexpr std::uint8_t kDestinationUnreachable = 3;
constexpr std::uint8_t kTimeExceeded = 11;
constexpr std::uint8_t kInTransit = 0;
constexpr std::uint8_t kParameterProblem = 12;

/// By code of a destination unreachable message (RFC 792, RFC 1122 section 3.2.2.1).
constexpr std::array<IcmpErrno, 16> kUnreachable{{
    {ENETUNREACH, false},   // net unreachable
    {EHOSTUNREACH, false},  // host unreachable
    {ENOPROTOOPT, true},    // protocol unreachable
    {ECONNREFUSED, true},   // port unreachable
    {EMSGSIZE, false},      // fragmentation needed
    {EOPNOTSUPP, false},    // source route failed
    {ENETUNREACH, true},    // destination network unknown
    {EHOSTDOWN, true},      // destination host unknown
    {ENONET, true},         // source host isolated
    {ENETUNREACH, true},    // network prohibited
    {EHOSTUNREACH, true},   // host prohibited
    {ENETUNREACH, false},   // network unreachable for type of service
    {EHOSTUNREACH, false},  // host unreachable for type of service
    {EHOSTUNREACH, true},   // communication prohibited
    {EHOSTUNREACH, true},   // precedence violation
    {EHOSTUNREACH, true},   // precedence cutoff
}};
}  // namespace

bool is_icmp_error(std::uint8_t type, std::uint8_t code) noexcept {
  if (type == kDestinationUnreachable) return code < kUnreachable.size();
  return type != kTimeExceeded || code == kInTransit;
}

IcmpErrno icmp_errno(network::ErrorKind kind, std::uint8_t type, std::uint8_t code) noexcept {
  if (kind == network::ErrorKind::unresolved) return {EHOSTUNREACH, false};
  if (type == kDestinationUnreachable && code < kUnreachable.size()) return kUnreachable[code];
  if (type == kParameterProblem) return {EPROTO, true};
  return {EHOSTUNREACH, false};
}

}  // namespace tapir::posix::detail
