#include "hosts.hpp"

#include <array>
#include <memory>
#include <optional>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
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

TEST_CASE("what waits is aborted by cancel(), close(), a slot, and the end of its stream; what does not, is not", "[asio]") {
  Hosts hosts;
  auto ends = hosts.connected();
  std::optional<tcp_stream> stream{std::move(ends.first)};
  std::array<std::byte, 10> buffer{};
  std::optional<ErrorCode> outcome;
  const auto read = [&] {
    outcome.reset();
    stream->async_read_some(net::buffer(buffer), [&](ErrorCode error, std::size_t) { outcome = error; });
    hosts.pass(1s);
    CHECK_FALSE(outcome);  // there is nothing to read
  };

  SECTION("cancel()") {
    read();
    stream->cancel();
    CHECK_FALSE(outcome);  // a handler is never called from inside a call of the user's
    hosts.pass(1ns);
    CHECK(outcome == ErrorCode{net::error::operation_aborted});
    CHECK(stream->is_open());
    SECTION("and the connection goes on") {
      read();
      bool written = false;
      ends.second.async_write_some(net::buffer("x", 1), [&](ErrorCode error, std::size_t) { written = !error; });
      hosts.pass(1s);
      CHECK(written);
      CHECK(outcome == ErrorCode{});
    }
  }
  SECTION("close()") {
    read();
    stream->close();
    hosts.pass(1ns);
    CHECK(outcome == ErrorCode{net::error::operation_aborted});
    CHECK_FALSE(stream->is_open());
  }
  SECTION("the stream goes") {
    read();
    stream.reset();
    hosts.pass(1ns);
    CHECK(outcome == ErrorCode{net::error::operation_aborted});
  }
  SECTION("a cancellation slot") {
    net::cancellation_signal signal;
    stream->async_read_some(net::buffer(buffer),
                            net::bind_cancellation_slot(signal.slot(), [&](ErrorCode error, std::size_t) { outcome = error; }));
    hosts.pass(1s);
    signal.emit(net::cancellation_type::none);
    hosts.pass(1s);
    CHECK_FALSE(outcome);
    signal.emit(net::cancellation_type::total);
    signal.emit(net::cancellation_type::total);  // it is over already
    hosts.pass(1ns);
    CHECK(outcome == ErrorCode{net::error::operation_aborted});
  }
  SECTION("shutdown_receive is no abortion but the end of the stream") {
    read();
    ErrorCode error;
    stream->shutdown(tcp_stream::shutdown_type::shutdown_receive, error);
    CHECK_FALSE(error);
    hosts.pass(1ns);
    CHECK(outcome == ErrorCode{net::error::eof});
  }
}

TEST_CASE("a connect can be cancelled and tried again", "[asio]") {
  Hosts hosts;
  tcp_stream stream{hosts.io, hosts.client()};
  std::optional<ErrorCode> outcome;
  stream.async_connect(Endpoint{Ipv4Address{0xc0000209}, kEcho}, [&](ErrorCode error) { outcome = error; });  // nobody there
  hosts.pass(1ms);
  CHECK_FALSE(outcome);
  stream.cancel();
  hosts.pass(1ns);
  CHECK(outcome == ErrorCode{net::error::operation_aborted});
  CHECK_FALSE(stream.is_open());

  tcp_acceptor acceptor{hosts.io, hosts.server()};
  REQUIRE_FALSE(acceptor.listen({{}, kEcho}));
  stream.async_connect(Endpoint{kRightAddress, kEcho}, [&](ErrorCode error) { outcome = error; });
  hosts.pass(1s);
  CHECK(outcome == ErrorCode{});
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

TEST_CASE("an acceptor's waiters get connections in their order; cancel() and close() end them", "[asio]") {
  Hosts hosts;
  tcp_acceptor acceptor{hosts.io, hosts.server()};
  std::vector<ErrorCode> outcomes;
  std::vector<tcp_stream> accepted;
  const auto wait = [&] {
    acceptor.async_accept([&](ErrorCode error, tcp_stream stream) {
      outcomes.push_back(error);
      accepted.push_back(std::move(stream));
    });
  };
  wait();
  hosts.pass(1s);
  CHECK(outcomes == std::vector<ErrorCode>{net::error::not_connected});
  CHECK_FALSE(accepted[0].is_open());

  REQUIRE_FALSE(acceptor.listen({{}, kEcho}));
  CHECK(acceptor.local_endpoint().port() == 7);
  outcomes.clear();
  accepted.clear();
  wait();
  wait();
  std::vector<tcp_stream> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(hosts.io, hosts.client()).async_connect(Endpoint{kRightAddress, kEcho}, [](ErrorCode error) {
      CHECK_FALSE(error);
    });
    hosts.pass(1s);
  }
  REQUIRE(outcomes == std::vector<ErrorCode>(2));
  CHECK(accepted[0].remote_endpoint() == clients[0].local_endpoint());
  CHECK(accepted[1].remote_endpoint() == clients[1].local_endpoint());
  CHECK(acceptor.native_handle().waiting() == 1);  // nobody asked for the third, which counts towards the backlog
  wait();
  hosts.pass(1s);
  REQUIRE(accepted.size() == 3);
  CHECK(accepted[2].remote_endpoint() == clients[2].local_endpoint());

  outcomes.clear();
  wait();
  acceptor.cancel();
  wait();
  hosts.pass(1s);
  CHECK(outcomes == std::vector<ErrorCode>{net::error::operation_aborted});  // the second waits: it listens still
  acceptor.close();
  hosts.pass(1s);
  CHECK(outcomes == std::vector<ErrorCode>(2, net::error::operation_aborted));
}

