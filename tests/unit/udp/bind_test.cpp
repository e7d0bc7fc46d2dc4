#include <catch2/catch.hpp>

#include <optional>
#include <set>
#include <vector>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("a port is bound once for each address", "[udp]") {
  UdpLab lab;
  const auto any = lab.udp.bind({{}, kOurPort});
  REQUIRE(any);
  CHECK(lab.udp.bind({{}, kOurPort}).error() == Error::address_in_use);
  const auto specific = lab.udp.bind({kOwn, kOurPort});
  REQUIRE(specific);
  CHECK(lab.udp.bind({kOwn, kOurPort}).error() == Error::address_in_use);
  CHECK(lab.udp.bind({kSecondOwn, kOurPort}));
  CHECK(any->local() == Endpoint{{}, kOurPort});
  CHECK(specific->local() == Endpoint{kOwn, kOurPort});
}

TEST_CASE("an address that is not ours cannot be bound", "[udp][RFC1122-4.1.3.6-2]") {
  UdpLab lab;
  CHECK(lab.udp.bind({kPeer, kOurPort}).error() == Error::address_not_available);
  CHECK(lab.udp.bind({"8.8.8.8"_ipv4, Port{}}).error() == Error::address_not_available);
  CHECK(lab.udp.size() == 0);
  CHECK(lab.udp.bind({kOwn, kOurPort}));
}

TEST_CASE("options outside their range are refused", "[udp]") {
  UdpLab lab;
  const auto bound = [&](udp::SocketOptions options) { return lab.udp.bind({{}, Port{}}, std::move(options)).has_value(); };
  CHECK_FALSE(bound({.ttl = std::uint8_t{0}}));
  CHECK_FALSE(bound({.multicast_ttl = 0}));
  CHECK_FALSE(bound({.ip_options = Bytes(41)}));
  CHECK(bound({.ttl = std::uint8_t{255}, .multicast_ttl = 255, .ip_options = Bytes(40)}));
}

TEST_CASE("closing a socket frees its endpoint", "[udp]") {
  UdpLab lab;
  {
    const auto socket = lab.udp.bind({{}, kOurPort});
    REQUIRE(socket);
    CHECK(lab.inject(datagram("x")));
    CHECK(lab.udp.size() == 1);
  }
  CHECK(lab.udp.size() == 0);
  CHECK(lab.inject(datagram("x")).error() == Drop::no_listener);
  auto again = lab.udp.bind({{}, kOurPort});
  REQUIRE(again);
  CHECK(again->waiting() == 0);
  udp::Socket moved = std::move(*again);
  CHECK(lab.inject(datagram("x")));
  CHECK(moved.waiting() == 1);
  moved = *lab.udp.bind({{}, Port{7}});
  CHECK(lab.udp.size() == 1);
  CHECK(lab.inject(datagram("x")).error() == Drop::no_listener);
  moved.close();
  moved.close();
  CHECK(lab.udp.size() == 0);
  CHECK(moved.send_to({kPeer, kPeerPort}, bytes_of("x")).error() == Error::connection_closed);
}

TEST_CASE("a socket may outlive its Udp; its calls then fail", "[udp]") {
  Lab lab;
  FakeNetwork network{lab.pool};
  std::optional<udp::Udp> udp{std::in_place, lab.context, network};
  auto socket = udp->bind({{}, kOurPort});
  REQUIRE(socket);
  REQUIRE(socket->connect({kPeer, kPeerPort}));
  REQUIRE(network.inject(datagram("x"), UdpLab::from(kPeer, kOwn)));
  udp.reset();
  CHECK(socket->send_to({kPeer, kPeerPort}, bytes_of("x")).error() == Error::connection_closed);
  CHECK(socket->connect({kPeer, kPeerPort}).error() == Error::connection_closed);
  CHECK(socket->join("224.1.1.1"_ipv4).error() == Error::connection_closed);
  Bytes buffer(10);
  CHECK(socket->receive(buffer).error() == Error::connection_closed);
  CHECK_FALSE(socket->receive());
  CHECK(socket->path_payload(kPeer) == 0);
  CHECK(network.sent.empty());
  CHECK(lab.pool.in_use() == 0);
}

