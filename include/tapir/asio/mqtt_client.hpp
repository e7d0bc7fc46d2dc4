#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/io_context.hpp>

#include <tapir/asio/detail/mqtt_state.hpp>
#include <tapir/asio/detail/operation.hpp>
#include <tapir/mqtt/client.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::asio {

/// An MQTT client as Boost.Asio's programs know clients: operations take any completion token; a handler's executor, allocator and
/// cancellation slot are honoured.
///
/// Terminal and partial cancellation end every operation at once with boost::asio::error::operation_aborted, as mqtt::Client::Operation::cancel()
/// does: the broker may have got what was sent. Total cancellation ends those of which the broker has seen nothing, and lets the others go on.
///
/// Errors of the categories "mqtt" and "mqtt.reason" keep them (`error == tapir::mqtt::Error::bad_credentials`), others are those of
/// boost::asio::error. Threads and lifetimes as tcp_stream has them: destroying a client ends what waits with operation_aborted.
///
/// In a coroutine give arguments that own memory, strings and messages, a name: GCC 12 copies temporaries of such types into the coroutine's
/// frame byte by byte.
class mqtt_client {
  using Answered = void(boost::system::error_code);
  using Connected = void(boost::system::error_code, bool);
  using Granted = void(boost::system::error_code, mqtt::QoS);
  using Received = void(boost::system::error_code, mqtt::Message);

 public:
  using executor_type = boost::asio::any_io_executor;

