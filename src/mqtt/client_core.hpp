#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tapir/mqtt/client.hpp>

namespace tapir::mqtt {

/// The inside of a Client. It outlives the Client by as long as a callback of it is running.
class Client::Core final : public std::enable_shared_from_this<Client::Core>, TransportUser, PacketObserver {
 public:
  Core(Context& context, std::unique_ptr<Transport> transport, ClientConfig config);

  void start();
  void shut_down();
  [[nodiscard]] Result<> connect();
  void disconnect(ReasonCode reason, Properties properties, Completion done);
  void drain(ReasonCode reason, Properties properties, Completion done);
  bool hold_acknowledgment() { return session_.hold_acknowledgment(); }
  void acknowledge();
  void pause_reading() noexcept { paused_ = true; }
  void resume_reading();
  Operation publish(Message message, Completion done);
  Operation subscribe(Subscription subscription, Properties properties, Handler handler, Granted done);
  Operation unsubscribe(const std::string& filter, Properties properties, Completion done);
  bool cancel(const Operation& operation, bool only_unsent);
  void reauthenticate(std::string data, Completion done);

  std::function<void(const event::Connected&)> connected_handler;
  std::function<void(const Disconnection&)> disconnected_handler;
  std::function<void(const SubscriptionLost&)> subscription_lost_handler;
  Handler unmatched_handler;
  std::function<void(const Restored&)> restored_handler;
  std::function<void(const StreamEvent&)> stream_handler;

  [[nodiscard]] const Session& session() const noexcept { return session_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }
  [[nodiscard]] const Properties* answer_properties() const noexcept { return answer_properties_; }

 private:
  enum class Phase : std::uint8_t {
    idle,        ///< no connection is wanted
    waiting,     ///< until the next try
    opening,     ///< the transport connects
    connecting,  ///< CONNECT is out
    connected,
    closing,  ///< DISCONNECT is out
  };

  /// The acknowledgment whose properties completions may ask for, as long as they are being called.
  class Telling {
   public:
    Telling(const Properties*& place, const Properties& properties) : place_{place} { place_ = &properties; }
    Telling(const Telling&) = delete;
    Telling& operator=(const Telling&) = delete;
    ~Telling() { place_ = nullptr; }

   private:
    const Properties*& place_;
  };

  /// A call of subscribe() that waits for its SUBACK.
  struct Subscriber {
    std::uint64_t number;
    Subscription subscription;
    Properties properties;
    std::shared_ptr<const Handler> handler;
    Granted done;
    Token request = {};  ///< the SUBSCRIBE that asks for it; Token{}: none on this connection
  };
  /// A wanted subscription, as the last call wants it; it outlives connections.
  struct Wanted {
    Subscription subscription;
    Properties properties;
    std::shared_ptr<const Handler> handler;
    std::vector<Subscriber> waiting;
    Token request = {};            ///< the last SUBSCRIBE that was sent for it; Token{}: none ever was
    bool confirmed = false;        ///< the broker has it, as long as it keeps the session
    std::uint32_t identifier = 0;  ///< that the client has given it; 0: none, or the user has
    std::uint32_t sent = 0;        ///< the identifier in the last SUBSCRIBE; 0: it had none
  };
  /// A message of QoS 0 on its way through the transport.
  struct Unconfirmed {
    Token token;
    std::uint64_t end;  ///< in bytes of the connection's output
    Completion done;
  };
  struct Unsubscribing {
    std::string filter;
    Properties properties;
    Completion done;
    std::uint64_t number = 0;  ///< of the call; 0: there was none, or it was cancelled
  };

  /// What disconnect() is called with when the messages in hand are acknowledged.
  struct Draining {
    ReasonCode reason;
    Properties properties;
    Completion done;
  };

  void on_open() override;
  void on_readable() override;
  void on_writable() override;
  void on_acknowledged() override;
  void on_closed(std::error_code error) override;
  void packet(Direction direction, const ControlPacket& packet, Size size, TimePoint now) override;

  /// Does what one event of the transport's or of a timer asks for, behind what an exception of a callback had left over. Such an exception goes
  /// through to the loop, and the next turn goes on where it came from.
  template <class Work>
  void enter(Work work) {
    const auto keep = shared_from_this();  // a callback may destroy the client
    try {
      release_calls();
      work();
    } catch (...) {
      holding_ = false;
      interrupted_ = true;
      if (!gone_) turn_timer_.arm_at(context_.now());
      throw;
    }
  }
  void catch_up();

  void leave_transport();
  void closed(std::error_code error);
  void read();
  void on_phase_timer();
  void on_session_timer();
  void on_turn();

  void adopt_restored();
  void read_by_stack();
  void read_through(std::span<std::byte> buffer);
  void read_later();
  void open();
  void change_transport();
  [[nodiscard]] bool follow(ReasonCode reason, const Properties& properties);
  void write();
  void settle();
  [[nodiscard]] bool is_drained() const noexcept;
  void finish_draining();
  void read_though_paused();
  /// Calls a handler of the user's, if there is one and the Client still exists; later, while calls are held.
  template <class F, class... Arguments>
  void call(const F& handler, const Arguments&... arguments) {
    if (gone_ || !handler) return;
    if (!holding_) return handler(arguments...);
    hold([handler, arguments...] { handler(arguments...); });
  }
  void hold(std::function<void()> call);
  /// From here to release_calls() the client's state changes without anybody being called, so that what a callback asks for
  /// (a new connection, a new message) is not taken for a part of what has just ended.
  void hold_calls() { holding_ = true; }
  /// Calls them; those behind one that throws stay where they are.
  void release_calls();
  void defer(std::function<void()> call);
  /// Calls a completion in the next turn; an empty one too.
  template <class Outcome>
  void complete_later(std::function<void(Outcome)> done, std::error_code error) {
    defer([done = std::move(done), error] {
      if (done) done(fail(error));
    });
  }
  void confirm_acknowledged();
  void connection_failed(std::error_code error);
  void session_failed(Disconnection why, bool refused, bool in_order);
  void connection_over(Disconnection why, bool in_order);
  void end(std::error_code error);
  void tell_disconnected(Disconnection why);
  void finish_closing(Result<> outcome);
  void fail_unconfirmed(const Result<>& outcome);
  [[nodiscard]] Duration next_delay();
  [[nodiscard]] std::string words_for(std::error_code error) const;

