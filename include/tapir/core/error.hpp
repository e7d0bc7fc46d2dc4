#pragma once

#include <expected>
#include <system_error>

namespace tapir {

/// What a call of the user's can fail with. Each maps to the std::errc of the same meaning, so that
/// `error == std::errc::connection_refused` holds for errors of ours and of the system's alike.
enum class Error {
  would_block = 1,        ///< nothing can be done now; the matching event says when
  connection_refused,     ///< the peer answered with RST, or its host with ICMP port unreachable
  connection_reset,       ///< the peer sent RST on an established connection
  connection_aborted,     ///< aborted on our side
  connection_closed,      ///< the sending direction was closed already
  not_connected,          ///< the operation needs a connection
  already_connected,      ///< the handle has a connection already
  host_unreachable,       ///< no ARP answer, or ICMP host unreachable
  network_unreachable,    ///< no route, or ICMP network unreachable
  protocol_unreachable,   ///< ICMP protocol unreachable
  timed_out,              ///< the peer stayed silent for longer than allowed
  message_too_large,      ///< larger than the datagram or the link can carry
  no_buffer_space,        ///< a bounded queue or table is full
  address_in_use,         ///< the local endpoint is taken
  address_not_available,  ///< not an address of this host, or no free port
  invalid_argument,       ///< a parameter outside its documented range
  permission_denied,      ///< the system or an option forbids it
  no_such_device,         ///< the link does not exist
  not_supported,          ///< not available in this configuration
  operation_canceled,     ///< withdrawn by the caller
};

/// The category "tapir" of std::error_code.
[[nodiscard]] const std::error_category& error_category() noexcept;
[[nodiscard]] std::error_code make_error_code(Error error) noexcept;

/// The outcome of a call that can fail. Nothing in tapir throws for a run-time condition.
template <class T = void>
using Result = std::expected<T, std::error_code>;

/// Shorthand for returning a failure: `return fail(Error::timed_out);`
[[nodiscard]] inline std::unexpected<std::error_code> fail(std::error_code error) noexcept { return std::unexpected{error}; }

}  // namespace tapir

template <>
struct std::is_error_code_enum<tapir::Error> : std::true_type {};
