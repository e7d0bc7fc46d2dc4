#include "hosts.hpp"

#include <array>
#include <optional>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("datagrams between coroutines on two hosts", "[asio]") {
  Hosts hosts;
  const auto serve = [&]() -> awaitable<void> {
    udp_socket socket{hosts.io, hosts.server()};
    CHECK_FALSE(socket.bind({{}, kEcho}));
    std::array<char, 100> buffer{};
    net::ip::udp::endpoint source;
    for (int i = 0; i < 2; ++i) {
      const auto count = co_await socket.async_receive_from(net::buffer(buffer), source, use_awaitable);
      co_await socket.async_send_to(net::buffer(buffer, count), source, use_awaitable);
    }
  };
  const auto ask = [&]() -> awaitable<void> {
    udp_socket socket{hosts.io, hosts.client()};
    CHECK_FALSE(socket.bind({}));
    CHECK(socket.local_endpoint().port() != 0);
    const auto server = to_asio<net::ip::udp>({kRightAddress, kEcho});
    std::array<char, 100> buffer{};
    net::ip::udp::endpoint source;
    const std::array<net::const_buffer, 2> parts{net::buffer("mea", 3), net::buffer("sured", 5)};
    auto count = co_await socket.async_send_to(parts, server, use_awaitable);
    CHECK(count == 8);
    count = co_await socket.async_receive_from(net::buffer(buffer), source, use_awaitable);
    CHECK(std::string(buffer.data(), count) == "measured");
    CHECK(source == server);
    // A datagram that is longer than the buffer is cut.
    count = co_await socket.async_send_to(parts, server, use_awaitable);
    CHECK(count == 8);
    count = co_await socket.async_receive_from(net::buffer(buffer, 3), source, use_awaitable);
    CHECK(std::string(buffer.data(), count) == "mea");
  };
  hosts.play(serve(), ask());
}

TEST_CASE("a socket that is not bound, another family, a datagram too large", "[asio]") {
  Hosts hosts;
  udp_socket socket{hosts.io, hosts.client()};
  net::ip::udp::endpoint source;
  std::vector<std::byte> buffer(udp::kMaxPayload + 1);
  const auto ask = [&]() -> awaitable<void> {
    const auto server = to_asio<net::ip::udp>({kRightAddress, kEcho});
    const net::ip::udp::endpoint other{net::ip::address_v6::loopback(), 7};
    const auto send = [&](std::size_t size, const net::ip::udp::endpoint& to) -> awaitable<ErrorCode> {
      const auto [error, count] = co_await socket.async_send_to(net::buffer(buffer, size), to, with_error);
      CHECK(count == (error ? 0 : size));
      co_return error;
    };
    const auto unbound = co_await send(1, server);
    CHECK(unbound == net::error::bad_descriptor);
    const auto [receive, count] = co_await socket.async_receive_from(net::buffer(buffer), source, with_error);
    CHECK(receive == net::error::bad_descriptor);
    CHECK(count == 0);
    CHECK_FALSE(socket.bind({}));
    const auto bound = co_await send(udp::kMaxPayload, server);
    CHECK_FALSE(bound);
    const auto larger = co_await send(udp::kMaxPayload + 1, server);
    CHECK(larger == net::error::message_size);
    const auto family = co_await send(1, other);
    CHECK(family == net::error::address_family_not_supported);
  };
  hosts.play(ask());
}

TEST_CASE("a receive that waits is aborted by cancel() and close()", "[asio]") {
  Hosts hosts;
  udp_socket socket{hosts.io, hosts.client()};
  REQUIRE_FALSE(socket.bind({{}, kEcho}));
  CHECK(udp_socket{hosts.io, hosts.client()}.bind({{}, kEcho}) == net::error::address_in_use);
  std::array<std::byte, 10> buffer{};
  net::ip::udp::endpoint source;
  std::optional<ErrorCode> outcome;
  for (const bool close : {false, true}) {
    outcome.reset();
    socket.async_receive_from(net::buffer(buffer), source, [&](ErrorCode error, std::size_t) { outcome = error; });
    hosts.pass(1s);
    CHECK_FALSE(outcome);
    if (close) {
      socket.close();
    } else {
      socket.cancel();
    }
    hosts.pass(1ns);
    CHECK(outcome == ErrorCode{net::error::operation_aborted});
    CHECK(socket.is_open() == !close);
  }
}
