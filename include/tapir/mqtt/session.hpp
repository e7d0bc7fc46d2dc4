#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <tapir/core/error.hpp>
#include <tapir/core/observer.hpp>
#include <tapir/core/time.hpp>
#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/event.hpp>
#include <tapir/mqtt/output_queue.hpp>
#include <tapir/mqtt/types.hpp>

namespace tapir::mqtt {

/// What CONNECT says (section 3.1).
struct ConnectOptions {
  std::string client_id = {};           ///< may be empty with a clean session: the server chooses one
  bool clean_session = true;            ///< false: both sides keep the session over disconnections
  std::chrono::seconds keep_alive{60};  ///< 0-65535 s between packets of ours at most; 0: no limit, no PINGREQ
  std::optional<Will> will = {};
  std::optional<std::string> user_name = {};
  std::optional<std::string> password = {};  ///< any bytes, at most 65535; needs a user name
};

/// Bounds of a session, all local decisions.
struct SessionLimits {
  Duration connack_timeout = std::chrono::seconds{10};  ///< from CONNECT to CONNACK
  Duration ping_timeout = std::chrono::seconds{10};     ///< from PINGREQ to PINGRESP, counted anew while bytes move
  std::size_t max_packet_size = kMaxPacketSize;         ///< bytes, the largest packet accepted from the server
  std::size_t max_in_flight = 100;                      ///< messages of QoS 1 and 2 sent and not acknowledged, 1-65535
  std::size_t max_queued = 1000;                        ///< messages waiting for a connection or for room in flight
  std::size_t max_queued_bytes = 16U << 20U;            ///< their payload; a single message may be larger
  std::size_t output_high_water = 64U << 10U;           ///< bytes of output waiting to be taken, above which new messages queue
  bool send_before_connack = false;                     ///< messages follow CONNECT at once (section 3.1.4)
};

/// Sees every packet of a session.
class PacketObserver {
 public:
  virtual ~PacketObserver() = default;
  /// `size` is the whole packet in bytes. Must not call back into the session.
  virtual void packet(Direction direction, const ControlPacket& packet, std::size_t size, TimePoint now) = 0;
};

/// The client side of MQTT 3.1.1 without input or output: bytes and the time go in, bytes, events and a deadline come out.
///
///     session.connected(now);                              // the transport is open
///     session.input(received, now);
///     while (auto event = session.next_event()) handle(*event);
///     while (auto slice = session.take_output(now)) write(*slice);
///     if (now >= session.next_deadline()) session.tick(now);
///
/// It outlives connections: unacknowledged messages of a session that is not clean are sent again on the next one. Used by one thread.
class Session {
 public:
  explicit Session(SessionLimits limits = {}) : limits_{limits}, decoder_{limits.max_packet_size} {}

  /// Sets what the next CONNECT says. invalid_argument, missing_client_id or, for the will, invalid_topic leaves the old options; already_connected.
  [[nodiscard]] Result<> configure(ConnectOptions options);
  [[nodiscard]] const ConnectOptions& options() const noexcept { return options_; }

  /// The transport is open: puts CONNECT into the output. already_connected on a second call for one connection.
  [[nodiscard]] Result<> connected(TimePoint now);
  /// The transport is gone: a clean session ends, another one waits for the next connected(). No event Disconnected follows.
  void transport_lost(TimePoint now);
  /// The transport's peer acknowledged bytes: it lives, though a long packet may still be ahead of PINGREQ's answer.
  void transport_progress(TimePoint now) noexcept { last_progress_ = now; }

  /// Bytes from the transport, cut anywhere. Errors come as event Disconnected, after which input is ignored.
  void input(std::span<const std::byte> bytes, TimePoint now);
  /// The next bytes to write, in order; nullopt when there are none. What is taken must be written, or the transport given up.
  /// Queued messages follow here, not before: whoever subscribes on event Connected does so ahead of them.
  [[nodiscard]] std::optional<Payload> take_output(TimePoint now);
  [[nodiscard]] std::size_t pending_output() const noexcept { return output_.size(); }
  /// What happened, in order; nullopt when all is told. A received message is acknowledged when this is called after it was taken, so
  /// take the events before the output.
  [[nodiscard]] std::optional<Event> next_event();
  /// Whether next_event() has something to do.
  [[nodiscard]] bool has_events() const noexcept { return !happened_.empty(); }

  /// When tick() has something to do; nullopt: never, unless something else happens.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const noexcept;
  /// Sends PINGREQ, or gives up waiting, when that is due.
  void tick(TimePoint now);

  /// Sends a message now, or when there is a connection and room in flight. Its token comes back in Sent, Delivered or Failed.
  /// invalid_topic, invalid_argument (QoS), message_too_large, no_buffer_space (the queue is full), not_connected (after disconnect()).
  [[nodiscard]] Result<Token> publish(Message message, TimePoint now);
  /// Answered by Subscribed or Failed. invalid_filter, invalid_argument (no filter, QoS), not_connected, session_full, packet_too_large.
  [[nodiscard]] Result<Token> subscribe(std::vector<Subscription> subscriptions, TimePoint now);
  /// Answered by Unsubscribed or Failed. Errors as for subscribe().
  [[nodiscard]] Result<Token> unsubscribe(std::vector<std::string> filters, TimePoint now);
  /// Sends DISCONNECT; nothing may follow it. not_connected.
  [[nodiscard]] Result<> disconnect(TimePoint now);
  /// Withdraws every message that was never sent; each Failed with `error`.
  void fail_queued(std::error_code error);

