#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <tapir/core/byte_store.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/observer.hpp>
#include <tapir/core/time.hpp>
#include <tapir/mqtt/ack_waits.hpp>
#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/event.hpp>
#include <tapir/mqtt/output_queue.hpp>
#include <tapir/mqtt/session_options.hpp>
#include <tapir/mqtt/topic_alias.hpp>
#include <tapir/mqtt/types.hpp>

namespace tapir::mqtt {

/// Sees every packet of a session.
class PacketObserver {
 public:
  virtual ~PacketObserver() = default;
  /// In bytes.
  struct Size {
    std::size_t header;   ///< all in front of the payload
    std::size_t payload;  ///< also of one that comes in parts, whose `packet` has none
  };
  /// Must not call back into the session.
  virtual void packet(Direction direction, const ControlPacket& packet, Size size, TimePoint now) = 0;
};

/// The client side of MQTT 3.1, 3.1.1 and 5.0 without input or output: bytes and the time go in, bytes, events and a deadline come out.
///
///     session.connected(now);                              // the transport is open
///     session.input(received, now);
///     while (auto event = session.next_event()) handle(*event);
///     while (auto slice = session.take_output(now)) write(*slice);
///     if (now >= session.next_deadline()) session.tick(now);
///
/// It outlives connections: unacknowledged messages of a session that is kept are sent again on the next one. With a store it outlives
/// the process too: no byte is handed out before the state that it depends on is saved. A message of QoS 2 is given to the user exactly
/// once over any loss of connections. Over a crash it comes again if the process died between the user's taking it and the next save,
/// and then its Message::delivery is the same, by which the user knows it. Used by one thread.
class Session {
 public:
  explicit Session(SessionLimits limits = {});

  /// Sets what the next CONNECT says. invalid_argument, missing_client_id or, for the will, invalid_topic leaves the old options, in 5.0
  /// also the errors of properties; already_connected.
  [[nodiscard]] Result<> configure(ConnectOptions options);
  [[nodiscard]] ConnectOptions options() const { return options_.all(); }

  /// The transport is open: puts CONNECT into the output. already_connected on a second call for one connection.
  [[nodiscard]] Result<> connected(TimePoint now);
  /// The transport is gone: a clean session ends, another one waits for the next connected(), in 5.0 until it expires. No event
  /// Disconnected follows.
  void transport_lost(TimePoint now);
  /// The transport's peer has the first `bytes` of the connection's output: it lives, though a long packet may still be ahead of PINGREQ's
  /// answer, and what it has it can acknowledge.
  void transport_progress(TimePoint now, std::uint64_t bytes);
  /// Where the next connection goes: to the server that accepted last, or to `another`; one that refused in between does not count. 5.0: where
  /// another server turns out not to have the session that was there, that is given up, and what the servers have of it differs from then
  /// on: each later change between them begins a new session (Clean Start 1).
  void next_server(bool another) noexcept;

  /// Bytes from the transport, cut anywhere. Errors come as event Disconnected, after which input is ignored; in 5.0 a DISCONNECT with
  /// the reason is in the output then.
  void input(std::span<const std::byte> bytes, TimePoint now);
  /// The next bytes to write, in order; nullopt when there are none. What is taken must be written, or the transport given up.
  /// Queued messages follow here, not before: whoever subscribes on event Connected does so ahead of them. With a store the state is
  /// saved first, if it has changed; when that fails there is no output but the event Disconnected with storage_failed.
  [[nodiscard]] std::optional<Payload> take_output(TimePoint now);
  [[nodiscard]] std::size_t pending_output() const noexcept { return work().output.size(); }
  /// The same without messages: acknowledgments and requests. What a server can make pile up that sends and does not read.
  [[nodiscard]] std::size_t pending_answers() const noexcept { return work().output.besides_messages(); }
  /// What happened, in order; nullopt when all is told. A received message is acknowledged when this is called after it was taken, so
  /// take the events before the output. With a store the number of a message of QoS 2 is saved before the message is told.
  [[nodiscard]] std::optional<Event> next_event();
  /// For the user of a message that next_event() has given just now: it is acknowledged by acknowledge(), and what is received behind it not
  /// before it, as the order of acknowledgments demands [MQTT-4.6.0-2, 4.6.0-3]. False, and nothing, for a message that is not acknowledged.
  bool hold_acknowledgment();
  /// Acknowledges the oldest message that is held. Of one that came on an earlier connection the server hears nothing: it sends it again,
  /// with QoS 2 without its being told again.
  void acknowledge();
  /// From here to the end of the connection messages are neither told nor acknowledged: those that next_event() has not given yet, and those
  /// that still arrive. The server has those of QoS 1 and 2 for the next connection. What was told is acknowledged to the end.
  void take_no_more();
  /// Messages of QoS 1 and 2 that were received on this connection, are taken, and are not acknowledged to the end.
  [[nodiscard]] std::size_t unacknowledged() const noexcept { return work().in_hand.size(); }
  /// Whether next_event() has something to do.
  [[nodiscard]] bool has_events() const noexcept { return !work().happened.empty(); }

