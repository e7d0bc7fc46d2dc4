#pragma once

#include <system_error>

namespace tapir::websocket {

/// What a WebSocket can fail with. Errors of the transport below keep their own code.
enum class Error {
  closed_in_handshake = 1,  ///< the server closed the connection before it had answered
  not_http,                 ///< the answer is no HTTP response
  response_too_long,        ///< its head is longer than 16 KiB
  not_upgraded,             ///< status 101 without the Upgrade and Connection fields (RFC 6455 section 4.1)
  bad_accept,               ///< Sec-WebSocket-Accept does not follow from our key
  no_subprotocol,           ///< the server did not agree on the subprotocol
  unwanted_extension,       ///< the server uses an extension that nobody offered
  protocol_error,           ///< a frame breaks RFC 6455
  not_binary,               ///< a data frame that is not binary (MQTT 3.1.1 section 6)
  truncated,                ///< the stream ended without a Close frame
};

/// The category "websocket", for Error.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// An HTTP status other than 101: the server refused to upgrade.
[[nodiscard]] const std::error_category& status_category() noexcept;
/// The code of a Close frame that tells of a problem (RFC 6455 section 7.4), that is neither 1000 nor 1001 nor absent.
[[nodiscard]] const std::error_category& close_category() noexcept;
[[nodiscard]] std::error_code make_error_code(Error error) noexcept;

}  // namespace tapir::websocket

template <>
struct std::is_error_code_enum<tapir::websocket::Error> : std::true_type {};
