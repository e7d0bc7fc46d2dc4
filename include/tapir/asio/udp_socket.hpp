#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

#include <tapir/asio/detail/operation.hpp>
#include <tapir/asio/endpoint.hpp>
#include <tapir/asio/error.hpp>
#include <tapir/stack/stack.hpp>
#include <tapir/udp/socket.hpp>

namespace tapir::asio {

namespace detail {

/// A socket, and the operations that wait for a datagram or for room in the link.
class DatagramState {
 public:
  DatagramState(boost::asio::any_io_executor executor, Stack& stack) : executor_{std::move(executor)}, stack_{&stack} {}

  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] std::optional<udp::Socket>& socket() noexcept { return socket_; }
  [[nodiscard]] OperationQueue& receives() noexcept { return receives_; }
  [[nodiscard]] OperationQueue& sends() noexcept { return sends_; }

  [[nodiscard]] boost::system::error_code bind(const Endpoint& local, udp::SocketOptions options) {
    auto socket = stack_->udp().bind(local, std::move(options));
    if (!socket) return to_asio(socket.error());
    close();
    socket_ = std::move(*socket);
    socket_->on_readable([this] { receives_.attempt_each(); });
    socket_->on_writable([this] { sends_.attempt_each(); });
    return {};
  }

  void cancel() {
    receives_.abort_all();
    sends_.abort_all();
  }
  void close() {
    socket_.reset();
    cancel();
  }

 private:
  boost::asio::any_io_executor executor_;
  Stack* stack_;
  OperationQueue receives_;
  OperationQueue sends_;
  std::optional<udp::Socket> socket_;
};

template <class Buffers>
struct Receiving {
  using Outcome = std::tuple<boost::system::error_code, std::size_t>;
  DatagramState* state;
  Buffers buffers;
  boost::asio::ip::udp::endpoint* source;

  [[nodiscard]] std::optional<Outcome> attempt() {
    auto& socket = state->socket();
    if (!socket) return failed(boost::asio::error::bad_descriptor);
    if (const auto error = socket->take_error()) return failed(to_asio(error));
    const auto datagram = socket->receive();
    if (!datagram) return std::nullopt;
    *source = to_asio<boost::asio::ip::udp>(datagram->source);
    return Outcome{boost::system::error_code{}, boost::asio::buffer_copy(buffers, boost::asio::buffer(datagram->payload.bytes()))};
  }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return {error, 0}; }
};

template <class Buffers>
struct Sending {
  using Outcome = std::tuple<boost::system::error_code, std::size_t>;
  DatagramState* state;
  Buffers buffers;
  std::optional<Endpoint> destination;

  [[nodiscard]] std::optional<Outcome> attempt() {
    auto& socket = state->socket();
    if (!socket) return failed(boost::asio::error::bad_descriptor);
    if (!destination) return failed(boost::asio::error::address_family_not_supported);
    std::vector<std::byte> payload(boost::asio::buffer_size(buffers));
    boost::asio::buffer_copy(boost::asio::buffer(payload), buffers);
    const auto sent = socket->send_to(*destination, payload);
    if (!sent && sent.error() == Error::would_block) return std::nullopt;
    if (!sent) return failed(to_asio(sent.error()));
    return Outcome{boost::system::error_code{}, payload.size()};
  }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return {error, 0}; }
};

}  // namespace detail

/// A UDP socket of a Stack as Boost.Asio's programs know one. Threads and lifetimes as tcp_stream has them.
class udp_socket {
 public:
  using executor_type = boost::asio::any_io_executor;
  using protocol_type = boost::asio::ip::udp;
  using endpoint_type = protocol_type::endpoint;

  udp_socket(executor_type executor, Stack& stack) : state_{std::make_unique<detail::DatagramState>(std::move(executor), stack)} {}
  udp_socket(boost::asio::io_context& context, Stack& stack) : udp_socket{context.get_executor(), stack} {}

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor(); }

  /// Errors as udp::Udp::bind(). What waits at a former socket ends as aborted.
  [[nodiscard]] boost::system::error_code bind(const Endpoint& local, udp::SocketOptions options = {}) {
    return state_->bind(local, std::move(options));
  }

  /// void(error_code, std::size_t): one datagram. Waits while the link is full; errors otherwise as udp::Socket::send_to(), and
  /// boost::asio::error::bad_descriptor without bind().
  template <class ConstBufferSequence, boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
  auto async_send_to(const ConstBufferSequence& buffers, const endpoint_type& destination, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [state = state_.get()](auto handler, const ConstBufferSequence& from, const std::optional<Endpoint>& to) {
          detail::start(state->sends(), state->executor(), detail::Sending<ConstBufferSequence>{state, from, to}, std::move(handler));
        },
        token, buffers, from_asio(destination));
  }
  /// void(error_code, std::size_t): one datagram, cut to what `buffers` hold; `source` is who sent it, and stays where it is until then.
  template <class MutableBufferSequence, boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
  auto async_receive_from(const MutableBufferSequence& buffers, endpoint_type& source, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [state = state_.get()](auto handler, const MutableBufferSequence& into, endpoint_type* from) {
          detail::start(state->receives(), state->executor(), detail::Receiving<MutableBufferSequence>{state, into, from},
                        std::move(handler));
        },
        token, buffers, &source);
  }

  /// Operations under way end with operation_aborted; close() takes the port back, too.
  void cancel() { state_->cancel(); }
  void close() { state_->close(); }
  /// Whether bind() was successful, and close() not called since.
  [[nodiscard]] bool is_open() const noexcept { return state_->socket().has_value(); }
  /// Unspecified without bind().
  [[nodiscard]] endpoint_type local_endpoint() const {
    return state_->socket() ? to_asio<protocol_type>(state_->socket()->local()) : endpoint_type{};
  }
  /// For groups, connect() and the like; only after bind(). Its callbacks belong to this socket.
  [[nodiscard]] udp::Socket& native_handle() noexcept { return *state_->socket(); }

 private:
  std::unique_ptr<detail::DatagramState> state_;
};

}  // namespace tapir::asio
