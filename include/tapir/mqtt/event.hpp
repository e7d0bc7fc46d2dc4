#pragma once

#include <cstdint>
#include <system_error>
#include <variant>
#include <vector>

#include <tapir/mqtt/control_packet.hpp>

namespace tapir::mqtt {

/// Names one publish, subscribe or unsubscribe of a session from the call to its outcome. Never used twice.
enum class Token : std::uint64_t {};

/// What happens in a Session, in order.
namespace event {

/// The server accepted the connection.
struct Connected {
  bool session_present = false;  ///< the server had this client's session stored
};

/// The server refused the connection. Close the transport.
struct Refused {
  ConnectCode code{};
  std::error_code error;  ///< the mqtt::Error for the code
};

/// The connection is over. After an error, abort the transport; after disconnect(), close it when all output is written.
struct Disconnected {
  std::error_code error;  ///< empty after disconnect()
};

/// An application message arrived, once for each time that its quality of service allows.
struct MessageReceived {
  Message message;
};

/// A message with QoS 0 was put into the output.
struct Sent {
  Token token{};
  std::uint64_t output_end = 0;  ///< it ends before this byte of the connection's output: when the transport's peer has that, it arrived
};

/// A message with QoS 1 or 2 was acknowledged to the end.
struct Delivered {
  Token token{};
};

/// SUBACK arrived.
struct Subscribed {
  Token token{};
  std::vector<SubscribeCode> codes;  ///< one for each filter, in order
};

/// UNSUBACK arrived.
struct Unsubscribed {
  Token token{};
};

/// An operation ended without success.
struct Failed {
  Token token{};
  std::error_code error;
};

}  // namespace event

using Event = std::variant<event::Connected, event::Refused, event::Disconnected, event::MessageReceived, event::Sent, event::Delivered,
                           event::Subscribed, event::Unsubscribed, event::Failed>;

}  // namespace tapir::mqtt
