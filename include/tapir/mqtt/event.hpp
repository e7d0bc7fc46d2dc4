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
  Properties properties = {};    ///< 5.0: of CONNACK
};

/// The server refused the connection. Close the transport.
struct Refused {
  ConnectCode code{};                       ///< before 5.0
  std::error_code error;                    ///< the mqtt::Error for the code, or the reason
  ReasonCode reason = ReasonCode::success;  ///< 5.0
  Properties properties = {};               ///< 5.0: reason_string, server_reference (with use_another_server, server_moved), …
};

/// The connection is over. After an error, abort the transport; after disconnect(), close it when all output is written.
struct Disconnected {
  std::error_code error;                    ///< empty after disconnect()
  bool by_server = false;                   ///< 5.0: the server sent DISCONNECT, with …
  ReasonCode reason = ReasonCode::success;  ///< … this reason
  Properties properties = {};               ///< … and these: reason_string, server_reference, …
};

/// 5.0: AUTH came. With continue_authentication Session::authenticate() has to answer; with success a re-authentication is complete.
struct Authentication {
  ReasonCode reason{};
  Properties properties;  ///< authentication_data, …
};

/// An application message arrived, once for each time that its quality of service allows.
struct MessageReceived {
  Message message;
};

/// A message longer than SessionLimits::stream_above begins to arrive. Its parts follow, then MessageEnded or MessageAborted.
struct MessageBegan {
  Message message;       ///< without its payload
  std::size_t size = 0;  ///< of the payload, in bytes
};
/// The next bytes of the payload, as they came from the transport.
struct MessagePart {
  Payload bytes;
};
/// The message is complete, and will be acknowledged.
struct MessageEnded {};
/// The connection was lost before the message was complete; with QoS 1 and 2 it begins anew on the next one.
struct MessageAborted {};

/// A message with QoS 0 was put into the output.
struct Sent {
  Token token{};
  std::uint64_t output_end = 0;  ///< it ends before this byte of the connection's output: when the transport's peer has that, it arrived
};

/// A message with QoS 1 or 2 was acknowledged to the end.
struct Delivered {
  Token token{};
  ReasonCode reason = ReasonCode::success;  ///< 5.0: or no_matching_subscribers; of QoS 2 (PUBCOMP) packet_identifier_not_found: the server
                                            ///< had forgotten the identifier, and so had taken the message before
  Properties properties = {};               ///< 5.0
};

/// SUBACK arrived.
struct Subscribed {
  Token token{};
  std::vector<SubscribeCode> codes;  ///< one for each filter, in order
  Properties properties = {};        ///< 5.0
};

/// UNSUBACK arrived.
struct Unsubscribed {
  Token token{};
  std::vector<ReasonCode> codes = {};  ///< 5.0: one for each filter, in order
  Properties properties = {};          ///< 5.0
};

/// An operation ended without success.
struct Failed {
  Token token{};
  std::error_code error;       ///< mqtt::Error, tapir::Error, or in 5.0 the server's ReasonCode
  Properties properties = {};  ///< 5.0: of the acknowledgment that refused it
};

}  // namespace event

using Event = std::variant<event::Connected, event::Refused, event::Disconnected, event::Authentication, event::MessageReceived,
                           event::MessageBegan, event::MessagePart, event::MessageEnded, event::MessageAborted, event::Sent,
                           event::Delivered, event::Subscribed, event::Unsubscribed, event::Failed>;

}  // namespace tapir::mqtt
