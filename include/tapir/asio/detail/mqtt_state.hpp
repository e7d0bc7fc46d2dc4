#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>

#include <tapir/asio/detail/operation.hpp>
#include <tapir/asio/detail/operation_queue.hpp>
#include <tapir/asio/error.hpp>
#include <tapir/mqtt/client.hpp>
#include <tapir/mqtt/error.hpp>
#include <tapir/mqtt/reason_code.hpp>

namespace tapir::asio::detail {

/// What MQTT calls a failure keeps its own category: many of them share an errno.
[[nodiscard]] inline boost::system::error_code from_mqtt(std::error_code error) noexcept {
  const bool is_mqtt = error.category() == mqtt::error_category() || error.category() == mqtt::reason_category();
  return is_mqtt ? boost::system::error_code{error} : to_asio(error);
}

/// What the client says of one call, and the operation that waits for it.
template <class Outcome>
struct Answer {
  std::optional<Outcome> outcome = {};
  OperationBase* waiting = nullptr;

  void give(Outcome what) {
    outcome = std::move(what);
    if (waiting != nullptr) waiting->attempt();
  }
};

/// A call that nothing takes back: only its caller can stop waiting for it.
struct NoWayBack {
  [[nodiscard]] static bool cancel() { return true; }
  [[nodiscard]] static bool withdraw() { return false; }
};

/// Waits for what the client says. `Call` is what the client gave to call it off.
template <class ToldOutcome, class Call>
class Told {
 public:
  using Outcome = ToldOutcome;

  Told(std::shared_ptr<Answer<Outcome>> answer, Call call) : answer_{std::move(answer)}, call_{std::move(call)} {}
  Told(Told&&) noexcept = default;
  Told& operator=(Told&&) = delete;
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  ~Told() {
    if (answer_ != nullptr) answer_->waiting = nullptr;
  }

  [[nodiscard]] std::optional<Outcome> attempt() { return std::exchange(answer_->outcome, std::nullopt); }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) {
    Outcome outcome{};
    std::get<0>(outcome) = error;
    return outcome;
  }
  /// A total cancellation promises that nothing has happened: it takes back only what the broker has not seen. When the client has completed
  /// already, its word is on its way.
  [[nodiscard]] bool cancel(boost::asio::cancellation_type type) {
    constexpr auto partly = boost::asio::cancellation_type::terminal | boost::asio::cancellation_type::partial;
    return (type & partly) != boost::asio::cancellation_type::none ? call_.cancel() : call_.withdraw();
  }

 private:
  std::shared_ptr<Answer<Outcome>> answer_;
  Call call_;
};

