#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <tapir/core/addresses.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/drop.hpp>
#include <tapir/core/error.hpp>
#include <tapir/mqtt/session.hpp>
#include <tapir/mqtt/transport.hpp>
#include <tapir/mqtt/types.hpp>

namespace tapir {
class Stack;
}

namespace tapir::mqtt {

/// When to connect again after a connection was lost or could not be made.
struct Reconnect {
  static constexpr Duration shortest_delay = std::chrono::milliseconds{10};  ///< a smaller min_delay is taken as this: no client may spin

  bool enabled = true;
  /// Before the first try; doubled for each further one up to max_delay. The delay used is a random one between the half of that and the
  /// whole. Doubling starts anew once the broker has acknowledged or sent something, or a connection has lasted for max_delay.
  Duration min_delay = std::chrono::seconds{1};
  Duration max_delay = std::chrono::seconds{60};
  bool after_refusal = false;  ///< also when the broker refused by CONNACK
};

/// What a Client is told at its construction.
struct ClientConfig {
  Endpoint broker = {};
  std::string client_id = {};           ///< may be empty with a clean session
  bool clean_session = true;            ///< false: messages of QoS 1 and 2 outlive the connection
  std::chrono::seconds keep_alive{60};  ///< 0-65535 s; 0: off
  std::optional<Will> will = {};
  std::optional<std::string> user_name = {};
  std::optional<std::string> password = {};             ///< needs a user name
  Duration connect_timeout = std::chrono::seconds{30};  ///< for opening the transport
  Reconnect reconnect = {};
  SessionLimits limits = {};
  ProtocolVersion version = ProtocolVersion::v3_1_1;
  Properties properties = {};  ///< 5.0: of CONNECT, see ConnectOptions
  /// 5.0: go on when the broker resumes a session of which nothing is known here, see ConnectOptions.
  bool accept_unknown_session = false;
  /// Where a session that is kept outlives the process; nullptr: nowhere. It outlives the client.
  ByteStore* store = nullptr;
  /// 5.0: what AUTH of the broker's (its authentication_data is in the event's properties) is answered with, in an enhanced authentication
  /// that authentication_method in `properties` begins (section 4.12). Empty: it is not answered, and the connection fails with
  /// connack_timeout.
  std::function<std::string(const event::Authentication&)> authenticate = {};
};

/// Why there is no connection, with the layer that failed.
struct Disconnection {
  std::error_code error = {};  ///< empty after disconnect()
  LayerId layer{};             ///< LayerId::tcp: the transport; LayerId::mqtt: the broker or the protocol
  std::string text = {};       ///< for people: "connection refused by 192.0.2.1:1883", "broker refused: bad user name or password"
  bool will_retry = false;
};

/// What comes of a message that is longer than SessionLimits::stream_above.
using StreamEvent = std::variant<event::MessageBegan, event::MessagePart, event::MessageEnded, event::MessageAborted>;

/// An MQTT client with callbacks, of version 3.1.1 unless its configuration names another. It connects by itself, also again after a
/// loss, and subscribes again when the broker has forgotten. Callbacks come from the scheduler, never from inside a call, each exactly
/// once unless the client is destroyed; they may call the client and may destroy it. Belongs to its stack's thread.
///
/// A client that was moved from is not connected and stays so: its calls fail with not_connected, and since it has no scheduler any
/// more their completions come at once, from inside the call.
class Client {
  class Core;

 public:
  using Completion = std::function<void(Result<>)>;
  using Granted = std::function<void(Result<QoS>)>;  ///< the quality of service that the broker grants
  using Handler = std::function<void(const Message&)>;

  /// One publish, subscribe or unsubscribe of a client, to be called off. Copies name the same one; none needs to be kept. The client's thread.
  class Operation {
   public:
    Operation() noexcept = default;
    /// Ends it: its completion comes with operation_canceled. False, without effect: it has completed, or its completion is on its way.
    ///
    /// A message that waits is taken out of the queue. One that was sent cannot be taken back: its packet identifier stays in use until the
    /// broker has answered, if need be on a later connection. A subscription ends as by unsubscribe(), unless another call for its filter
    /// waits. An unsubscribe that was sent is carried out.
    bool cancel() { return end(false); }
    /// The same, but false also as soon as something of it was sent: true means that the broker never sees it.
    bool withdraw() { return end(true); }

