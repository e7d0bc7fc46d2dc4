#pragma once

#include <string_view>

#include <tapir/core/error.hpp>
#include <tapir/network/network.hpp>

namespace tapir::network {

/// The error that a user's call fails with when an error of `kind` ended what it asked for.
[[nodiscard]] constexpr Error error_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::network_unreachable: return Error::network_unreachable;
    case ErrorKind::protocol_unreachable: return Error::protocol_unreachable;
    case ErrorKind::port_unreachable: return Error::connection_refused;
    case ErrorKind::fragmentation_needed: return Error::message_too_large;
    case ErrorKind::parameter_problem: return Error::not_supported;
    case ErrorKind::host_unreachable:
    case ErrorKind::source_route_failed:
    case ErrorKind::prohibited:
    case ErrorKind::ttl_exceeded:
    case ErrorKind::reassembly_time_exceeded:
    case ErrorKind::unresolved: return Error::host_unreachable;
  }
  return Error::host_unreachable;
}

/// "port unreachable"
[[nodiscard]] constexpr std::string_view name(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::network_unreachable: return "network unreachable";
    case ErrorKind::host_unreachable: return "host unreachable";
    case ErrorKind::protocol_unreachable: return "protocol unreachable";
    case ErrorKind::port_unreachable: return "port unreachable";
    case ErrorKind::fragmentation_needed: return "fragmentation needed";
    case ErrorKind::source_route_failed: return "source route failed";
    case ErrorKind::prohibited: return "communication prohibited";
    case ErrorKind::ttl_exceeded: return "time to live exceeded";
    case ErrorKind::reassembly_time_exceeded: return "reassembly time exceeded";
    case ErrorKind::parameter_problem: return "parameter problem";
    case ErrorKind::unresolved: return "no ARP answer";
  }
  return "unknown";
}

}  // namespace tapir::network
