#include "hosts.hpp"

#include <array>
#include <thread>

#include <boost/asio/detached.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr Ipv4Address kLoopback{0x7f000001};
constexpr Duration kLong = 60s;  ///< a limit that only a hanging test reaches

/// A host that talks with itself, in real time.
struct LoopbackHost {
  Runtime runtime;
  Stack stack{runtime, StackConfig{}};
  net::io_context io{1};
};

awaitable<void> echo_once(LoopbackHost& host) {
  tcp_acceptor acceptor{host.io, host.stack};
  CHECK_FALSE(acceptor.listen({{}, kEcho}));
  auto stream = co_await acceptor.async_accept(use_awaitable);
  std::array<char, 5> text{};
  co_await net::async_read(stream, net::buffer(text), use_awaitable);
  co_await net::async_write(stream, net::buffer(text), use_awaitable);
}

}  // namespace

TEST_CASE("coroutines in real time, until one of them stops the runtime", "[asio]") {
  LoopbackHost host;
  const auto ask = [&]() -> awaitable<void> {
    tcp_stream stream{host.io, host.stack};
    co_await stream.async_connect(Endpoint{kLoopback, kEcho}, use_awaitable);
    co_await net::async_write(stream, net::buffer("hello", 5), use_awaitable);
    std::array<char, 5> answer{};
    co_await net::async_read(stream, net::buffer(answer), use_awaitable);
    CHECK(std::string(answer.data(), 5) == "hello");
    host.runtime.stop(7);
  };
  net::co_spawn(host.io, echo_once(host), net::detached);
  net::co_spawn(host.io, ask(), net::detached);
  CHECK(tapir::asio::run(host.runtime, host.io) == 7);
  CHECK_FALSE(host.runtime.stopping());
}

TEST_CASE("what wakes a program that waits: Boost.Asio's timers and sockets, the scheduler's timers, other threads", "[asio]") {
  LoopbackHost host;
  std::vector<std::string> events;
  const auto until = [&](std::size_t count) {
    return tapir::asio::run_until(host.runtime, host.io, [&] { return events.size() == count; }, kLong);
  };

  net::steady_timer machine{host.io, 1ms};
  machine.async_wait([&](ErrorCode) { events.emplace_back("Boost.Asio's timer"); });
  CHECK(until(1));

  VirtualTimer ours{host.io, host.runtime.scheduler()};
  ours.expires_after(1ms);
  ours.async_wait([&](ErrorCode) { events.emplace_back("the scheduler's timer"); });
  CHECK(until(2));

  net::local::stream_protocol::socket near{host.io};
  net::local::stream_protocol::socket far{host.io};
  net::local::connect_pair(near, far);
  std::array<char, 1> byte{};
  near.async_read_some(net::buffer(byte), [&](ErrorCode, std::size_t) { events.emplace_back("a socket of the system's"); });
  std::thread writer{[&] { net::write(far, net::buffer("x", 1)); }};
  CHECK(until(3));
  writer.join();

  std::thread poster{[&] { net::post(host.io, [&] { events.emplace_back("another thread, by the io_context"); }); }};
  CHECK(until(4));
  poster.join();

  std::thread other{[&] { host.runtime.post([&] { events.emplace_back("another thread, by the runtime"); }); }};
  CHECK(until(5));
  other.join();

  CHECK(events == std::vector<std::string>{"Boost.Asio's timer", "the scheduler's timer", "a socket of the system's",
                                           "another thread, by the io_context", "another thread, by the runtime"});
}

TEST_CASE("a run ends at its limit, by io_context::stop(), and with what a handler throws; and can begin again", "[asio]") {
  LoopbackHost host;
  CHECK_FALSE(tapir::asio::run_until(host.runtime, host.io, [] { return false; }, 1ms));
  net::post(host.io, [&] { host.io.stop(); });
  CHECK(tapir::asio::run(host.runtime, host.io) == 0);
  net::post(host.io, [] { throw std::runtime_error{"a handler's"}; });
  CHECK_THROWS_AS(tapir::asio::run(host.runtime, host.io), std::runtime_error);
  net::post(host.io, [&] { host.runtime.stop(3); });
  CHECK(tapir::asio::run(host.runtime, host.io) == 3);
}

TEST_CASE("a handler that posts itself for ever starves neither the stack nor time", "[asio]") {
  LoopbackHost host;
  bool pinged = false;
  const std::function<void()> again = [&] { net::post(host.io, again); };
  again();
  const auto ping = host.stack.ping(kLoopback, {}, [&](const icmp::PingEvent& event) { pinged = pinged || event.reply.has_value(); });
  REQUIRE(ping);
  CHECK(tapir::asio::run_until(host.runtime, host.io, [&] { return pinged; }, kLong));
  CHECK_FALSE(tapir::asio::run_until(host.runtime, host.io, [] { return false; }, 1ms));
}
