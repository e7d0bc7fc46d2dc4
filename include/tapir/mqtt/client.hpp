#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <tapir/core/addresses.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/drop.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/observer.hpp>
#include <tapir/mqtt/server_reference.hpp>
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
  /// Also when the broker refused by CONNACK. What passes by itself is tried again in any case: server_unavailable (in every version),
  /// server_busy, quota_exceeded, connection_rate_exceeded.
  bool after_refusal = false;
};

/// What comes of it when a broker of 5.0 names another server, by use_another_server or server_moved in CONNACK or DISCONNECT (section 4.11).
struct Redirection {
  /// How many of them are followed in a row, until a broker has acknowledged or sent something, a connection has lasted for
  /// Reconnect::max_delay, or the client has waited as after a loss. 0: none is, and it is a refusal or a loss as any other. The first is
  /// followed at once, each further one after the delay of Reconnect, until a connection has lasted or there was a loss. After
  /// use_another_server the connection after the next is to the former broker again; after server_moved no one is.
  unsigned max_hops = 0;
  /// Makes the transport to a server that was named; nullptr: it cannot be used, and the next one in the list is asked for. Empty: TCP, of a
  /// client that was made with a Stack and for an IPv4 address, to the configured port unless the reference names one; otherwise nothing.
  std::function<std::unique_ptr<Transport>(const ServerReference&)> transport = {};
};

/// What a Client is told at its construction.
struct ClientConfig {
  Endpoint broker = {};
  std::string client_id = {};  ///< may be empty with a clean session
  /// False: the broker keeps the session, and messages of QoS 1 and 2 outlive the connection; in 5.0 only with session_expiry_interval in
  /// `properties`, the seconds that it is kept for (0xffffffff: for ever), for otherwise the session ends with the connection.
  bool clean_session = true;
  std::chrono::seconds keep_alive{60};  ///< 0-65535 s; 0: off
  std::optional<Will> will = {};
  std::optional<std::string> user_name = {};
  std::optional<std::string> password = {};             ///< needs a user name
  Duration connect_timeout = std::chrono::seconds{30};  ///< for opening the transport
  Duration close_timeout = std::chrono::seconds{30};    ///< for the broker to close it behind DISCONNECT; then it is given up
  Reconnect reconnect = {};
  SessionLimits limits = {};
  ProtocolVersion version = ProtocolVersion::v3_1_1;
  Properties properties = {};  ///< 5.0: of CONNECT, see ConnectOptions
  /// 5.0: go on when the broker resumes a session of which nothing is known here, see ConnectOptions.
  bool accept_unknown_session = false;
  /// Where a session that is kept outlives the process; nullptr: nowhere. It outlives the client. A message of QoS 1 or 2, and each one that
  /// waits for a connection, is saved before publish() returns. When that fails the message is refused (storage_failed) if it waits; one that
  /// was accepted on a connection stays accepted, the connection is given up before a byte of it leaves, and it is saved with the next save.
  ByteStore* store = nullptr;
  /// 5.0: a subscription to which the user gives no identifier gets one that no other has, if the broker takes them (see
  /// Client::subscribe()).
  bool subscription_identifiers = true;
  Redirection redirection = {};
  /// Through which received bytes pass, a part of their way from the transport to the session; lent for the client's life, and as many
  /// clients of one thread as like may have the same. Empty: 16 KiB of the stack.
  std::span<std::byte> read_buffer = {};
  /// 5.0: what AUTH of the broker's (its authentication_data is in the event's properties) is answered with, in an enhanced authentication
  /// that authentication_method in `properties` begins (section 4.12). Empty: it is not answered, and the connection fails with
  /// authentication_unanswered.
  std::function<std::string(const event::Authentication&)> authenticate = {};
};

/// Why there is no connection, with the layer that failed.
struct Disconnection {
  std::error_code error = {};  ///< empty after disconnect()
  /// arp (no answer; of our own stack), ipv4 (no route), dns, tcp, tls, websocket; mqtt: the broker or the protocol.
  LayerId layer{};
  std::string text = {};    ///< for people: "connection refused by 192.0.2.1:1883", "broker refused: banned: 3 wrong passwords"
  bool will_retry = false;  ///< there will be a next connection
  bool by_server = false;   ///< 5.0: the broker said so, by CONNACK or DISCONNECT, with …
  ReasonCode reason = ReasonCode::success;  ///< … this reason (name() has it in words)
  Properties properties = {};               ///< … and these: reason_string, user_property, server_reference
  bool redirected = false;                  ///< the next connection is to the server that the broker has named
};

/// A subscription that the broker had granted and refuses to make again.
struct SubscriptionLost {
  Subscription subscription = {};
  std::error_code error = {};  ///< as of subscribe()
  Properties properties = {};  ///< 5.0: of SUBACK: reason_string, user_property
};

/// What has come of a message that an earlier process had accepted and not finished, taken up from the store.
struct Restored {
  std::optional<Message> message = {};  ///< nullopt: the broker had taken it over already, and only the end of the exchange was missing
  Result<> outcome = {};                ///< as of publish()
};

/// What comes of a message that is longer than SessionLimits::stream_above.
using StreamEvent = std::variant<event::MessageBegan, event::MessagePart, event::MessageEnded, event::MessageAborted>;

