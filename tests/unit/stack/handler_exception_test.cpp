// A handler that throws: its exception leaves by the driver, and everybody else has his turn when the driver is called again.

#include <catch2/catch.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "stack_lab.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

void complain() { throw std::runtime_error{"from a handler"}; }

/// Lets time pass, again after each exception. How many there were.
int exceptions(sim::World& world, Duration time = 10s) {
  const TimePoint end = world.now() + time;
  for (int thrown = 0;; ++thrown) {
    try {
      world.run_for(end - world.now());
      return thrown;
    } catch (const std::runtime_error&) {
      REQUIRE(thrown < 1000);
    }
  }
}

/// A connection from the left, established.
struct Connected : TwoHosts {
  Connected() {
    listener = *right->tcp().listen(Port{7});
    near = *left->tcp().connect({right_address, Port{7}});
    world.run_for(1s);
    far = *listener.accept();
  }
  tcp::Listener listener;
  tcp::Connection near;
  tcp::Connection far;
};

}  // namespace

TEST_CASE("the handlers of a connection are called behind one that throws", "[stack][tcp]") {
  Connected hosts;
  std::vector<std::string> called;
  const auto note = [&called](const char* name) {
    return [&called, name] {
      called.emplace_back(name);
      complain();
    };
  };
  hosts.near.handle({.readable = note("readable"), .acknowledged = note("acknowledged"), .peer_closed = note("peer_closed")});
  hosts.far.handle({.readable = [&] {  // the answer acknowledges, and nothing follows it
    (void)hosts.far.receive_slice();
    CHECK(hosts.far.send(bytes_of("to the left")));
    hosts.far.close();
  }});
  REQUIRE(hosts.near.send(bytes_of("to the right")));
  CHECK(exceptions(hosts.world) == 3);
  CHECK(called == std::vector<std::string>{"readable", "peer_closed", "acknowledged"});
}

TEST_CASE("the handlers of other connections are called behind one that throws", "[stack][tcp]") {
  TwoHosts hosts;
  std::vector<tcp::Connection> accepted;
  auto listener = hosts.right->tcp().listen(Port{7}, [&](tcp::Connection connection) {
    accepted.push_back(std::move(connection));
    complain();
  });
  REQUIRE(listener);
  std::vector<tcp::Connection> connections;
  int connected = 0;
  for (int i = 0; i < 5; ++i) {
    connections.push_back(std::move(*hosts.left->tcp().connect({hosts.right_address, Port{7}})));
    connections.back().handle({.connected = [&] {
      ++connected;
      complain();
    }});
  }
  CHECK(exceptions(hosts.world) == 10);
  CHECK(connected == 5);
  CHECK(accepted.size() == 5);
}

TEST_CASE("a handler may have its stack run until another connection's handler was called", "[stack][tcp]") {
  TwoHosts hosts;
  auto listener = hosts.right->tcp().listen(Port{7});
  REQUIRE(listener);
  std::vector<tcp::Connection> connections;
  int connected = 0;
  bool reached = false;
  for (int i = 0; i < 2; ++i) connections.push_back(std::move(*hosts.left->tcp().connect({hosts.right_address, Port{7}})));
  connections[0].handle({.connected = [&] { reached = hosts.world.run_until([&] { return connected == 1; }, 1min); }});
  connections[1].handle({.connected = [&] { ++connected; }});
  hosts.world.run_for(10s);
  CHECK(reached);
}

TEST_CASE("datagrams arrive behind one whose handler throws", "[stack][udp]") {
  TwoHosts hosts;
  auto receiver = hosts.right->udp().bind({{}, Port{7}});
  auto sender = hosts.left->udp().bind({{}, Port{8}}, {.broadcast = true});
  REQUIRE((receiver && sender));
  receiver->on_readable(complain);
  const auto to = GENERATE(values<Ipv4Address>({TwoHosts::right_address, "192.0.2.255"_ipv4}));
  for (int i = 0; i < 3; ++i) REQUIRE(sender->send_to({to, Port{7}}, bytes_of("x")));
  CHECK(exceptions(hosts.world) == 3);
  CHECK(receiver->waiting() == 3);
  CHECK(hosts.right->udp().stats().in_datagrams == 3);
}