  [[nodiscard]] bool is_connected() const noexcept { return state_ == State::connected; }
  /// Messages of QoS 1 and 2, subscribes and unsubscribes sent and not yet acknowledged.
  [[nodiscard]] std::size_t in_flight() const noexcept { return exchanges_.size(); }
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }
  /// Received messages of QoS 2 whose sender has not released their identifier.
  [[nodiscard]] std::size_t unreleased() const noexcept { return unreleased_.size(); }
  /// Shows every packet to `observer`, which must outlive the session or be replaced by nullptr.
  void observe(PacketObserver* observer) noexcept { observer_ = observer; }

 private:
  enum class State : std::uint8_t { offline, connecting, connected, finished };

  // An exchange holds one packet identifier until its last acknowledgment (section 2.3.1).
  struct Publishing {
    Message message;
  };
  struct Releasing {};  // PUBREC came: the message is the server's now, only PUBREL may be sent again
  struct Subscribing {
    std::size_t filters;
  };
  struct Unsubscribing {};
  struct Exchange {
    Token token{};
    std::uint64_t order = 0;  ///< by which exchanges are sent again
    std::variant<Publishing, Releasing, Subscribing, Unsubscribing> stage;
  };
  /// What a received packet is answered with. It stands in line with the events, so that a message is acknowledged when it has been
  /// taken by the user of the session and not before.
  struct Answer {
    ControlPacket packet;
    std::uint64_t connection;
  };
  struct Queued {
    Token token{};
    Message message;
  };

  void decode(std::span<const std::byte> bytes, TimePoint now);
  void receive(const ControlPacket& packet, TimePoint now);
  void on(const Connack& packet, TimePoint now);
  void on(const Publish& packet, TimePoint now);
  void on(const Puback& packet, TimePoint now);
  void on(const Pubrec& packet, TimePoint now);
  void on(const Pubrel& packet, TimePoint now);
  void on(const Pubcomp& packet, TimePoint now);
  void on(const Suback& packet, TimePoint now);
  void on(const Unsuback& packet, TimePoint now);
  void on(const Pingresp& packet, TimePoint now);
  template <class FromClient>
  void on(const FromClient& packet, TimePoint now);

  [[nodiscard]] Result<> send(const ControlPacket& packet, TimePoint now);
  void send_checked(const ControlPacket& packet, TimePoint now);
  void answer(ControlPacket packet) { happened_.emplace_back(Answer{std::move(packet), connection_}); }
  void emit(Event event) { happened_.emplace_back(std::move(event)); }
  template <class Packet, class Stage>
  [[nodiscard]] Result<Token> start_exchange(Packet packet, Stage stage, TimePoint now);
  [[nodiscard]] Result<> admissible(const Message& message) const;
  [[nodiscard]] bool may_send(QoS qos) const noexcept;
  void send_message(Queued queued, TimePoint now);
  void send_again(TimePoint now);
  void send_queued(TimePoint now);
  [[nodiscard]] std::optional<PacketId> unused_id() noexcept;
  [[nodiscard]] Token next_token() noexcept { return Token{++last_token_}; }

  template <class Stage>
  [[nodiscard]] std::optional<Exchange> finish(PacketId id);
  void message_done(const Exchange& exchange);
  [[nodiscard]] std::vector<PacketId> in_order() const;
  [[nodiscard]] Duration ping_interval() const noexcept;
  [[nodiscard]] TimePoint ping_due() const noexcept;
  void break_off(std::error_code error, TimePoint now);
  void leave(State state, std::error_code error);
  void put(event::Sent sent);
  void discard_session(std::error_code error);

  SessionLimits limits_;
  ConnectOptions options_;
  State state_ = State::offline;
  Decoder decoder_;
  OutputQueue output_;
  std::deque<std::variant<Event, Answer>> happened_;
  PacketObserver* observer_ = nullptr;

  std::unordered_map<PacketId, Exchange> exchanges_;
  std::unordered_set<PacketId> unreleased_;
  std::deque<Queued> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t messages_in_flight_ = 0;
  std::vector<event::Sent> early_;  ///< sent before CONNACK, which decides whether they count
  PacketId last_id_;
  std::uint64_t last_token_ = 0;
  std::uint64_t connection_ = 0;  ///< counts connections
  std::uint64_t last_order_ = 0;

  TimePoint connect_sent_;
  TimePoint last_sent_;
  TimePoint last_received_;
  TimePoint last_progress_;             ///< bytes came in, or bytes of ours were acknowledged below
  std::optional<TimePoint> ping_sent_;  ///< the PINGREQ that has no answer yet
};

}  // namespace tapir::mqtt
