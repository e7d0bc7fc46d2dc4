// Who may go before whom. The sanitizers see what a test cannot.

#include <catch2/catch.hpp>

#include <array>
#include <functional>
#include <memory>
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

TEST_CASE("a connection with unread data may outlive its stack, and the world with the memory it came from", "[stack][tcp]") {
  const bool slices = GENERATE(false, true);
  auto hosts = std::make_unique<TwoHosts>();
  auto listener = hosts->right->tcp().listen(Port{7});
  auto client = hosts->left->tcp().connect({hosts->right_address, Port{7}});
  REQUIRE((listener && client));
  hosts->world.run_for(1s);
  auto accepted = listener->accept();
  REQUIRE(accepted);
  REQUIRE(client->send(bytes_of("twenty-one")));
  hosts->world.run_for(1s);
  REQUIRE(accepted->unread() == 10);
  hosts.reset();

  std::array<std::byte, 4> into{};
  CHECK(accepted->peek(into, 6) == 4);
  CHECK((bytes_of(into) == bytes_of("-one")));
  if (slices) {
    const auto slice = accepted->receive_slice();
    REQUIRE(slice);
    CHECK((bytes_of(slice->bytes()) == bytes_of("twenty-one")));
  } else {
    CHECK(accepted->discard(6) == 6);
    REQUIRE(accepted->receive(into) == 4U);
    CHECK((bytes_of(into) == bytes_of("-one")));
  }
  CHECK(accepted->receive(into) == fail(Error::connection_aborted));
  CHECK(accepted->send(bytes_of("x")) == fail(Error::connection_aborted));
  CHECK(accepted->unread() == 0);
  CHECK(accepted->state() == tcp::State::closed);

  // Nothing of what can be set or asked for leads to what is gone.
  for (tcp::Connection* connection : {&*accepted, &*client}) {
    connection->set_nagle(false);
    (void)connection->set_keepalive({.on = true});
    (void)connection->set_user_timeout(1s);
    (void)connection->set_user_timeout_option({.enabled = true});
    (void)connection->set_mtu_probing(tcp::MtuProbing{});
    (void)connection->set_congestion_control("reno");
    connection->set_tos(8);
    connection->set_ttl(3);
    connection->set_max_pacing_rate(1000);
    connection->set_window_clamp(1000);
    connection->set_cork(true);
    connection->set_cork(false);
    connection->push();
    connection->set_not_sent_low(1);
    connection->end_record();
    connection->set_max_segment(500);
    connection->report_sent(true);
    connection->set_quick_ack(true);
    connection->set_quick_ack(false);
    connection->set_send_buffer(1000);
    connection->set_receive_buffer(1000);
    connection->await_room();
    connection->handle({.readable = [] {}});
    CHECK(connection->info().state == tcp::State::closed);
    CHECK(connection->unsent() == 0);
    CHECK(connection->fast_open_room() == 0);
    (void)connection->send_room();
    (void)connection->worth_writing();
    connection->close();
    connection->abort();
  }
}