  /// When tick() has something to do; nullopt: never, unless something else happens.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const noexcept;
  /// Sends PINGREQ, gives up waiting, or drops what has expired, when that is due.
  void tick(TimePoint now);

  /// Sends a message now, or when there is a connection and room in flight. Its token comes back in Sent, Delivered or Failed.
  /// invalid_topic, invalid_argument (QoS; a payload from a source with QoS 1 or 2 and a store), message_too_large, no_buffer_space (the
  /// queue is full), not_connected (after disconnect()), session_full. 5.0: the errors of properties, and what the server has announced
  /// that it does not take: packet_too_large, topic_alias_invalid, ReasonCode::qos_not_supported, ReasonCode::retain_not_supported (a
  /// message that waited for the connection, or is to be sent again, fails with these later, or with message_expired while it waits).
  /// Before 5.0: not_in_this_version for properties.
  [[nodiscard]] Result<Token> publish(Message message, TimePoint now);
  /// Answered by Subscribed or Failed. invalid_filter, invalid_argument (no filter, QoS, no_local on a shared subscription),
  /// not_connected, session_full, packet_too_large. 5.0: the errors of properties (subscription_identifier, user_property), and
  /// ReasonCode::shared_subscriptions_not_supported and the like. Before 5.0: not_in_this_version.
  [[nodiscard]] Result<Token> subscribe(std::vector<Subscription> subscriptions, TimePoint now, Properties properties = {});
  /// Answered by Unsubscribed or Failed. Errors as for subscribe().
  [[nodiscard]] Result<Token> unsubscribe(std::vector<std::string> filters, TimePoint now, Properties properties = {});
  /// Sends DISCONNECT; nothing may follow it. not_connected. 5.0: with a reason that a client may give (invalid_reason_code) and
  /// properties (session_expiry_interval, but not one above 0 when CONNECT had 0: invalid_property; reason_string and user_property,
  /// left out when the packet would be larger than the server takes). Before 5.0: not_in_this_version.
  [[nodiscard]] Result<> disconnect(TimePoint now, ReasonCode reason = ReasonCode::normal_disconnection, Properties properties = {});
  /// What disconnect() would fail with.
  [[nodiscard]] Result<> may_disconnect(ReasonCode reason, const Properties& properties) const;
  /// Ends the connection because of what the user cannot go on with: in 5.0 DISCONNECT with the reason code of `error`, if it has one to tell,
  /// and event Disconnected with `error`. A session that is kept goes on with the next connection. Nothing without a connection.
  void give_up(std::error_code error, TimePoint now);
  /// 5.0: the answer to event Authentication. not_connected when there is none to answer (any more), packet_too_large.
  [[nodiscard]] Result<> authenticate(std::string data, TimePoint now);
  /// 5.0: begins a new authentication on the connection. not_connected, packet_too_large, or invalid_argument without an authentication
  /// method in CONNECT.
  [[nodiscard]] Result<> reauthenticate(std::string data, TimePoint now);
  /// Withdraws every message that was never sent; each Failed with `error`.
  void fail_queued(std::error_code error);
  /// Withdraws one message that was never sent: it is Failed with operation_canceled. invalid_argument when there is none.
  [[nodiscard]] Result<> cancel(Token token);

