#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <tapir/core/error.hpp>
#include <tapir/core/random.hpp>
#include <tapir/websocket/websocket_transport.hpp>

namespace tapir::websocket {

/// Sec-WebSocket-Key: 16 random bytes in base64.
[[nodiscard]] std::string make_key(Random& random);
/// The Sec-WebSocket-Accept that answers the key (RFC 6455 section 4.2.2, step 5.4).
[[nodiscard]] std::string accept_for(std::string_view key);
/// Whether a request can carry the configuration: no control characters, no spaces, a path that begins with '/'.
[[nodiscard]] bool is_valid(const ClientConfig& config);
[[nodiscard]] std::string request_for(const ClientConfig& config, std::string_view key);
/// How long the response's head is; 0: it is not complete yet. Error::response_too_long.
[[nodiscard]] Result<std::size_t> head_size(std::string_view received);
/// What RFC 6455 section 4.1 has a client check in the head of the response.
[[nodiscard]] Result<> check_response(std::string_view head, std::string_view key, std::string_view subprotocol);

}  // namespace tapir::websocket