TEST_CASE("a handler may have its stack run until another datagram has come", "[stack][udp]") {
  TwoHosts hosts;
  auto receiver = hosts.right->udp().bind({{}, Port{7}});
  auto sender = hosts.left->udp().bind({{}, Port{8}});
  REQUIRE((receiver && sender));
  const bool later = GENERATE(false, true);  // or in the same moment
  const auto send = [&] { REQUIRE(sender->send_to({TwoHosts::right_address, Port{7}}, bytes_of("x"))); };
  bool first = true;
  bool reached = false;
  receiver->on_readable([&] {
    if (!std::exchange(first, false)) return;
    if (later) send();
    reached = hosts.world.run_until([&] { return receiver->waiting() == 2; }, 1min);
  });
  send();
  if (!later) send();
  hosts.world.run_for(10s);
  CHECK(reached);
  CHECK(receiver->waiting() == 2);
}

TEST_CASE("datagrams of the host to itself arrive behind one whose handler throws", "[stack][udp]") {
  TwoHosts hosts;
  auto receiver = hosts.left->udp().bind({{}, Port{7}});
  auto sender = hosts.left->udp().bind({{}, Port{8}});
  REQUIRE((receiver && sender));
  receiver->on_readable(complain);
  for (int i = 0; i < 3; ++i) REQUIRE(sender->send_to({hosts.left_address, Port{7}}, bytes_of("x")));
  CHECK(exceptions(hosts.world) == 3);
  CHECK(receiver->waiting() == 3);
}

TEST_CASE("all sockets get their copy of a datagram, and are told, though each throws", "[stack][udp]") {
  TwoHosts hosts;
  std::vector<udp::Socket> receivers;
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    auto socket = hosts.right->udp().bind({{}, Port{7}}, {.reuse = true});
    REQUIRE(socket);
    REQUIRE(socket->join("224.1.2.3"_ipv4));
    socket->on_readable([&] {
      ++told;
      complain();
    });
    receivers.push_back(std::move(*socket));
  }
  auto sender = hosts.left->udp().bind({{}, Port{8}});
  REQUIRE(sender);
  REQUIRE(sender->send_to({"224.1.2.3"_ipv4, Port{7}}, bytes_of("x")));
  CHECK(exceptions(hosts.world) == 1);
  CHECK(told == 3);
  for (const auto& socket : receivers) CHECK(socket.waiting() == 1);
}

TEST_CASE("each datagram that finds no neighbour is told of, though each handler throws", "[stack][udp][arp]") {
  TwoHosts hosts;
  hosts.right.reset();
  hosts.world.run_for(1s);  // what it has announced is over
  std::vector<udp::Socket> senders;
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    senders.push_back(std::move(*hosts.left->udp().bind({})));
    senders.back().on_error([&](const udp::SocketError&) {
      ++told;
      complain();
    });
    REQUIRE(senders.back().send_to({TwoHosts::right_address, Port{7}}, bytes_of("x")));
  }
  CHECK(exceptions(hosts.world, 1min) == 1);
  CHECK(told == 3);
}

TEST_CASE("a run of echo requests goes on behind a handler that throws", "[stack][icmp]") {
  TwoHosts hosts;
  int replies = 0;
  int silences = 0;
  const bool answered = GENERATE(true, false);
  if (!answered) hosts.right.reset();
  const auto ping = hosts.left->ping(hosts.right_address, {.count = 3}, [&](const icmp::PingEvent& event) {
    ++(event.reply ? replies : silences);
    complain();
  });
  REQUIRE(ping);
  CHECK(exceptions(hosts.world, 1min) == 3);
  CHECK(replies == (answered ? 3 : 0));
  CHECK(silences == (answered ? 0 : 3));
  CHECK(ping->finished());
}

TEST_CASE("a timer that throws keeps no other from expiring", "[stack]") {
  sim::World world;
  struct Alarm {
    explicit Alarm(sim::World& in) : timer{Timer::calling<&Alarm::expired>(in.scheduler(), *this)} { timer.arm_after(1s); }
    void expired() {
      expired_ = true;
      complain();
    }
    Timer timer;
    bool expired_ = false;
  };
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 3; ++i) alarms.push_back(std::make_unique<Alarm>(world));
  world.after(1s, complain);
  CHECK(exceptions(world) == 4);
  for (const auto& alarm : alarms) CHECK(alarm->expired_);
}