   private:
    friend class Core;
    enum class Kind : std::uint8_t { publish, subscribe, unsubscribe };
    Operation(std::weak_ptr<Core> core, Kind kind, std::uint64_t number) : core_{std::move(core)}, kind_{kind}, number_{number} {}
    bool end(bool only_unsent);

    std::weak_ptr<Core> core_;
    Kind kind_{};
    std::uint64_t number_ = 0;
  };

  /// Connects over TCP to `config.broker`. The stack outlives the client.
  Client(Stack& stack, ClientConfig config);
  /// Connects over a transport of any kind. The context outlives the client. Without a transport the configuration is invalid: see
  /// connect().
  Client(Context& context, std::unique_ptr<Transport> transport, ClientConfig config);
  Client(Client&&) noexcept = default;
  Client& operator=(Client&& other) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Disconnects in order as far as the transport takes the bytes at once; no callback follows.
  ~Client();

  /// Connects again after disconnect(), after a refusal, or when reconnecting is off. already_connected while connecting or connected;
  /// invalid_argument and the like for a configuration that CONNECT cannot carry, and without a transport.
  Result<> connect();
  /// Sends DISCONNECT and closes; `done` comes when the transport is closed. Whatever is unfinished fails with operation_canceled.
  void disconnect(Completion done = {});
  /// 5.0: the same with a reason that a client may give, such as disconnect_with_will, and properties: session_expiry_interval,
  /// reason_string, user_property. With what DISCONNECT cannot say (see Session::disconnect()) `done` fails and the connection stays.
  /// Without a connection there is nobody to tell.
  void disconnect(ReasonCode reason, Properties properties, Completion done = {});

  /// `done` with success means: QoS 0, the broker's TCP has acknowledged the bytes; QoS 1 and 2, the broker has taken the message over.
  /// Without connection messages queue, within the limits (no_buffer_space).
  Operation publish(std::string topic, Payload payload, QoS qos = QoS::at_most_once, Completion done = {});
  Operation publish(Message message, Completion done = {});

  /// Calls `handler` for messages that match `filter`, over all connections until unsubscribe(). Subscribing to the same filter again
  /// replaces its handler. An empty one leaves the messages to on_unmatched(). `done` comes at the first SUBACK of this call;
  /// subscription_refused removes the subscription.
  Operation subscribe(std::string filter, QoS qos, Handler handler, Granted done = {});
  /// The same with the options of 5.0.
  Operation subscribe(Subscription subscription, Handler handler, Granted done = {});
  /// 5.0: the same with properties of SUBSCRIBE: subscription_identifier, user_property.
  Operation subscribe(Subscription subscription, Properties properties, Handler handler, Granted done = {});
  /// `done` comes at UNSUBACK, in 5.0 with the reason why the broker goes on sending, if it says so.
  Operation unsubscribe(const std::string& filter, Completion done = {});
  /// 5.0: the same with properties of UNSUBSCRIBE: user_property.
  Operation unsubscribe(const std::string& filter, Properties properties, Completion done);

  /// Called at each CONNACK by which the broker accepts; `session_present`: it has kept this client's session (MQTT 3.1.1 section 3.2.2.2).
  void on_connected(std::function<void(bool session_present)> handler);
  /// Called when a connection has ended, also by disconnect(), and when none could be made. An empty handler: nobody is told.
  void on_disconnected(std::function<void(const Disconnection&)> handler);
  /// Messages that no subscription's handler is for, such as those of a session stored by the broker.
  void on_unmatched(Handler handler);
  /// Messages that are received in parts, whatever subscription they are for: with limits.stream_above.
  void on_stream(std::function<void(const StreamEvent&)> handler);

  /// Whether the broker has accepted by CONNACK and the connection still stands.
  [[nodiscard]] bool is_connected() const noexcept;
  /// The session, to look at; one that was never connected when the client was moved from.
  [[nodiscard]] const Session& session() const noexcept;
  /// Received packets that ended their connection: bad_header for one that cannot be read, protocol_violation, oversized.
  [[nodiscard]] const DropCounters& drops() const noexcept;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace tapir::mqtt