  void process_events();
  void handle(event::Connected& event);
  void handle(event::Refused& event);
  void handle(event::Disconnected& event);
  void handle(event::Authentication& event);
  void leave_unanswered();
  void handle(event::MessageReceived& event);
  template <class Part>
  void handle(Part& event);
  void handle(event::Sent& event);
  void handle(event::Delivered& event);
  void handle(event::Subscribed& event);
  void handle(event::Unsubscribed& event);
  void handle(event::Failed& event);
  void complete(Token token, const Result<>& outcome);
  void send_subscriptions(std::span<const std::string> filters);
  void send_subscribe(std::span<const std::string> filters);
  void cannot_subscribe(const std::string& filter, std::error_code error);
  void answer_subscription(const std::string& filter, const event::Subscribed& event, Result<QoS> outcome);
  [[nodiscard]] std::vector<Subscriber> take_subscribers(const std::string& filter);
  void end_subscription(const std::string& filter, std::error_code error);
  void want(const Subscriber& subscriber);
  void stop_asking(const std::string& filter, Token request);
  void ask_to_unsubscribe(Unsubscribing request);
  [[nodiscard]] std::uint32_t unused_identifier();
  void take_identifier(std::uint32_t identifier);
  [[nodiscard]] bool is_given_by_user(std::uint32_t identifier) const;
  [[nodiscard]] Properties properties_of(const Wanted& wanted) const;
  [[nodiscard]] std::vector<std::shared_ptr<const Handler>> handlers_for(const Message& message) const;
  void hide_identifiers(Properties& properties) const;
  void send_unsubscribe(Unsubscribing request);
  bool cancel_publish(Token token, bool only_unsent);
  bool cancel_subscribe(std::uint64_t number, bool only_unsent);
  bool cancel_unsubscribe(std::uint64_t number, bool only_unsent);
  [[nodiscard]] Operation operation(Operation::Kind kind, std::uint64_t number) { return {weak_from_this(), kind, number}; }

  Context& context_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Transport> home_;  ///< to the broker that has sent the client to another one for once
  std::unique_ptr<Transport> next_;  ///< to the server that the broker has named
  bool next_is_home_ = false;        ///< for good
  ServerReference server_;           ///< that transport_ leads to, as a broker has named it; empty: the broker of the configuration
  ServerReference home_server_;      ///< the same of home_
  ServerReference next_server_;      ///< the same of next_
  std::optional<ServerReference> accepted_by_;  ///< the server that accepted last
  unsigned hops_ = 0;                           ///< redirections followed in a row, for the bound
  unsigned redirections_ = 0;                   ///< the same, for the pause between them, whatever the servers acknowledge in between
  ClientConfig config_;
  Session session_;
  Result<> configured_;
  Phase phase_ = Phase::idle;
  DropCounters drops_;
  bool gone_ = false;            ///< the Client was destroyed
  bool paused_ = false;          ///< nothing is read from a connection that stands
  bool more_to_read_ = false;    ///< in the next turn
  bool choked_ = false;          ///< reading waits for answers to leave
  bool transport_left_ = false;  ///< it was told to close behind DISCONNECT
  bool holding_ = false;         ///< between hold_calls() and release_calls()
  bool interrupted_ = false;     ///< by an exception of a callback: more may be left to do than anything will tell of
  /// Connections in a row, for the backoff, that could not be made, or ended soon and before the broker acknowledged or sent anything: one
  /// that accepts every CONNECT and then refuses what follows is no success.
  unsigned failures_ = 0;
  std::optional<TimePoint> connected_at_;  ///< when the broker accepted the connection that there is

  Payload slice_;             ///< being written
  std::size_t slice_at_ = 0;  ///< bytes of it that the transport took
  std::uint64_t written_ = 0;
  std::error_code write_error_;

  std::unordered_map<Token, Completion> publishing_;
  std::deque<Unconfirmed> unconfirmed_;
  std::map<std::string, Wanted, std::less<>> wanted_;
  std::unordered_map<Token, std::vector<std::string>> subscribing_;
  std::unordered_map<Token, Unsubscribing> unsubscribing_;
  std::vector<Unsubscribing> unwanted_;  ///< to be unsubscribed on the next connection
  std::uint32_t last_identifier_ = 0;    ///< of subscriptions
  std::uint64_t last_number_ = 0;        ///< of calls of subscribe() and unsubscribe()
  std::vector<Completion> closed_;       ///< of disconnect(), and of the drain() that it has ended
  std::optional<Draining> draining_;
  const Properties* answer_properties_ = nullptr;  ///< while completions are called that an acknowledgment is for
  std::optional<Completion> reauthenticated_;
  std::deque<std::function<void()>> deferred_;
  std::deque<std::function<void()>> held_;

  Timer phase_timer_;
  Timer session_timer_;
  Timer turn_timer_;  ///< callbacks that a call of the user's caused come from here
};

}  // namespace tapir::mqtt
