// Who may go before whom. The sanitizers see what a test cannot.

#include <catch2/catch.hpp>

#include <array>
#include <functional>
#include <vector>

#include "stack_lab.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("a stack may be destroyed by a handler of its own TCP connection", "[stack][tcp]") {
  TwoHosts hosts;
  auto listener = hosts.right->tcp().listen(Port{7});
  REQUIRE(listener);
  auto connecting = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE(connecting);
  tcp::Connection connection = std::move(*connecting);
  bool destroyed = false;
  const auto destroy = [&] {
    hosts.left.reset();
    destroyed = true;
  };
  SECTION("when it is established") { connection.handle({.connected = destroy}); }
  SECTION("when data has come") {
    connection.handle({.readable = destroy});
    hosts.world.run_for(1s);
    auto accepted = listener->accept();
    REQUIRE(accepted);
    REQUIRE(accepted->send(bytes_of("x")));
    hosts.world.run_for(1s);
  }
  SECTION("when the peer has reset it") {
    connection.handle({.closed = [&](std::error_code) { destroy(); }});
    hosts.world.run_for(1s);
    listener = tcp::Listener{};
    hosts.world.run_for(1s);
  }
  hosts.world.run_for(10s);
  CHECK(destroyed);
  // The handle is still good for saying that it is over.
  CHECK(connection.state() == tcp::State::closed);
  CHECK_FALSE(connection.send(bytes_of("x")));
  CHECK_FALSE(connection.shutdown());
  connection.close();
  connection.abort();
}

TEST_CASE("a stack may be destroyed by the handler that accepts, with other handlers waiting", "[stack][tcp]") {
  TwoHosts hosts;
  int accepted = 0;
  auto listener = hosts.right->tcp().listen(Port{7}, [&](const tcp::Connection&) {
    ++accepted;
    hosts.right.reset();
  });
  REQUIRE(listener);
  std::vector<tcp::Connection> connections;
  for (int i = 0; i < 3; ++i) connections.push_back(std::move(*hosts.left->tcp().connect({hosts.right_address, Port{7}})));
  hosts.world.run_for(10s);
  CHECK(accepted == 1);
  CHECK(listener->accept() == fail(Error::not_connected));
}

TEST_CASE("handles may outlive their stack: their calls fail", "[stack]") {
  TwoHosts hosts;
  auto listener = hosts.left->tcp().listen(Port{7});
  auto socket = hosts.left->udp().bind({{}, Port{7}});
  auto ping = hosts.left->ping(hosts.right_address, {}, {});
  auto connection = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE((listener && socket && ping && connection));
  hosts.left.reset();
  hosts.world.run_for(1s);
  CHECK_FALSE(listener->accept());
  CHECK_FALSE(connection->send(bytes_of("x")));
  const auto sent = socket->send_to({hosts.right_address, Port{7}}, bytes_of("x"));
  REQUIRE_FALSE(sent);
  const auto joined = socket->join("224.1.1.1"_ipv4);
  REQUIRE_FALSE(joined);
  CHECK(joined.error() == Error::connection_closed);
  CHECK(joined.error().message() == "already closed");  // not only TCP says so
}