  /// Connects over TCP to `config.broker`, as soon as the io_context runs.
  mqtt_client(executor_type executor, Stack& stack, mqtt::ClientConfig config)
      : state_{std::make_unique<detail::MqttState>(std::move(executor), stack, std::move(config))} {}
  mqtt_client(boost::asio::io_context& context, Stack& stack, mqtt::ClientConfig config)
      : mqtt_client{context.get_executor(), stack, std::move(config)} {}
  /// Connects over a transport of any kind, such as TLS or WebSocket. The context outlives the client.
  mqtt_client(executor_type executor, Context& context, std::unique_ptr<mqtt::Transport> transport, mqtt::ClientConfig config)
      : state_{std::make_unique<detail::MqttState>(std::move(executor), context, std::move(transport), std::move(config))} {}
  /// A client that was moved from can only be assigned to and destroyed.
  mqtt_client(mqtt_client&&) noexcept = default;
  mqtt_client& operator=(mqtt_client&&) noexcept = default;
  mqtt_client(const mqtt_client&) = delete;
  mqtt_client& operator=(const mqtt_client&) = delete;
  ~mqtt_client() = default;

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor(); }

  /// void(error_code, bool session_present): the broker has accepted, now or before. As long as the client tries again by itself, this waits;
  /// the reason when it does not (see mqtt::Reconnect). After a disconnection it connects anew. A client whose wait is cancelled goes on
  /// trying.
  template <boost::asio::completion_token_for<Connected> Token>
  auto async_connect(Token&& token) {
    return boost::asio::async_initiate<Token, Connected>(
        [state = state_.get()](auto handler) {
          const auto error = state->client().is_connected() ? boost::system::error_code{} : state->want_connection();
          detail::start(state->connects(), state->executor(), detail::MqttConnecting{state, error}, std::move(handler));
        },
        token);
  }

  /// void(error_code): DISCONNECT is sent, and the transport closed. What is unfinished ends with operation_aborted. Errors as
  /// mqtt::Client::disconnect(). When the wait is cancelled the connection is closed all the same.
  template <boost::asio::completion_token_for<Answered> Token>
  auto async_disconnect(Token&& token) {
    return async_disconnect(mqtt::ReasonCode::normal_disconnection, mqtt::Properties{}, std::forward<Token>(token));
  }
  /// 5.0: with a reason and properties.
  template <boost::asio::completion_token_for<Answered> Token>
  auto async_disconnect(mqtt::ReasonCode reason, mqtt::Properties properties, Token&& token) {
    return boost::asio::async_initiate<Token, Answered>(
        [state = state_.get()](auto handler, mqtt::ReasonCode why, mqtt::Properties with) {
          begin<Answered>(*state, std::move(handler), [&](auto done) {
            state->client().disconnect(why, std::move(with), std::move(done));
            return detail::NoWayBack{};
          });
        },
        token, reason, std::move(properties));
  }

  /// void(error_code): QoS 0, the broker's TCP has acknowledged the bytes; QoS 1 and 2, the broker has taken the message over. Without
  /// connection messages wait. Errors as mqtt::Client::publish().
  template <boost::asio::completion_token_for<Answered> Token>
  auto async_publish(mqtt::Message message, Token&& token) {
    return boost::asio::async_initiate<Token, Answered>(
        [state = state_.get()](auto handler, mqtt::Message what) {
          begin<Answered>(*state, std::move(handler), [&](auto done) { return state->client().publish(std::move(what), std::move(done)); });
        },
        token, std::move(message));
  }
  template <boost::asio::completion_token_for<Answered> Token>
  auto async_publish(std::string topic, mqtt::Payload payload, mqtt::QoS qos, Token&& token) {
    return async_publish(mqtt::Message{.topic = std::move(topic), .payload = std::move(payload), .qos = qos}, std::forward<Token>(token));
  }

  /// void(error_code, QoS): what the broker grants. The subscription's messages come to async_receive(). Errors as mqtt::Client::subscribe().
  template <boost::asio::completion_token_for<Granted> Token>
  auto async_subscribe(mqtt::Subscription subscription, Token&& token) {
    return async_subscribe(std::move(subscription), mqtt::Properties{}, mqtt::Client::Handler{}, std::forward<Token>(token));
  }
  template <boost::asio::completion_token_for<Granted> Token>
  auto async_subscribe(std::string filter, mqtt::QoS qos, Token&& token) {
    return async_subscribe(mqtt::Subscription{.filter = std::move(filter), .qos = qos}, std::forward<Token>(token));
  }
  /// 5.0: with properties. A subscription with a `messages` handler has its messages given to that, from inside the stack, and not to
  /// async_receive().
  template <boost::asio::completion_token_for<Granted> Token>
  auto async_subscribe(mqtt::Subscription subscription, mqtt::Properties properties, mqtt::Client::Handler messages, Token&& token) {
    return boost::asio::async_initiate<Token, Granted>(
        [state = state_.get()](auto handler, mqtt::Subscription what, mqtt::Properties with, mqtt::Client::Handler to) {
          begin<Granted>(*state, std::move(handler), [&](auto done) {
            return state->client().subscribe(std::move(what), std::move(with), std::move(to), std::move(done));
          });
        },
        token, std::move(subscription), std::move(properties), std::move(messages));
  }

  /// void(error_code): UNSUBACK. Errors as mqtt::Client::unsubscribe().
  template <boost::asio::completion_token_for<Answered> Token>
  auto async_unsubscribe(std::string filter, Token&& token) {
    return async_unsubscribe(std::move(filter), mqtt::Properties{}, std::forward<Token>(token));
  }
  /// 5.0: with properties.
  template <boost::asio::completion_token_for<Answered> Token>
  auto async_unsubscribe(std::string filter, mqtt::Properties properties, Token&& token) {
    return boost::asio::async_initiate<Token, Answered>(
        [state = state_.get()](auto handler, const std::string& what, mqtt::Properties with) {
          begin<Answered>(*state, std::move(handler),
                          [&](auto done) { return state->client().unsubscribe(what, std::move(with), std::move(done)); });
        },
        token, std::move(filter), std::move(properties));
  }

  /// void(error_code, Message): the oldest message that was received and not taken yet, whatever subscription it is for. One of QoS 1 or 2 is
  /// acknowledged when this completes with it, and not before: a program that dies has lost none that wait, as far as the broker keeps
  /// the session. A connection that is lost meanwhile brings those of QoS 1 again. When there is none and the client does not connect again, the
  /// reason; boost::asio::error::not_connected after async_disconnect().
  template <boost::asio::completion_token_for<Received> Token>
  auto async_receive(Token&& token) {
    return boost::asio::async_initiate<Token, Received>(
        [state = state_.get()](auto handler) {
          detail::start(state->receives(), state->executor(), detail::MqttReceiving{state}, std::move(handler));
        },
        token);
  }
  /// How much may wait for async_receive(), in bytes, 16 MiB by default. Beyond that a message of QoS 0 is dropped and counted; one of QoS 1
  /// or 2 makes the client read no further from the connection until there is room, see mqtt::Client::pause_reading(), or another operation
  /// than async_receive() waits for the broker. While one waits more may come than the limit, on each connection as many as the broker may have unacknowledged:
  /// receive_maximum of CONNECT in 5.0, else 65535.
  void set_inbox_limit(std::size_t bytes) noexcept { state_->inbox_limit = bytes; }
  /// How many messages that were.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return state_->dropped; }

  /// As mqtt::Client::on_disconnected(): also when the client will try again. Called from inside the stack.
  void on_disconnected(std::function<void(const mqtt::Disconnection&)> handler) { state_->disconnected_handler = std::move(handler); }
  [[nodiscard]] bool is_connected() const noexcept { return state_->client().is_connected(); }
  /// For what is not here: on_stream(), on_subscription_lost(), session(), drops(). Its other handlers belong to this client.
  [[nodiscard]] mqtt::Client& native_handle() noexcept { return state_->client(); }

 private:
  /// A call with a completion of the form void(error_code), or void(error_code, value).
  template <class Signature, class Handler, class Call>
  static void begin(detail::MqttState& state, Handler handler, Call call) {
    if constexpr (std::is_same_v<Signature, Granted>) {
      using Outcome = std::tuple<boost::system::error_code, mqtt::QoS>;
      state.call<Outcome>(std::move(handler), [&](const std::shared_ptr<detail::Answer<Outcome>>& answer) {
        return call([answer](const Result<mqtt::QoS>& granted) {
          answer->give(granted ? Outcome{boost::system::error_code{}, *granted}
                               : Outcome{detail::from_mqtt(granted.error()), mqtt::QoS::at_most_once});
        });
      });
    } else {
      using Outcome = std::tuple<boost::system::error_code>;
      state.call<Outcome>(std::move(handler), [&](const std::shared_ptr<detail::Answer<Outcome>>& answer) {
        return call([answer](const Result<>& done) {
          answer->give(Outcome{done ? boost::system::error_code{} : detail::from_mqtt(done.error())});
        });
      });
    }
  }

  std::unique_ptr<detail::MqttState> state_;
};

}  // namespace tapir::asio
