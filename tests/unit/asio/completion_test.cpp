// When operations complete, and how they are called off.
#include "counting_allocator.hpp"
#include "hosts.hpp"

#include <array>
#include <memory>
#include <optional>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A stream of which a read waits.
struct Reading {
  Reading() : ends{hosts.connected()}, stream{std::move(ends.first)} {}

  void read() {
    outcome.reset();
    stream->async_read_some(net::buffer(buffer), [this](ErrorCode error, std::size_t) { outcome = error; });
    hosts.pass(1s);
    CHECK_FALSE(outcome);  // there is nothing to read
  }

  Hosts hosts;
  std::pair<tcp_stream, tcp_stream> ends;
  std::optional<tcp_stream> stream;
  std::array<std::byte, 10> buffer{};
  std::optional<ErrorCode> outcome;
};
}  // namespace

TEST_CASE("cancel() aborts what waits, and the connection goes on", "[asio]") {
  Reading reading;
  reading.read();
  reading.stream->cancel();
  CHECK_FALSE(reading.outcome);  // a handler is never called from inside a call of the user's
  reading.hosts.pass(1ns);
  CHECK(reading.outcome == ErrorCode{net::error::operation_aborted});
  CHECK(reading.stream->is_open());

  reading.read();
  bool written = false;
  reading.ends.second.async_write_some(net::buffer("x", 1), [&](ErrorCode error, std::size_t) { written = !error; });
  reading.hosts.pass(1s);
  CHECK(written);
  CHECK(reading.outcome == ErrorCode{});
}

TEST_CASE("close() and the end of a stream abort what waits; shutdown_receive ends it", "[asio]") {
  Reading reading;
  reading.read();
  SECTION("close()") {
    reading.stream->close();
    reading.hosts.pass(1ns);
    CHECK(reading.outcome == ErrorCode{net::error::operation_aborted});
    CHECK_FALSE(reading.stream->is_open());
  }
  SECTION("the stream goes") {
    reading.stream.reset();
    reading.hosts.pass(1ns);
    CHECK(reading.outcome == ErrorCode{net::error::operation_aborted});
  }
  SECTION("shutdown_receive is no abortion but the end of the stream") {
    ErrorCode error;
    reading.stream->shutdown(tcp_stream::shutdown_type::shutdown_receive, error);
    CHECK_FALSE(error);
    reading.hosts.pass(1ns);
    CHECK(reading.outcome == ErrorCode{net::error::eof});
  }
}

TEST_CASE("a cancellation slot aborts one operation, when it is asked to", "[asio]") {
  Reading reading;
  net::cancellation_signal signal;
  reading.stream->async_read_some(
      net::buffer(reading.buffer),
      net::bind_cancellation_slot(signal.slot(), [&](ErrorCode error, std::size_t) { reading.outcome = error; }));
  reading.hosts.pass(1s);
  signal.emit(net::cancellation_type::none);
  reading.hosts.pass(1s);
  CHECK_FALSE(reading.outcome);
  signal.emit(net::cancellation_type::total);
  signal.emit(net::cancellation_type::total);  // it is over already
  reading.hosts.pass(1ns);
  CHECK(reading.outcome == ErrorCode{net::error::operation_aborted});
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