namespace {
/// Counts the bytes that are allocated now, and all that ever were.
template <class T>
struct Counting {
  using value_type = T;
  std::ptrdiff_t* now;
  std::ptrdiff_t* ever;
  Counting(std::ptrdiff_t* live, std::ptrdiff_t* total) : now{live}, ever{total} {}
  template <class U>
  Counting(const Counting<U>& other) : now{other.now}, ever{other.ever} {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t count) {
    *now += static_cast<std::ptrdiff_t>(count * sizeof(T));
    *ever += static_cast<std::ptrdiff_t>(count * sizeof(T));
    return std::allocator<T>{}.allocate(count);
  }
  void deallocate(T* memory, std::size_t count) {
    *now -= static_cast<std::ptrdiff_t>(count * sizeof(T));
    std::allocator<T>{}.deallocate(memory, count);
  }
  bool operator==(const Counting&) const = default;
};
}  // namespace

TEST_CASE("a handler is called by its own executor, and lives in its own allocator's memory", "[asio]") {
  Hosts hosts;
  auto [left, right] = hosts.connected();
  net::io_context other;
  std::array<std::byte, 10> buffer{};
  std::ptrdiff_t now = 0;
  std::ptrdiff_t ever = 0;
  std::optional<std::size_t> got;
  left.async_read_some(
      net::buffer(buffer),
      net::bind_executor(other.get_executor(), net::bind_allocator(Counting<void*>{&now, &ever}, [&](ErrorCode, std::size_t count) {
                           CHECK(now == 0);  // freed before the call
                           got = count;
                         })));
  CHECK(now > 0);
  right.async_write_some(net::buffer("abc", 3), [](ErrorCode error, std::size_t) { CHECK_FALSE(error); });
  hosts.pass(1s);
  CHECK_FALSE(got);
  CHECK(other.run() == 1);
  CHECK(got == 3U);
  CHECK(ever > 0);
}

TEST_CASE("an operation that can be done at once still completes later", "[asio]") {
  Hosts hosts;
  auto [left, right] = hosts.connected();
  bool done = false;
  left.async_write_some(net::buffer("abc", 3), [&](ErrorCode error, std::size_t) { done = !error; });
  CHECK_FALSE(done);
  hosts.pass(1ns);
  CHECK(done);
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

TEST_CASE("a timer waits for virtual time; a new expiry aborts those that wait", "[asio]") {
  Hosts hosts;
  VirtualTimer timer{hosts.io, hosts.pair.world.scheduler()};
  const auto began = hosts.pair.world.now();
  std::vector<std::pair<ErrorCode, Duration>> outcomes;
  const auto wait = [&] { timer.async_wait([&](ErrorCode error) { outcomes.emplace_back(error, hosts.pair.world.now() - began); }); };
  timer.expires_after(24h);
  wait();
  hosts.pass(1h);
  CHECK(outcomes.empty());
  timer.expires_after(2h);
  wait();
  hosts.pass(48h);
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0] == std::pair{ErrorCode{net::error::operation_aborted}, Duration{1h}});
  CHECK(outcomes[1] == std::pair{ErrorCode{}, Duration{3h}});
  wait();  // expired already
  hosts.pass(1ns);
  CHECK(outcomes.size() == 3);
}
