#pragma once

// What Boost.Beast's websocket::stream asks of a transport that is no socket of the system's: how to end it. HTTP does without.

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/role.hpp>

#include <tapir/asio/tcp_stream.hpp>

namespace tapir::asio {

namespace detail {

/// RFC 6455 section 7.1.1: the server ends the connection first, so that TIME-WAIT is on its side; what the peer still sends is thrown away.
class TearingDown {
 public:
  TearingDown(boost::beast::role_type role, tcp_stream& stream) : role_{role}, stream_{&stream} {}

  template <class Self>
  void operator()(Self& self) {
    if (role_ == boost::beast::role_type::server) end();
    read(self);
  }
  template <class Self>
  void operator()(Self& self, boost::system::error_code error, std::size_t) {
    if (!error) return read(self);
    if (error == boost::asio::error::eof) {
      if (role_ == boost::beast::role_type::client) end();
      error = {};
    }
    stream_->close();
    self.complete(error);
  }

 private:
  template <class Self>
  void read(Self& self) {
    const auto buffer = boost::asio::buffer(*unwanted_);
    stream_->async_read_some(buffer, std::move(self));
  }
  void end() {
    boost::system::error_code already;
    stream_->shutdown(tcp_stream::shutdown_type::shutdown_send, already);
  }

  boost::beast::role_type role_;
  tcp_stream* stream_;
  std::unique_ptr<std::array<std::byte, 2048>> unwanted_ = std::make_unique<std::array<std::byte, 2048>>();
};

}  // namespace detail

/// Found by Boost.Beast: closes at once, when something has failed.
inline void beast_close_socket(tcp_stream& stream) { stream.close(); }

/// Found by Boost.Beast: ends the connection in order, after the closing handshake. void(error_code)
template <class Handler>
void async_teardown(boost::beast::role_type role, tcp_stream& stream, Handler&& handler) {
  boost::asio::async_compose<Handler, void(boost::system::error_code)>(detail::TearingDown{role, stream}, handler, stream.get_executor());
}

}  // namespace tapir::asio
