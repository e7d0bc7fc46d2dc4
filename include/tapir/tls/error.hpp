#pragma once

#include <system_error>

namespace tapir::tls {

/// What TLS itself can fail with. Errors of the transport below keep their own code.
enum class Error {
  closed_in_handshake = 1,  ///< the peer closed the connection before the handshake was complete
  truncated,                ///< the stream ended without close_notify: bytes at its end may be missing (RFC 8446 section 6.1)
  endless_handshake,        ///< the peer has said more than a handshake can have, and it is not complete
};

/// Kinds of failure, for comparison with the error codes of this layer: `error == tls::Failure::certificate_refused`.
enum class Failure {
  certificate_refused = 1,  ///< we do not trust the peer's certificate, or it is another's
  refused_by_peer,          ///< the peer ended it with an alert, such as "certificate required" or "unknown PSK identity"
  handshake_failed,         ///< any failure before the connection was secured, those above included
  broken_stream,            ///< later: a record that was changed on the way, a truncated stream, an alert
};

/// The category "tls", for Error.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// X509_V_ERR_… of OpenSSL: why a certificate was refused, in words.
[[nodiscard]] const std::error_category& certificate_category() noexcept;
/// What OpenSSL's error queue holds, packed as there; the handshake's and the stream's have a category each.
[[nodiscard]] const std::error_category& handshake_category() noexcept;
[[nodiscard]] const std::error_category& stream_category() noexcept;
[[nodiscard]] const std::error_category& failure_category() noexcept;

[[nodiscard]] std::error_code make_error_code(Error error) noexcept;
[[nodiscard]] std::error_condition make_error_condition(Failure failure) noexcept;

}  // namespace tapir::tls

template <>
struct std::is_error_code_enum<tapir::tls::Error> : std::true_type {};
template <>
struct std::is_error_condition_enum<tapir::tls::Failure> : std::true_type {};