TEST_CASE("a moved-from socket fails in every call and crashes in none", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const udp::Socket taken = std::move(*socket);
  CHECK(socket->send_to({kPeer, kPeerPort}, bytes_of("x")).error() == Error::connection_closed);
  CHECK(socket->send_to({kPeer, kPeerPort}, lab.pool.copy(bytes_of("x"))).error() == Error::connection_closed);
  CHECK_FALSE(socket->send(bytes_of("x")));
  CHECK(socket->connect({kPeer, kPeerPort}).error() == Error::connection_closed);
  CHECK_FALSE(socket->receive());
  CHECK_FALSE(socket->take_error());
  CHECK(socket->local() == Endpoint{});
  CHECK_FALSE(socket->peer());
  CHECK(socket->max_payload() == udp::kMaxPayload);
  socket->on_readable([] {});
  socket->disconnect();
  socket->close();
  CHECK(lab.udp.size() == 1);
}

TEST_CASE("ten thousand ephemeral ports are distinct, wide and in no order", "[udp][RFC6056-3-1]") {
  UdpLab lab;
  std::vector<udp::Socket> sockets;
  std::set<Port> ports;
  int ascending_by_one = 0;
  int ascending = 0;
  for (int i = 0; i < 10000; ++i) {
    auto socket = lab.udp.bind({{}, Port{}});
    REQUIRE(socket);
    const Port port = socket->local().port;
    CHECK(port >= Port{1024});
    if (!sockets.empty()) {
      const int step = port.value() - sockets.back().local().port.value();
      if (step == 1) ++ascending_by_one;
      if (step > 0) ++ascending;
    }
    ports.insert(port);
    sockets.push_back(std::move(*socket));
  }
  CHECK(ports.size() == 10000);
  CHECK(ports.begin()->value() < 1100);
  CHECK(ports.rbegin()->value() > 65400);
  CHECK(ascending_by_one < 20);
  CHECK(ascending > 4500);
  CHECK(ascending < 5500);
}

TEST_CASE("the last free ephemeral port is found, and then there is none", "[udp][RFC6056-3-1]") {
  UdpLab lab{{.first_ephemeral = Port{50000}, .last_ephemeral = Port{50099}}};
  std::vector<udp::Socket> sockets;
  for (int i = 0; i < 100; ++i) {
    auto socket = lab.udp.bind({kOwn, Port{}});
    REQUIRE(socket);
    sockets.push_back(std::move(*socket));
  }
  CHECK(lab.udp.bind({kOwn, Port{}}).error() == Error::address_not_available);
  sockets.erase(sockets.begin() + 42);
  CHECK(lab.udp.bind({kOwn, Port{}}));
}

TEST_CASE("of sockets at one endpoint the latest gets what comes for one host, or those that balance share it", "[udp]") {
  const bool balance = GENERATE(false, true);
  UdpLab lab;
  auto one = lab.udp.bind({{}, kOurPort}, {.balance = balance, .reuse = true});
  auto two = lab.udp.bind({{}, kOurPort}, {.balance = balance, .reuse = true});
  REQUIRE(one);
  REQUIRE(two);
  constexpr std::uint16_t kSenders = 100;
  for (std::uint16_t i = 0; i < kSenders; ++i) {
    for (int twice = 0; twice < 2; ++twice) {
      REQUIRE(lab.inject(datagram("x", kPeer, kOwn, Port{static_cast<std::uint16_t>(6000 + i)})));
    }
  }
  std::set<std::uint16_t> to_one;
  std::set<std::uint16_t> to_two;
  while (const auto got = one->receive()) to_one.insert(got->source.port.value());
  while (const auto got = two->receive()) to_two.insert(got->source.port.value());
  CHECK(to_one.size() + to_two.size() == kSenders);  // each sender's go to the same one
  CHECK(to_two.size() >= (balance ? kSenders / 4 : kSenders));
  if (balance) CHECK(to_one.size() >= kSenders / 4);

  SECTION("a connected one goes before them") {
    REQUIRE(one->connect({kPeer, Port{6000}}));
    REQUIRE(lab.inject(datagram("x", kPeer, kOwn, Port{6000})));
    CHECK(one->waiting() == 1);
  }
  SECTION("what is left gets all") {
    two = lab.udp.bind({{}, Port{9}});
    for (std::uint16_t i = 0; i < kSenders; ++i)
      REQUIRE(lab.inject(datagram("x", kPeer, kOwn, Port{static_cast<std::uint16_t>(6000 + i)})));
    CHECK(one->waiting() == kSenders);
  }
}
