#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/socket_base.hpp>

#include <tapir/asio/detail/connection_state.hpp>
#include <tapir/asio/detail/operation.hpp>
#include <tapir/asio/endpoint.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::asio {

/// A TCP connection of a Stack as Boost.Asio's programs know one: models AsyncReadStream and AsyncWriteStream, and is a lowest layer for
/// asio::ssl::stream and Boost.Beast. Operations take any completion token; a handler's executor, allocator and cancellation slot are
/// honoured. Every kind of cancellation is: an operation that is cancelled has transferred nothing.
///
/// Used on the stack's thread; the io_context must be run by tapir::asio::run() or run_until(). Destroying a stream ends what waits with
/// boost::asio::error::operation_aborted and closes as tcp::Connection does. The stack outlives the io_context, and that the stream's operations.
class tcp_stream {
 public:
  using executor_type = boost::asio::any_io_executor;
  using lowest_layer_type = tcp_stream;
  using protocol_type = boost::asio::ip::tcp;
  using endpoint_type = protocol_type::endpoint;
  using shutdown_type = boost::asio::socket_base::shutdown_type;

  tcp_stream(executor_type executor, Stack& stack) : state_{std::make_unique<detail::ConnectionState>(std::move(executor), stack)} {}
  tcp_stream(boost::asio::io_context& context, Stack& stack) : tcp_stream{context.get_executor(), stack} {}
  /// A stream over a connection that is established.
  tcp_stream(executor_type executor, Stack& stack, tcp::Connection connection) : tcp_stream{std::move(executor), stack} {
    state_->adopt(std::move(connection), true);
  }
  /// A stream that was moved from can only be assigned to and destroyed.
  tcp_stream(tcp_stream&&) noexcept = default;
  tcp_stream& operator=(tcp_stream&&) noexcept = default;
  tcp_stream(const tcp_stream&) = delete;
  tcp_stream& operator=(const tcp_stream&) = delete;
  ~tcp_stream() = default;

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor(); }
  [[nodiscard]] lowest_layer_type& lowest_layer() noexcept { return *this; }
  [[nodiscard]] const lowest_layer_type& lowest_layer() const noexcept { return *this; }

  /// Active open; void(error_code). boost::asio::error::already_connected when there is a connection, and what tcp::Tcp::connect() and
  /// the handshake fail with. After a failure, a cancellation included, the stream can connect again.
  ///
  /// In a coroutine give `options` a name: GCC 12 copies a temporary of such a type into the coroutine's frame byte by byte.
  template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
  auto async_connect(const Endpoint& remote, Token&& token, const tcp::ConnectOptions& options) {
    return connect_to(remote, std::forward<Token>(token), options);
  }
  template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
  auto async_connect(const Endpoint& remote, Token&& token) {
    return connect_to(remote, std::forward<Token>(token), tcp::ConnectOptions{});
  }
  template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
  auto async_connect(const endpoint_type& remote, Token&& token, const tcp::ConnectOptions& options) {
    return connect_to(from_asio(remote), std::forward<Token>(token), options);
  }
  template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
  auto async_connect(const endpoint_type& remote, Token&& token) {
    return connect_to(from_asio(remote), std::forward<Token>(token), tcp::ConnectOptions{});
  }

  /// void(error_code, std::size_t): at least one byte unless `buffers` are empty; boost::asio::error::eof when the peer has ended the stream.
  template <class MutableBufferSequence, boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
  auto async_read_some(const MutableBufferSequence& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [state = state_.get()](auto handler, const MutableBufferSequence& into) {
          detail::start(state->reads(), state->executor(), detail::Reading<MutableBufferSequence>{state, into}, std::move(handler));
        },
        token, buffers);
  }
  /// void(error_code, std::size_t): completes when the send buffer has taken something.
  template <class ConstBufferSequence, boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
  auto async_write_some(const ConstBufferSequence& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [state = state_.get()](auto handler, const ConstBufferSequence& from) {
          detail::start(state->writes(), state->executor(), detail::Writing<ConstBufferSequence>{state, from}, std::move(handler));
        },
        token, buffers);
  }

  /// Operations that wait end with boost::asio::error::operation_aborted; the connection goes on.
  void cancel() { state_->cancel(); }
  /// The same, and closes as tcp::Connection does when it is destroyed: what was written is still delivered. The stream can connect again.
  void close() { state_->close(); }
  void close(boost::system::error_code& error) {
    close();
    error = {};
  }
  /// Ends the sending direction, the receiving one (reads that find nothing meet boost::asio::error::eof), or both.
  void shutdown(shutdown_type what, boost::system::error_code& error) {
    error = state_->connection() ? boost::system::error_code{} : boost::asio::error::not_connected;
    if (error) return;
    if (what != shutdown_type::shutdown_receive) {
      if (const auto done = state_->connection().shutdown(); !done) error = to_asio(done.error());
    }
    if (what != shutdown_type::shutdown_send) state_->stop_receiving();
  }

  /// Whether there is a connection, established or on its way.
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(state_->connection()); }
  /// Unspecified without a connection.
  [[nodiscard]] endpoint_type local_endpoint() const { return to_asio<protocol_type>(state_->connection().local()); }
  [[nodiscard]] endpoint_type remote_endpoint() const { return to_asio<protocol_type>(state_->connection().remote()); }
  /// For what Boost.Asio has no word for: info(), set_nagle(), set_keepalive(), abort(). Its handle() belongs to the stream.
  [[nodiscard]] tcp::Connection& native_handle() noexcept { return state_->connection(); }

 private:
  template <class Token>
  auto connect_to(const std::optional<Endpoint>& remote, Token&& token, const tcp::ConnectOptions& options) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [state = state_.get()](auto handler, const std::optional<Endpoint>& to, const tcp::ConnectOptions& how) {
          detail::start(state->connects(), state->executor(), detail::Connecting{state, state->open(to, how)}, std::move(handler));
        },
        token, remote, options);
  }

  std::unique_ptr<detail::ConnectionState> state_;
};

}  // namespace tapir::asio
