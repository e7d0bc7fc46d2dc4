#pragma once

#include <catch2/catch.hpp>

#include <exception>
#include <string>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <scenario/pair.hpp>
#include <tapir/asio.hpp>

namespace tapir::test {

namespace net = boost::asio;
using net::awaitable;
using net::use_awaitable;
using tapir::asio::resolver;
using tapir::asio::tcp_acceptor;
using tapir::asio::tcp_stream;
using tapir::asio::to_asio;
using tapir::asio::udp_socket;
using VirtualTimer = tapir::asio::steady_timer;
using ErrorCode = boost::system::error_code;

/// Errors are part of the result instead of exceptions. (No co_await inside CHECK(): it names its expression twice, the second time behind
/// `false &&`, where GCC 12 awaits all the same.)
inline constexpr auto with_error = net::as_tuple(net::use_awaitable);

inline constexpr Port kEcho{7};

/// Two hosts in virtual time, and the io_context that programs on both use.
struct Hosts {
  explicit Hosts(const PairConfig& config = {}) : pair{config} {}

  [[nodiscard]] Stack& client() { return *pair.left; }
  [[nodiscard]] Stack& server() { return *pair.right; }
  /// A stream between the two that is established, the client's end first.
  [[nodiscard]] std::pair<tcp_stream, tcp_stream> connected(const tcp::ConnectOptions& options = {},
                                                            const tcp::ListenOptions& passive = {}) {
    std::pair<tcp_stream, tcp_stream> ends{tcp_stream{io, client()}, tcp_stream{io, server()}};
    tcp_acceptor acceptor{io, server()};
    REQUIRE_FALSE(acceptor.listen({{}, kEcho}, passive));
    int done = 0;
    acceptor.async_accept([&](ErrorCode error, tcp_stream stream) {
      done += !error;
      ends.second = std::move(stream);
    });
    ends.first.async_connect(Endpoint{kRightAddress, kEcho}, [&](ErrorCode error) { done += !error; }, options);
    REQUIRE(until([&] { return done == 2; }));
    return ends;
  }

  [[nodiscard]] bool until(const std::function<bool()>& done, Duration limit = std::chrono::hours{1}) {
    return tapir::asio::run_until(pair.world, io, done, limit);
  }
  void pass(Duration time) { tapir::asio::run_for(pair.world, io, time); }

  /// Runs the coroutines until all have ended. What one throws fails the test.
  template <class... Coroutines>
  void play(Coroutines... coroutines) {
    auto running = sizeof...(coroutines);
    const auto over = [&running](const std::exception_ptr& thrown) {
      --running;
      if (thrown) std::rethrow_exception(thrown);
    };
    (net::co_spawn(io, std::move(coroutines), over), ...);
    REQUIRE(until([&running] { return running == 0; }));
  }

  Pair pair;
  net::io_context io{1};
};

}  // namespace tapir::test
