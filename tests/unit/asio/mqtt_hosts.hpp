#pragma once

#include <optional>
#include <utility>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <support/lab.hpp>

#include "hosts.hpp"

/// A client on one host, and on the other a broker that says what the test writes.
namespace tapir::test {

using tapir::asio::mqtt_client;

inline constexpr Port kMqtt{1883};
inline constexpr const char* kConnect = "10 0e 0004 4d515454 04 02 003c 0002 7331";
inline constexpr const char* kConnack = "20 02 00 00";

inline mqtt::ClientConfig to_broker(Ipv4Address address) { return {.broker = {address, kMqtt}, .client_id = "s1"}; }

/// The far end of one connection after another.
struct Broker {
  Broker(net::io_context& io, Stack& stack) : acceptor{io, stack}, stream{io, stack} { REQUIRE_FALSE(acceptor.listen({{}, kMqtt})); }

  awaitable<void> accept() {
    stream = co_await acceptor.async_accept(use_awaitable);
    co_await expect(kConnect);
    co_await send(kConnack);
  }
  /// The next bytes of the client's.
  awaitable<void> expect(const char* digits) {
    const auto wanted = hex(digits);
    Bytes got(wanted.size());
    co_await net::async_read(stream, net::buffer(got), use_awaitable);
    CHECK((got == wanted));
  }
  awaitable<void> send(const char* digits) {
    const auto bytes = hex(digits);
    co_await net::async_write(stream, net::buffer(bytes), use_awaitable);
  }

  tcp_acceptor acceptor;
  tcp_stream stream;
};

/// A client that is connected, in virtual time.
struct MqttHosts : Hosts {
  MqttHosts() : broker{io, server()}, client{std::in_place, io, Hosts::client(), to_broker(kRightAddress)} {}

  void connect() {
    const auto wait = [this]() -> awaitable<void> {
      const bool session_present = co_await client->async_connect(use_awaitable);
      CHECK_FALSE(session_present);
    };
    play(broker.accept(), wait());
  }

  Broker broker;
  std::optional<mqtt_client> client;
};

/// What an operation ended with.
struct Outcome {
  std::optional<ErrorCode> error;
  [[nodiscard]] auto callback() {
    return [this](ErrorCode what, auto&&...) {
      CHECK_FALSE(error);  // once
      error = what;
    };
  }
  [[nodiscard]] bool aborted() const { return error == ErrorCode{net::error::operation_aborted}; }
};

}  // namespace tapir::test
