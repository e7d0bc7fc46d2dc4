#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/io_context.hpp>

#include <tapir/asio/detail/operation.hpp>
#include <tapir/asio/endpoint.hpp>
#include <tapir/asio/tcp_stream.hpp>
#include <tapir/tcp/listener.hpp>

namespace tapir::asio {

namespace detail {

/// A listener, and the operations that wait for a connection.
class ListenerState {
 public:
  ListenerState(boost::asio::any_io_executor executor, Stack& stack) : executor_{std::move(executor)}, stack_{&stack} {}

  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] Stack& stack() const noexcept { return *stack_; }
  [[nodiscard]] tcp::Listener& listener() noexcept { return listener_; }
  [[nodiscard]] OperationQueue& accepts() noexcept { return accepts_; }

  [[nodiscard]] Result<tcp::Connection> accept() {
    if (!arrived_) return listener_.accept();
    return std::move(*std::exchange(arrived_, {}));
  }

  /// Has the listener give connections only while somebody waits, so that the others count towards its backlog.
  void expect() {
    listener_.handle([this](tcp::Connection connection) {
      arrived_ = std::move(connection);
      accepts_.attempt_each();
      if (accepts_.empty()) listener_.handle({});
    });
  }

  void close() {
    listener_ = {};
    arrived_.reset();
    accepts_.abort_all();
  }

 private:
  boost::asio::any_io_executor executor_;
  Stack* stack_;
  OperationQueue accepts_;
  std::optional<tcp::Connection> arrived_;  ///< on its way from the listener to the operation
  tcp::Listener listener_;
};

struct Accepting {
  using Outcome = std::tuple<boost::system::error_code, tcp_stream>;
  ListenerState* state;
  boost::asio::any_io_executor executor;  ///< of the new stream

  [[nodiscard]] std::optional<Outcome> attempt() {
    auto connection = state->accept();
    if (!connection && connection.error() == Error::would_block) return std::nullopt;
    if (!connection) return failed(to_asio(connection.error()));
    return Outcome{boost::system::error_code{}, tcp_stream{executor, state->stack(), std::move(*connection)}};
  }
  [[nodiscard]] Outcome failed(boost::system::error_code error) const { return {error, tcp_stream{executor, state->stack()}}; }
};

}  // namespace detail

/// A TCP listener of a Stack as Boost.Asio's programs know one. Threads and lifetimes as tcp_stream has them.
class tcp_acceptor {
 public:
  using executor_type = boost::asio::any_io_executor;
  using protocol_type = boost::asio::ip::tcp;
  using endpoint_type = protocol_type::endpoint;

  tcp_acceptor(executor_type executor, Stack& stack) : state_{std::make_unique<detail::ListenerState>(std::move(executor), stack)} {}
  tcp_acceptor(boost::asio::io_context& context, Stack& stack) : tcp_acceptor{context.get_executor(), stack} {}
  tcp_acceptor(tcp_acceptor&&) noexcept = default;
  /// What waits at the former listener ends as aborted.
  tcp_acceptor& operator=(tcp_acceptor&&) noexcept = default;
  tcp_acceptor(const tcp_acceptor&) = delete;
  tcp_acceptor& operator=(const tcp_acceptor&) = delete;
  ~tcp_acceptor() = default;

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor(); }

  /// Begins to listen; an unspecified address means any of the stack's. Errors as tcp::Tcp::listen().
  [[nodiscard]] boost::system::error_code listen(const Endpoint& local, const tcp::ListenOptions& options = {}) {
    auto listener = state_->stack().tcp().listen(local, {}, options);
    if (!listener) return to_asio(listener.error());
    state_->listener() = std::move(*listener);
    return {};
  }

  /// void(error_code, tcp_stream): the oldest connection that waits. Its stream has this acceptor's executor. A stream without connection comes
  /// with an error: boost::asio::error::not_connected when this does not listen, boost::asio::error::operation_aborted.
  template <boost::asio::completion_token_for<void(boost::system::error_code, tcp_stream)> Token>
  auto async_accept(Token&& token) {
    return async_accept(get_executor(), std::forward<Token>(token));
  }
  /// The same; the stream has the given executor.
  template <boost::asio::completion_token_for<void(boost::system::error_code, tcp_stream)> Token>
  auto async_accept(executor_type executor, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, tcp_stream)>(
        [state = state_.get()](auto handler, executor_type of_stream) {
          detail::start(state->accepts(), state->executor(), detail::Accepting{state, std::move(of_stream)}, std::move(handler));
          if (!state->accepts().empty()) state->expect();
        },
        token, std::move(executor));
  }

  /// Operations that wait end with boost::asio::error::operation_aborted; listening goes on.
  void cancel() { state_->accepts().abort_all(); }
  /// Ends listening as destroying a tcp::Listener does, and what waits with boost::asio::error::operation_aborted.
  void close() { state_->close(); }
  /// Unspecified when this does not listen.
  [[nodiscard]] endpoint_type local_endpoint() const { return to_asio<protocol_type>(state_->listener().local()); }
  [[nodiscard]] tcp::Listener& native_handle() noexcept { return state_->listener(); }

 private:
  std::unique_ptr<detail::ListenerState> state_;
};

}  // namespace tapir::asio
