#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <boost/asio/append.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <tapir/asio/resolver.hpp>
#include <tapir/asio/tcp_stream.hpp>

namespace tapir::asio {

namespace detail {

/// Tries one endpoint after another.
class ConnectingToAny {
 public:
  ConnectingToAny(tcp_stream& stream, const resolver::results_type& results) : stream_{&stream} {
    for (const auto& entry : results) endpoints_.push_back(entry.endpoint());
  }

  template <class Self>
  void operator()(Self& self) {
    if (!endpoints_.empty()) return try_next(self);
    const auto executor = stream_->get_executor();
    boost::asio::post(executor, boost::asio::append(std::move(self), boost::system::error_code{boost::asio::error::not_found}));
  }
  template <class Self>
  void operator()(Self& self, boost::system::error_code error) {
    if (!error) return self.complete(error, endpoints_[next_ - 1]);
    if (next_ == endpoints_.size() || error == boost::asio::error::operation_aborted)
      return self.complete(error, tcp_stream::endpoint_type{});
    try_next(self);
  }

 private:
  template <class Self>
  void try_next(Self& self) {
    const auto endpoint = endpoints_[next_++];
    stream_->async_connect(endpoint, std::move(self));
  }

  tcp_stream* stream_;
  std::vector<tcp_stream::endpoint_type> endpoints_;
  std::size_t next_ = 0;
};

}  // namespace detail

/// Connects `stream` to the first of `results` that takes the connection; void(error_code, endpoint): which, or the error of the last one.
/// boost::asio::error::not_found for no results.
template <boost::asio::completion_token_for<void(boost::system::error_code, tcp_stream::endpoint_type)> Token>
auto async_connect(tcp_stream& stream, const resolver::results_type& results, Token&& token) {
  return boost::asio::async_compose<Token, void(boost::system::error_code, tcp_stream::endpoint_type)>(
      detail::ConnectingToAny{stream, results}, token, stream.get_executor());
}

}  // namespace tapir::asio
