#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <tapir/asio/detail/operation_queue.hpp>
#include <tapir/asio/error.hpp>
#include <tapir/stack/stack.hpp>
#include <tapir/tcp/connection.hpp>

namespace tapir::asio::detail {

/// What a tcp_stream is behind its handle: a connection, and the operations that wait for it. It stays where it is when the handle moves.
class ConnectionState {
 public:
  using Transferred = std::tuple<boost::system::error_code, std::size_t>;

  ConnectionState(boost::asio::any_io_executor executor, Stack& stack) : executor_{std::move(executor)}, stack_{&stack} {}
  ConnectionState(const ConnectionState&) = delete;
  ConnectionState& operator=(const ConnectionState&) = delete;
  ~ConnectionState() { close(); }

  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] tcp::Connection& connection() noexcept { return connection_; }
  [[nodiscard]] OperationQueue& connects() noexcept { return connects_; }
  [[nodiscard]] OperationQueue& reads() noexcept { return reads_; }
  [[nodiscard]] OperationQueue& writes() noexcept { return writes_; }

  /// Begins an active open; connected() tells how it goes on.
  [[nodiscard]] boost::system::error_code open(const std::optional<Endpoint>& remote, const tcp::ConnectOptions& options) {
    if (connection_) return boost::asio::error::already_connected;
    if (!remote) return boost::asio::error::address_family_not_supported;
    auto connection = stack_->tcp().connect(*remote, options);
    if (!connection) return to_asio(connection.error());
    adopt(std::move(*connection), false);
    return {};
  }

  /// Takes over a connection; `connected`: its handshake is complete.
  void adopt(tcp::Connection connection, bool connected) {
    connection_ = std::move(connection);
    connected_ = connected;
    failure_.reset();
    connection_.handle({.connected =
                            [this] {
                              connected_ = true;
                              connects_.attempt_each();
                            },
                        .readable = [this] { reads_.attempt_each(); },
                        .writable = [this] { writes_.attempt_each(); },
                        .peer_closed = [this] { reads_.attempt_each(); },
                        .closed =
                            [this](std::error_code why) {
                              failure_ = why ? to_asio(why) : boost::asio::error::not_connected;
                              connects_.attempt_each();
                              reads_.attempt_each();
                              writes_.attempt_each();
                            }});
  }

  /// Whether the handshake is complete, or why it never will be; empty: neither yet.
  [[nodiscard]] std::optional<boost::system::error_code> connected() const {
    if (connected_) return boost::system::error_code{};
    return failure_;
  }

  /// Fills `buffers` as far as data has arrived; empty: nothing has.
  template <class MutableBuffers>
  [[nodiscard]] std::optional<Transferred> read(const MutableBuffers& buffers) {
    std::size_t total = 0;
    for (auto next = boost::asio::buffer_sequence_begin(buffers); next != boost::asio::buffer_sequence_end(buffers); ++next) {
      const boost::asio::mutable_buffer buffer{*next};
      if (buffer.size() == 0) continue;
      const auto count = connection_.receive(std::span{static_cast<std::byte*>(buffer.data()), buffer.size()});
      if (!count || *count == 0) return total > 0 ? Transferred{boost::system::error_code{}, total} : nothing_read(count);
      total += *count;
      if (*count < buffer.size()) break;
    }
    return Transferred{boost::system::error_code{}, total};
  }

  /// Sends of `buffers` what the send buffer takes; empty: it takes nothing now.
  template <class ConstBuffers>
  [[nodiscard]] std::optional<Transferred> write(const ConstBuffers& buffers) {
    std::size_t total = 0;
    for (auto next = boost::asio::buffer_sequence_begin(buffers); next != boost::asio::buffer_sequence_end(buffers); ++next) {
      const boost::asio::const_buffer buffer{*next};
      if (buffer.size() == 0) continue;
      const auto count = connection_.send(std::span{static_cast<const std::byte*>(buffer.data()), buffer.size()});
      if (!count && total > 0) break;
      if (!count && count.error() == Error::would_block) return std::nullopt;
      if (!count) return Transferred{to_asio(count.error()), 0};
      total += *count;
      if (*count < buffer.size()) break;
    }
    return Transferred{boost::system::error_code{}, total};
  }

  /// From now on a read that finds nothing meets the end of the stream.
  void stop_receiving() {
    receiving_ = false;
    reads_.attempt_each();
  }

  void cancel() {
    connects_.abort_all();
    reads_.abort_all();
    writes_.abort_all();
  }

  void close() {
    connection_ = {};
    connected_ = false;
    receiving_ = true;
    failure_.reset();
    cancel();
  }

 private:
  /// What a read that got nothing ends with.
  [[nodiscard]] std::optional<Transferred> nothing_read(const Result<std::size_t>& count) const {
    const bool waiting = !count && count.error() == Error::would_block;
    if (waiting && receiving_) return std::nullopt;
    if (count || waiting) return Transferred{boost::asio::error::eof, 0};
    return Transferred{to_asio(count.error()), 0};
  }

  boost::asio::any_io_executor executor_;
  Stack* stack_;
  OperationQueue connects_;
  OperationQueue reads_;
  OperationQueue writes_;
  tcp::Connection connection_;
  std::optional<boost::system::error_code> failure_;  ///< the connection is over
  bool connected_ = false;
  bool receiving_ = true;
};

/// Waits for the handshake.
struct Connecting {
  using Outcome = std::tuple<boost::system::error_code>;
  ConnectionState* state;
  boost::system::error_code error;  ///< the open failed at once

  [[nodiscard]] std::optional<Outcome> attempt() const {
    if (error) return error;
    const auto connected = state->connected();
    if (!connected) return std::nullopt;
    return *connected ? failed(*connected) : Outcome{};
  }
  /// Leaves a stream that can try another endpoint.
  [[nodiscard]] Outcome failed(boost::system::error_code why) const {
    state->connection() = {};
    return why;
  }
};

template <class Buffers>
struct Reading {
  using Outcome = ConnectionState::Transferred;
  ConnectionState* state;
  Buffers buffers;

  [[nodiscard]] std::optional<Outcome> attempt() { return state->read(buffers); }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return {error, 0}; }
};

template <class Buffers>
struct Writing {
  using Outcome = ConnectionState::Transferred;
  ConnectionState* state;
  Buffers buffers;

  [[nodiscard]] std::optional<Outcome> attempt() { return state->write(buffers); }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return {error, 0}; }
};

}  // namespace tapir::asio::detail