  /// Where the state of a kept session is saved; nullptr: nowhere. It outlives the session or is replaced. Call restore() next.
  void keep_in(ByteStore* store) noexcept { store_ = store; }
  /// Takes up what the store holds for this client identifier; nothing stored is no error. already_connected, invalid_state, or the
  /// store's error. What expires has gone on doing so while the process was away, by the store's age().
  [[nodiscard]] Result<> restore(TimePoint now);
  /// Saves what has changed, so that messages which wait for a connection outlive the process; take_output() does it too. storage_failed:
  /// the connection is given up (event Disconnected), what has changed is saved the next time.
  [[nodiscard]] Result<> save(TimePoint now);
  /// A message that was accepted and is not finished.
  struct Outstanding {
    Token token{};
    const Message* message = nullptr;  ///< nullptr: the server has it, and only the end of its exchange is missing
  };
  /// All of them in order, also those that were restored; valid until the next call.
  [[nodiscard]] std::vector<Outstanding> outstanding() const;
  /// The state of a kept session: unacknowledged and queued messages, received identifiers. Payloads from sources are left out.
  [[nodiscard]] std::vector<std::byte> export_state(TimePoint now) const;
  /// Replaces the state by an exported one. Errors as for restore(), nothing is changed then. `down_time`: since it was exported.
  [[nodiscard]] Result<> import_state(std::span<const std::byte> bytes, TimePoint now, Duration down_time = Duration::zero());

  [[nodiscard]] bool is_connected() const noexcept { return state_ == State::connected; }
  /// Messages of QoS 1 and 2, subscribes and unsubscribes sent and not yet acknowledged.
  [[nodiscard]] std::size_t in_flight() const noexcept { return work().exchanges.size(); }
  /// Packets of this connection that are kept in mind because their acknowledgment is missing, or was until just now.
  [[nodiscard]] std::size_t awaited() const noexcept { return work().waits.size(); }
  [[nodiscard]] std::size_t queued() const noexcept { return work().queue.size(); }
  /// Received messages of QoS 2 whose sender has not released their identifier.
  [[nodiscard]] std::size_t unreleased() const noexcept { return work().unreleased.size(); }
  /// 5.0: what the server of this connection has announced; the standard's defaults before CONNACK.
  [[nodiscard]] const ServerLimits& server() const noexcept { return server_ != nullptr ? *server_ : kUnlimited; }
  /// What counts on this connection: the server may have shortened it (5.0 section 3.2.2.3.14).
  [[nodiscard]] std::chrono::seconds keep_alive() const noexcept { return keep_alive_; }
  /// Shows every packet to `observer`, which must outlive the session or be replaced by nullptr.
  void observe(PacketObserver* observer) noexcept { observer_ = observer; }

 private:
  enum class State : std::uint8_t { offline, connecting, connected, finished };
  enum class Turn : std::uint8_t { nobody, server, client };
  /// What is known of the servers that connections go to.
  enum class Servers : std::uint8_t {
    one,            ///< or several that have the session in common
    another,        ///< the next connection is to another one, of which nothing is known
    apart,          ///< each has a session of its own
    another_apart,  ///< and the next connection is to another one
  };

  // An exchange holds one packet identifier until its last acknowledgment (section 2.3.1).
  struct Publishing {
    Message message;
    TimePoint accepted;  ///< when the user gave it: the message expiry interval counts from there
  };
  /// PUBREC came: the message is the server's now, only PUBREL may be sent again.
  struct Releasing {
    std::uint64_t awaited_on = 0;  ///< the connection on which PUBCOMP is missing: another PUBREL there begins no other wait
  };
  struct Subscribing {
    std::size_t filters;
  };
  struct Unsubscribing {
    std::size_t filters;
  };
  struct Exchange {
    Token token{};
    std::uint64_t order = 0;         ///< by which exchanges are sent again
    std::uint64_t published_on = 0;  ///< the connection on which PUBLISH was sent last: only there does it take a place of the quota
    std::variant<Publishing, Releasing, Subscribing, Unsubscribing> stage;
  };
  /// What a received packet is answered with. It stands in line with the events, so that a message is acknowledged when it has been
  /// taken by the user of the session and not before.
  struct Answer {
    ControlPacket packet;
    std::uint64_t connection;
    bool behind_message = false;  ///< it acknowledges the message whose event stands right before it in the line
  };
  struct Queued {
    Token token{};
    Message message;
    TimePoint accepted;
  };
  /// A message that is being received in parts.
  struct Streaming {
    QoS qos{};
    PacketId id;
    bool repeated = false;  ///< the user has it already
    bool refused = false;   ///< it is not to be acknowledged: see take_no_more()
  };
  /// A received message of QoS 2 whose sender has not released its identifier.
  struct Receipt {
    enum class Stage : std::uint8_t {
      announced,  ///< not whole yet, or a crash came before the user is known to have it: it comes again, and goes to the user
      waiting,    ///< in line for the user
      taken,      ///< the user has it: a repetition is one
    };
    Stage stage{};
    std::uint64_t delivery = 0;  ///< Message::delivery
  };
  /// What a session holds only while it has something to do. A device is idle nearly always: then there is none of it.
  struct Work {
    [[nodiscard]] bool is_done() const noexcept;

