#include "hosts.hpp"

#include <array>
#include <memory>
#include <optional>

#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

namespace {

/// Everything that comes until the peer ends the stream.
awaitable<std::vector<std::byte>> read_all(tcp_stream& stream) {
  std::vector<std::byte> all;
  const auto [error, count] = co_await net::async_read(stream, net::dynamic_buffer(all), with_error);
  CHECK(error == net::error::eof);
  CHECK(count == all.size());
  co_return all;
}

/// RFC 862 for one connection.
awaitable<void> echo(tcp_stream& stream) {
  std::array<std::byte, 1000> buffer{};
  for (;;) {
    const auto [error, count] = co_await stream.async_read_some(net::buffer(buffer), with_error);
    if (error) {
      CHECK(error == net::error::eof);
      break;
    }
    co_await net::async_write(stream, net::buffer(buffer, count), use_awaitable);
  }
  ErrorCode error;
  stream.shutdown(tcp_stream::shutdown_type::shutdown_send, error);
  CHECK_FALSE(error);
}

awaitable<void> send_and_end(tcp_stream& stream, const std::vector<std::byte>& data) {
  co_await net::async_write(stream, net::buffer(data), use_awaitable);
  ErrorCode error;
  stream.shutdown(tcp_stream::shutdown_type::shutdown_send, error);
  CHECK_FALSE(error);
}

}  // namespace