/// What an mqtt_client is behind its handle. It stays where it is when the handle moves.
class MqttState {
 public:
  template <class... ClientArguments>
  explicit MqttState(boost::asio::any_io_executor executor, ClientArguments&&... arguments)
      : executor_{std::move(executor)}, client_{std::forward<ClientArguments>(arguments)...} {
    client_.on_connected([this](const mqtt::event::Connected& event) { connected(event.session_present); });
    client_.on_disconnected([this](const mqtt::Disconnection& why) { disconnected(why); });
    client_.on_unmatched([this](const mqtt::Message& message) { received(message); });
  }
  MqttState(const MqttState&) = delete;
  MqttState& operator=(const MqttState&) = delete;
  ~MqttState() = default;

  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] mqtt::Client& client() noexcept { return client_; }
  [[nodiscard]] const mqtt::Client& client() const noexcept { return client_; }
  [[nodiscard]] OperationQueue& connects() noexcept { return connects_; }
  [[nodiscard]] OperationQueue& receives() noexcept { return receives_; }

  /// Begins a call of the client's: `begin` makes it, and is given the Answer that its completion fills.
  template <class Outcome, class Handler, class Begin>
  void call(Handler handler, Begin begin) {
    auto answer = std::make_shared<Answer<Outcome>>();
    auto call = begin(answer);
    answer->waiting = start(calls_, executor_, Told<Outcome, decltype(call)>{answer, std::move(call)}, std::move(handler));
    client_.resume_reading();
  }

  /// Has the client connect, if it does not do so already. The error of a client that cannot.
  [[nodiscard]] boost::system::error_code want_connection() {
    const auto wanted = client_.connect();
    if (!wanted && wanted.error() != Error::already_connected) return from_mqtt(wanted.error());
    over_.reset();
    return {};
  }

  /// Whether the broker has accepted, and with a session; or why it will not; empty: neither yet.
  [[nodiscard]] std::optional<std::tuple<boost::system::error_code, bool>> connection() const {
    if (client_.is_connected()) return std::tuple{boost::system::error_code{}, session_present_};
    if (over_) return std::tuple{*over_, false};
    return std::nullopt;
  }

  /// The oldest message; empty: there is none yet.
  [[nodiscard]] std::optional<std::tuple<boost::system::error_code, mqtt::Message>> next_message() {
    if (!inbox_.empty()) {
      std::tuple outcome{boost::system::error_code{}, std::move(inbox_.front().message)};
      const bool held = inbox_.front().held;
      inbox_.pop_front();
      inbox_bytes_ -= size_of(std::get<mqtt::Message>(outcome));
      if (held) client_.acknowledge();
      if (inbox_bytes_ <= inbox_limit) client_.resume_reading();
      return outcome;
    }
    if (over_) return std::tuple{*over_, mqtt::Message{}};
    return std::nullopt;
  }

  std::function<void(const mqtt::Disconnection&)> disconnected_handler;
  std::size_t inbox_limit = std::size_t{16} << 20U;  ///< bytes
  std::uint64_t dropped = 0;

 private:
  [[nodiscard]] static std::size_t size_of(const mqtt::Message& message) {
    return sizeof message + message.topic.size() + message.payload.size();
  }
  void connected(bool session_present) {
    session_present_ = session_present;
    over_.reset();
    connects_.attempt_each();
  }
  void disconnected(const mqtt::Disconnection& why) {
    if (!why.will_retry) {
      over_ = why.error ? from_mqtt(why.error) : boost::asio::error::not_connected;
      connects_.attempt_each();
      receives_.attempt_each();
    }
    if (const auto handler = disconnected_handler) handler(why);
  }
  void received(const mqtt::Message& message) {
    const auto size = size_of(message);
    const bool held = client_.hold_acknowledgment();
    const bool too_much = receives_.empty() && inbox_bytes_ + size > inbox_limit;
    if (too_much && !held) {
      ++dropped;
      return;
    }
    inbox_bytes_ += size;
    inbox_.push_back({message, held});
    // What the broker says to an operation that waits comes behind further messages; and the handler may be all that would take them.
    if (too_much && calls_.empty()) client_.pause_reading();
    receives_.attempt_first();
  }

  boost::asio::any_io_executor executor_;
  OperationQueue connects_;
  OperationQueue receives_;
  OperationQueue calls_;
  struct Waiting {
    mqtt::Message message;
    bool held;  ///< the broker has no acknowledgment yet
  };
  std::deque<Waiting> inbox_;
  std::size_t inbox_bytes_ = 0;
  bool session_present_ = false;
  std::optional<boost::system::error_code> over_;  ///< why the client does not connect any more
  mqtt::Client client_;                            ///< goes first: what waits is aborted behind it
};

/// Waits for CONNACK.
struct MqttConnecting {
  using Outcome = std::tuple<boost::system::error_code, bool>;
  MqttState* state;
  boost::system::error_code error;  ///< there will be no connection

  [[nodiscard]] std::optional<Outcome> attempt() const {
    if (error) return failed(error);
    return state->connection();
  }
  [[nodiscard]] static Outcome failed(boost::system::error_code why) { return {why, false}; }
};

/// Waits for a message.
struct MqttReceiving {
  using Outcome = std::tuple<boost::system::error_code, mqtt::Message>;
  MqttState* state;

  [[nodiscard]] std::optional<Outcome> attempt() const { return state->next_message(); }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return {error, mqtt::Message{}}; }
};

}  // namespace tapir::asio::detail