/// An MQTT client with callbacks, of version 3.1.1 unless its configuration names another. It connects by itself, also again after a
/// loss, and subscribes again when the broker has forgotten. Callbacks come from the scheduler, never from inside a call, each exactly
/// once unless the client is destroyed; they may call the client and may destroy it. Belongs to its stack's thread.
///
/// An exception from a callback goes through the client to whoever runs the loop, and the client goes on in the next turn, with the callback behind
/// that one. A message whose handler threw counts as taken. A ClientConfig::authenticate that throws has not answered, and a redirection.transport that
/// throws has made none. Transports, stores and the sources of payloads must not throw.
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
  /// Sends DISCONNECT and closes; `done` comes when the transport is closed, or with timed_out after ClientConfig::close_timeout. Whatever is
  /// unfinished fails with operation_canceled.
  void disconnect(Completion done = {});
  /// 5.0: the same with a reason that a client may give, such as disconnect_with_will, and properties: session_expiry_interval,
  /// reason_string, user_property. With what DISCONNECT cannot say (see Session::disconnect()) `done` fails and the connection stays.
  /// Without a connection there is nobody to tell.
  void disconnect(ReasonCode reason, Properties properties, Completion done = {});

  /// Takes no more messages, and disconnects as disconnect() does once those that were given to a handler are acknowledged to the end and those
  /// that publish() was given are delivered, or when for ClientConfig::connect_timeout none was taken over by the broker. In a handler that includes
  /// the message that it has.
  /// Messages behind that one stay with the broker, as far as it keeps the session. disconnect() in a handler leaves that message there too,
  /// and so does a second drain(), which disconnects at once. With what DISCONNECT cannot say `done` fails, and messages are taken on. What
  /// pause_reading() keeps unread is read.
  void drain(ReasonCode reason = ReasonCode::normal_disconnection, Properties properties = {}, Completion done = {});

  /// In a handler: its message is not acknowledged when the handlers have returned but by acknowledge(), and no later one before it. False for
  /// QoS 0, and when another handler of the message has said so already: there is nothing to acknowledge for this one. A message that is held
  /// when its connection ends comes again on the next one, with QoS 2 without being handed out again as long as the broker keeps the session.
  bool hold_acknowledgment();
  /// Acknowledges the oldest of the messages that are held.
  void acknowledge();
  /// Nothing is read from a connection that the broker has accepted, so that the transport makes it wait. It is good for moments: what is not read are
  /// also acknowledgments and PINGRESP, so that the connection ends by keep-alive after a while, and the next one is not read either.
  void pause_reading();
  void resume_reading();

  /// `done` with success means: QoS 0, the broker's TCP has acknowledged the bytes; QoS 1 and 2, the broker has taken the message over.
  /// Without connection messages queue, within the limits (no_buffer_space).
  Operation publish(std::string topic, Payload payload, QoS qos = QoS::at_most_once, Completion done = {});
  Operation publish(Message message, Completion done = {});

  /// Calls `handler` for messages that match `filter`, over all connections until unsubscribe(). Subscribing to the same filter again
  /// replaces its handler. An empty one leaves the messages to on_unmatched(). `done` comes at the first SUBACK of this call; a refusal
  /// there removes the subscription: its ReasonCode, before 5.0 subscription_refused. Refusals on later connections go to
  /// on_subscription_lost().
  ///
  /// Of subscriptions that overlap each handler gets a message once, whether the broker sends it once or for each of them (5.0 section
  /// 3.3.4), as long as it tells by subscription identifiers which they are. Otherwise, and always before 5.0, a broker that sends a copy for
  /// each subscription makes each handler run once for each copy: copies cannot be told from messages that are alike.
  Operation subscribe(std::string filter, QoS qos, Handler handler, Granted done = {});
  /// The same with the options of 5.0.
  Operation subscribe(Subscription subscription, Handler handler, Granted done = {});
  /// 5.0: the same with properties of SUBSCRIBE: subscription_identifier, which the messages then have too, and user_property.
  Operation subscribe(Subscription subscription, Properties properties, Handler handler, Granted done = {});
  /// `done` comes at UNSUBACK, in 5.0 with the reason why the broker goes on sending, if it says so.
  Operation unsubscribe(const std::string& filter, Completion done = {});
  /// 5.0: the same with properties of UNSUBSCRIBE: user_property.
  Operation unsubscribe(const std::string& filter, Properties properties, Completion done);

  /// 5.0: begins a new authentication on the connection (section 4.12.1), with the method that `properties` of the configuration name. What
  /// the broker asks then goes to ClientConfig::authenticate. `done`: the broker has agreed; or why it has not, the error with which the
  /// connection ended: an answer that cannot be sent ends it too. not_connected, invalid_argument without a method, already_connected while
  /// another one is under way.
  void reauthenticate(std::string data, Completion done = {});

  /// Called at each CONNACK by which the broker accepts, with what it says there: whether it has kept this client's session, and in 5.0 its
  /// properties.
  void on_connected(std::function<void(const event::Connected&)> handler);
  /// Called when a connection has ended, also by disconnect(), and when none could be made. An empty handler: nobody is told.
  void on_disconnected(std::function<void(const Disconnection&)> handler);
  /// Called when a subscription that was granted is made again, because the broker has forgotten it, and is refused: by SUBACK, or because
  /// CONNACK forbids its filter. It stays wanted, and the next connection asks again, until unsubscribe().
  void on_subscription_lost(std::function<void(const SubscriptionLost&)> handler);
  /// Messages that no subscription's handler is for, such as those of a session stored by the broker.
  void on_unmatched(Handler handler);
  /// Called once for each message that was taken up from the store, when it is finished.
  void on_restored(std::function<void(const Restored&)> handler);
  /// Messages that are received in parts, whatever subscription they are for: with limits.stream_above.
  void on_stream(std::function<void(const StreamEvent&)> handler);

  /// 5.0: in a completion of publish(), subscribe() or unsubscribe(), the properties of the acknowledgment that it comes from: reason_string,
  /// user_property. Otherwise none.
  [[nodiscard]] const Properties& answer_properties() const noexcept;

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