    // The session (section 4.1).
    std::unordered_map<PacketId, Exchange> exchanges = {};
    std::unordered_map<PacketId, Receipt> unreleased = {};
    std::uint64_t saved_delivery = 0;  ///< numbers up to this one are known to be saved
    std::list<Queued> queue = {};
    std::size_t queued_bytes = 0;
    TimePoint next_expiry = TimePoint::max();  ///< no message in the queue expires before
    std::size_t messages_in_flight = 0;
    std::uint64_t last_order = 0;

    // The connection.
    Decoder decoder{};
    OutputQueue output = {};
    std::list<std::variant<Event, Answer>> happened = {};
    std::list<Answer> held = {};          ///< acknowledgments that wait for acknowledge(), and those that stand behind one of these
    std::vector<event::Sent> early = {};  ///< sent before CONNACK, which decides whether they count
    AckWaits waits = {};
    std::uint64_t auth_order = 0;               ///< in waits, of the AUTH whose answer is missing; 0: there is none
    std::size_t quota = 0;                      ///< how many more messages of QoS 1 and 2 may be sent (5.0 section 4.9)
    std::list<PacketId> again = {};             ///< exchanges of earlier connections that have to be sent again
    std::unordered_set<PacketId> in_hand = {};  ///< received with QoS 1 and 2 and not yet acknowledged to the end
    std::optional<Streaming> streaming = {};
  };
  /// ConnectOptions without room for what most clients leave empty.
  class KeptOptions {
   public:
    KeptOptions() = default;
    explicit KeptOptions(ConnectOptions options);
    [[nodiscard]] ConnectOptions all() const;
    [[nodiscard]] const Properties& properties() const noexcept;

    std::string client_id = {};
    ProtocolVersion version = ConnectOptions{}.version;
    bool clean_session = ConnectOptions{}.clean_session;
    bool accept_unknown_session = ConnectOptions{}.accept_unknown_session;
    std::uint16_t keep_alive = 60;  ///< s

   private:
    struct Rest {
      std::optional<Will> will;
      std::optional<std::string> user_name;
      std::optional<std::string> password;
      Properties properties;
    };
    std::unique_ptr<const Rest> rest_;
  };
  struct Aliases {
    OutgoingAliases outgoing = {};
    IncomingAliases incoming = {};
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
  void on(const Disconnect& packet, TimePoint now);
  void on(const Auth& packet, TimePoint now);
  void refused(const Connack& packet, std::error_code error, TimePoint now);
  [[nodiscard]] std::error_code problem_of(const Connack& packet) const;
  void adopt(const Connack& packet);
  void receive_part(std::span<const std::byte>& bytes);
  [[nodiscard]] bool announce(const Publish& packet, Message& message);
  [[nodiscard]] bool may_tell(const Event& event);
  void forget_parts();
  void finish_receiving(QoS qos, PacketId id, bool told);
  [[nodiscard]] bool refuse_payload(const Publish& packet);
  [[nodiscard]] bool tells_too_much(const ControlPacket& packet) const;
  template <class FromClient>
  void on(const FromClient& packet, TimePoint now);

  [[nodiscard]] Result<> send(const ControlPacket& packet, TimePoint now);
  void send_checked(const ControlPacket& packet, TimePoint now);
  void answer(ControlPacket packet, bool behind_message = false) {
    work().happened.emplace_back(Answer{std::move(packet), connection_, behind_message});
  }
  void take_back(const Answer& answer);
  void forget_held();
  void give(const Answer& answer);
  void emit(Event event) { work().happened.emplace_back(std::move(event)); }
  template <class Packet, class Stage>
  [[nodiscard]] Result<Token> start_exchange(Packet packet, Stage stage, TimePoint now);
  [[nodiscard]] Result<> admissible(const Message& message) const;
  [[nodiscard]] std::error_code beyond_server(const Message& message) const;
  [[nodiscard]] bool may_send(QoS qos) const noexcept;
  [[nodiscard]] bool make_room(const Message& message);
  void drop_queued(std::list<Queued>::iterator place, std::error_code error);
  void drop_expired(TimePoint now);
  [[nodiscard]] static TimePoint expiry_of(const Queued& queued);
  [[nodiscard]] Result<> send_message(Queued& queued, TimePoint now);
  [[nodiscard]] Result<> send_publish(const Message& message, PacketId id, bool duplicate, TimePoint accepted, TimePoint now);
  void resume_exchanges();
  void send_again(TimePoint now);
  void send_queued(TimePoint now);
  [[nodiscard]] std::optional<PacketId> unused_id() noexcept;
  [[nodiscard]] Token next_token() noexcept { return Token{++last_token_}; }