TEST_CASE("coroutines on two hosts: connect, accept, echo, half-close, end of stream", "[asio]") {
  Hosts hosts;
  const auto text = noise(20'000, 1);
  const auto serve = [&]() -> awaitable<void> {
    tcp_acceptor acceptor{hosts.io, hosts.server()};
    CHECK_FALSE(acceptor.listen({{}, kEcho}));
    auto stream = co_await acceptor.async_accept(use_awaitable);
    CHECK(stream.local_endpoint() == to_asio<net::ip::tcp>({kRightAddress, kEcho}));
    co_await echo(stream);
  };
  const auto ask = [&]() -> awaitable<void> {
    tcp_stream stream{hosts.io, hosts.client()};
    co_await stream.async_connect(to_asio<net::ip::tcp>({kRightAddress, kEcho}), use_awaitable);
    CHECK(stream.is_open());
    CHECK(stream.remote_endpoint() == to_asio<net::ip::tcp>({kRightAddress, kEcho}));
    co_await send_and_end(stream, text);
    const auto answer = co_await read_all(stream);  // the other direction goes on after the half-close
    CHECK(answer == text);
  };
  hosts.play(serve(), ask());
}

TEST_CASE("5 MB each way at once through loss, byte for byte", "[asio]") {
  PairConfig config;
  config.cable.faults = {.loss = 0.01, .reordering = 0.02};
  Hosts hosts{config};
  auto [left, right] = hosts.connected();
  const auto to_right = noise(5'000'000, 1);
  const auto to_left = noise(5'000'000, 2);
  const auto receive = [](tcp_stream& stream, const std::vector<std::byte>& expected) -> awaitable<void> {
    const auto got = co_await read_all(stream);
    CHECK(got == expected);
  };
  hosts.play(send_and_end(left, to_right), receive(left, to_left), send_and_end(right, to_left), receive(right, to_right));
  CHECK(hosts.client().tcp().stats().retrans_segs > 0);
}

TEST_CASE("a closed port refuses; the same stream then connects elsewhere", "[asio]") {
  Hosts hosts;
  tcp_acceptor acceptor{hosts.io, hosts.server()};
  REQUIRE_FALSE(acceptor.listen({{}, kEcho}));
  CHECK(acceptor.listen({{}, kEcho}) == net::error::address_in_use);
  tcp_stream stream{hosts.io, hosts.client()};
  const auto ask = [&]() -> awaitable<void> {
    const auto [refused] = co_await stream.async_connect(Endpoint{kRightAddress, Port{8}}, with_error);
    CHECK(refused == net::error::connection_refused);
    CHECK_FALSE(stream.is_open());
    const auto [taken] = co_await stream.async_connect(Endpoint{kRightAddress, kEcho}, with_error);
    CHECK_FALSE(taken);
    const auto [twice] = co_await stream.async_connect(Endpoint{kRightAddress, kEcho}, with_error);
    CHECK(twice == net::error::already_connected);
    const auto [family] = co_await tcp_stream{hosts.io, hosts.client()}.async_connect({net::ip::address_v6::loopback(), 7}, with_error);
    CHECK(family == net::error::address_family_not_supported);
  };
  hosts.play(ask());
}

TEST_CASE("a stream without connection reads and writes nothing", "[asio]") {
  Hosts hosts;
  tcp_stream stream{hosts.io, hosts.client()};
  std::array<std::byte, 10> buffer{};
  const auto ask = [&]() -> awaitable<void> {
    const auto [read, got] = co_await stream.async_read_some(net::buffer(buffer), with_error);
    CHECK(read == net::error::not_connected);
    const auto [written, sent] = co_await stream.async_write_some(net::buffer(buffer), with_error);
    CHECK(written == net::error::not_connected);
    CHECK(got + sent == 0);
    ErrorCode error;
    stream.shutdown(tcp_stream::shutdown_type::shutdown_both, error);
    CHECK(error == net::error::not_connected);
  };
  hosts.play(ask());
}

TEST_CASE("a reset and a write after the own end are told by their names", "[asio]") {
  Hosts hosts;
  auto [left, right] = hosts.connected();
  std::array<std::byte, 10> buffer{};
  const auto ask = [&]() -> awaitable<void> {
    ErrorCode error;
    left.shutdown(tcp_stream::shutdown_type::shutdown_send, error);
    const auto [written, sent] = co_await left.async_write_some(net::buffer(buffer), with_error);
    CHECK(written == net::error::broken_pipe);
    CHECK(sent == 0);
    right.native_handle().abort();
    const auto [read, got] = co_await left.async_read_some(net::buffer(buffer), with_error);
    CHECK(read == net::error::connection_reset);
    CHECK(got == 0);
  };
  hosts.play(ask());
}

TEST_CASE("a time limit on a read is virtual time, and loses no byte", "[asio]") {
  Hosts hosts;
  auto [left, right] = hosts.connected();
  std::array<char, 10> buffer{};
  const auto ask = [&]() -> awaitable<void> {
    VirtualTimer limit{hosts.io, hosts.pair.world.scheduler()};
    const auto began = hosts.pair.world.now();
    limit.expires_after(3s);
    const auto late = co_await (left.async_read_some(net::buffer(buffer), use_awaitable) || limit.async_wait(use_awaitable));
    CHECK(late.index() == 1);
    CHECK(hosts.pair.world.now() - began == 3s);
    // The positive twin: what comes in time wins, and the read that was given up has taken none of it.
    co_await net::async_write(right, net::buffer("abc", 3), use_awaitable);
    limit.expires_after(3s);
    const auto timely = co_await (left.async_read_some(net::buffer(buffer), use_awaitable) || limit.async_wait(use_awaitable));
    CHECK(timely.index() == 0);
    CHECK(std::string(buffer.data(), 3) == "abc");
    CHECK(hosts.pair.world.now() - began < 4s);
  };
  hosts.play(ask());
}

TEST_CASE("a write waits for room in the send buffer, and for nothing else", "[asio]") {
  Hosts hosts;
  auto [left, right] = hosts.connected({.settings = {.send_buffer = 1000}}, {.settings = {.receive_buffer = 1000}});
  const auto text = noise(10'000, 3);
  std::optional<std::size_t> taken;
  const auto write = [&] {
    taken.reset();
    left.async_write_some(net::buffer(text), [&](ErrorCode error, std::size_t count) {
      CHECK_FALSE(error);
      taken = count;
    });
    hosts.pass(1min);
  };
  std::size_t total = 0;
  for (write(); taken; write()) {
    CHECK(*taken > 0);
    total += *taken;
  }
  CHECK(total >= 1000);  // both buffers are full, and a write waits
  std::array<std::byte, 1000> buffer{};
  right.async_read_some(net::buffer(buffer), [](ErrorCode error, std::size_t count) {
    CHECK_FALSE(error);
    CHECK(count == 1000);
  });
  hosts.pass(10min);
  CHECK(taken.value_or(0) > 0);
}

TEST_CASE("coroutines that wait are gone with their io_context, and their connections with them", "[asio]") {
  Pair pair;
  auto token = std::make_shared<int>(0);
  {
    net::io_context io;
    const auto serve = [](net::io_context& context, Stack& stack, std::shared_ptr<int>) -> awaitable<void> {
      tcp_acceptor acceptor{context, stack};
      CHECK_FALSE(acceptor.listen({{}, kEcho}));
      auto stream = co_await acceptor.async_accept(use_awaitable);
      co_await (echo(stream) && acceptor.async_accept(use_awaitable));
    };
    const auto ask = [](net::io_context& context, Stack& stack, std::shared_ptr<int>) -> awaitable<void> {
      tcp_stream stream{context, stack};
      co_await stream.async_connect(Endpoint{kRightAddress, kEcho}, use_awaitable);
      co_await read_all(stream);
    };
    net::co_spawn(io, serve(io, *pair.right, token), net::detached);
    net::co_spawn(io, ask(io, *pair.left, token), net::detached);
    tapir::asio::run_for(pair.world, io, 1s);
    CHECK(token.use_count() == 3);
    CHECK(pair.right->tcp().stats().curr_estab == 1);
  }
  CHECK(token.use_count() == 1);
  pair.world.run_for(1h);
  CHECK(pair.left->tcp().connection_count() == 0);
  CHECK(pair.right->tcp().connection_count() == 0);
  CHECK(pair.right->tcp().listen(kEcho));
}