  template <class Stage>
  [[nodiscard]] std::optional<Exchange> finish(PacketId id);
  void message_done(const Exchange& exchange, ReasonCode reason, const Properties& properties);
  [[nodiscard]] Result<> send_auth(ReasonCode reason, std::string data, TimePoint now);
  [[nodiscard]] bool v5() const noexcept { return options_.version == ProtocolVersion::v5_0; }
  [[nodiscard]] bool sends_early() const noexcept { return limits().send_before_connack && !v5(); }
  [[nodiscard]] Duration kept_for() const;
  [[nodiscard]] bool starts_clean() const noexcept;
  [[nodiscard]] bool begins_anew() const noexcept { return v5() && (start_clean_ || servers_ == Servers::another_apart); }
  void expire_session();
  void await(PacketId id, TimePoint now);
  void await_auth(TimePoint now);
  void acknowledged();
  [[nodiscard]] Pubrel pubrel(PacketId id, bool again) const;
  [[nodiscard]] ReasonCode unknown_identifier() const noexcept;
  [[nodiscard]] std::optional<TimePoint> ack_due() const noexcept;
  [[nodiscard]] std::vector<std::byte> no_state() const;
  void append_identity(std::vector<std::byte>& out, Connect identity) const;
  [[nodiscard]] std::vector<PacketId> in_order() const;
  [[nodiscard]] Duration ping_interval() const noexcept;
  [[nodiscard]] TimePoint ping_due() const noexcept;
  void break_off(std::error_code error, TimePoint now);
  void leave(State state, std::error_code error, TimePoint now);
  void put(event::Sent sent);
  void discard_session(std::error_code error);

  [[nodiscard]] Work& work();
  [[nodiscard]] const Work& work() const noexcept;
  void set_up_decoder();
  void rest();
  [[nodiscard]] std::size_t whole_quota() const noexcept;
  void free_quota(const Exchange& exchange);
  [[nodiscard]] const SessionLimits& limits() const noexcept { return limits_ != nullptr ? *limits_ : kDefaultLimits; }
  [[nodiscard]] const Properties& connect_properties() const noexcept { return options_.properties(); }
  [[nodiscard]] Aliases& aliases();

  static const SessionLimits kDefaultLimits;
  static const ServerLimits kUnlimited;

  std::unique_ptr<const SessionLimits> limits_;  ///< nullptr: the default ones
  KeptOptions options_;
  PacketObserver* observer_ = nullptr;
  std::unique_ptr<Work> work_;  ///< nullptr: there is nothing to do

  // The session.
  ByteStore* store_ = nullptr;
  std::optional<TimePoint> session_expires_;  ///< while there is no connection
  std::uint64_t last_token_ = 0;
  std::uint64_t last_delivery_ = 0;  ///< Message::delivery
  PacketId last_id_;
  bool stored_ = false;       ///< the store has a session in it, as far as is known here
  bool has_session_ = false;  ///< the server may keep it, as far as is known here
  bool had_session_ = false;  ///< the same before the last CONNECT
  bool changed_ = false;      ///< since it was saved
  bool start_clean_ = false;  ///< 5.0: the server may have a session whose state is gone here
  Servers servers_ = Servers::one;

  // The connection.
  State state_ = State::offline;
  Turn turn_ = Turn::nobody;  ///< 5.0: who has to go on with the authentication
  bool takes_messages_ = true;
  std::chrono::duration<std::uint16_t> keep_alive_{0};  ///< s
  std::optional<std::uint32_t> expiry_;                 ///< 5.0: s, what CONNACK or DISCONNECT said
  std::uint64_t connection_ = 0;                        ///< counts connections
  std::uint64_t output_total_ = 0;                      ///< bytes of the connection's output, when there is no work
  std::unique_ptr<const ServerLimits> server_;          ///< nullptr: the standard's defaults
  std::unique_ptr<Aliases> aliases_;                    ///< nullptr: none may be used

  TimePoint connect_sent_;
  TimePoint last_sent_;
  TimePoint last_received_;
  TimePoint last_progress_;             ///< bytes came in, or bytes of ours were acknowledged below
  std::optional<TimePoint> ping_sent_;  ///< the PINGREQ that has no answer yet
};

}  // namespace tapir::mqtt
