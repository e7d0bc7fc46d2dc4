#include <catch2/catch.hpp>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("a datagram from libtins is delivered with everything known of it",
          "[udp][RFC768-UI-1][RFC1122-4.1.3.2-1][RFC1122-4.1.3.5-1][RFC1122-4.1.4-2]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const Bytes record_route = hex("07 07 04 00000000");
  auto from = UdpLab::from(kPeer, kSecondOwn);
  from.ttl = 17;
  from.tos = 0xb8;
  from.interface = InterfaceIndex{3};
  from.options = record_route;
  REQUIRE(lab.network.inject(datagram("reading", kPeer, kSecondOwn), from));
  REQUIRE(lab.inject(datagram("second")));
  const auto first = socket->receive();
  REQUIRE(first);
  CHECK(first->payload.bytes() == bytes_of("reading"));
  CHECK(first->source == Endpoint{kPeer, kPeerPort});
  CHECK(first->destination == Endpoint{kSecondOwn, kOurPort});
  CHECK(first->ttl == 17);
  CHECK(first->tos == 0xb8);
  CHECK(first->interface == InterfaceIndex{3});
  CHECK(first->options == record_route);
  const auto second = socket->receive();
  REQUIRE(second);
  CHECK(second->destination == Endpoint{kOwn, kOurPort});
  CHECK(second->options.empty());
  CHECK_FALSE(socket->receive());
  CHECK(lab.udp.stats().in_datagrams == 2);
}

TEST_CASE("an echo application over the API", "[udp][RFC768-UI-1]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, Port{7}});
  REQUIRE(socket);
  socket->on_readable([&] {
    while (auto received = socket->receive()) CHECK(socket->send_to(received->source, received->payload.bytes()));
  });
  REQUIRE(lab.inject(datagram("ping", kPeer, kOwn, kPeerPort, Port{7})));
  CHECK(lab.network.sent.at(0).packet == datagram("ping", kOwn, kPeer, Port{7}, kPeerPort));
}

TEST_CASE("a port without listener draws port unreachable, with the datagram as it came", "[udp][RFC1122-4.1.3.1-1]") {
  UdpLab lab;
  auto other = lab.udp.bind({{}, Port{1}});
  REQUIRE(other);
  const Bytes bytes = datagram("nobody");
  CHECK(lab.inject(bytes).error() == Drop::no_listener);
  REQUIRE(lab.network.refused.size() == 1);
  CHECK(lab.network.refused[0].why == network::Refusal::port_unreachable);
  CHECK(lab.network.refused[0].packet == bytes);
  CHECK(lab.network.refused[0].from.source == IpAddress{kPeer});
  CHECK(lab.udp.stats().no_ports == 1);
  CHECK(lab.udp.stats().in_errors == 0);
  CHECK(lab.udp.drops()[Drop::no_listener] == 1);

  auto broadcast = UdpLab::from(kPeer, "192.0.2.255"_ipv4);
  broadcast.to_group = true;
  CHECK(lab.network.inject(datagram("nobody", kPeer, "192.0.2.255"_ipv4), broadcast).error() == Drop::no_listener);
  CHECK(lab.network.refused.size() == 1);
  CHECK(lab.udp.stats().no_ports == 2);
}

TEST_CASE("a bound address takes precedence over the open one", "[udp][POLICY-UDP-5]") {
  for (const bool specific_first : {false, true}) {
    UdpLab lab;
    auto one = lab.udp.bind({specific_first ? IpAddress{kOwn} : IpAddress{}, kOurPort});
    auto two = lab.udp.bind({specific_first ? IpAddress{} : IpAddress{kOwn}, kOurPort});
    REQUIRE(one);
    REQUIRE(two);
    auto& specific = specific_first ? *one : *two;
    auto& open = specific_first ? *two : *one;
    REQUIRE(lab.inject(datagram("x")));
    CHECK(specific.waiting() == 1);
    CHECK(open.waiting() == 0);
    REQUIRE(lab.inject(datagram("x", kPeer, kSecondOwn), kPeer, kSecondOwn));
    CHECK(specific.waiting() == 1);
    CHECK(open.waiting() == 1);
  }
}

TEST_CASE("a connected socket accepts only its peer's datagrams", "[udp][POLICY-UDP-4]") {
  UdpLab lab;
  auto connected = lab.udp.bind({kOwn, kOurPort});
  REQUIRE(connected);
  REQUIRE(connected->connect({kPeer, kPeerPort}));
  CHECK(lab.inject(datagram("third", "192.0.2.9"_ipv4), "192.0.2.9"_ipv4).error() == Drop::no_listener);
  CHECK(lab.inject(datagram("port", kPeer, kOwn, Port{6001})).error() == Drop::no_listener);
  CHECK(connected->waiting() == 0);
  REQUIRE(lab.inject(datagram("peer")));
  CHECK(connected->waiting() == 1);

  // Beside it, an open socket takes what others send; what the peer sends is the connected one's.
  auto open = lab.udp.bind({{}, kOurPort});
  REQUIRE(open);
  REQUIRE(lab.inject(datagram("third", "192.0.2.9"_ipv4), "192.0.2.9"_ipv4));
  REQUIRE(lab.inject(datagram("peer")));
  CHECK(open->waiting() == 1);
  CHECK(connected->waiting() == 2);

  connected->disconnect();
  REQUIRE(lab.inject(datagram("third", "192.0.2.9"_ipv4), "192.0.2.9"_ipv4));
  CHECK(connected->waiting() == 3);
}

TEST_CASE("reading into a short buffer cuts the datagram, says so, and keeps the next whole", "[udp][POLICY-UDP-3]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  REQUIRE(lab.inject(datagram(pattern(100))));
  REQUIRE(lab.inject(datagram("next")));
  REQUIRE(lab.inject(datagram("")));
  Bytes buffer(10);
  const auto first = socket->receive(buffer);
  REQUIRE(first);
  CHECK(first->size == 10);
  CHECK(first->truncated);
  CHECK(first->source == Endpoint{kPeer, kPeerPort});
  CHECK(first->destination == Endpoint{kOwn, kOurPort});
  const Bytes start = pattern(100);
  CHECK(buffer == Bytes(start.begin(), start.begin() + 10));
  const auto second = socket->receive(buffer);
  REQUIRE(second);
  CHECK(second->size == 4);
  CHECK_FALSE(second->truncated);
  const auto empty = socket->receive(buffer);
  REQUIRE(empty);
  CHECK(empty->size == 0);
  CHECK_FALSE(empty->truncated);
  CHECK(socket->receive(buffer).error() == Error::would_block);
}

TEST_CASE("a socket that nobody reads holds bounded memory, and what it drops is counted", "[udp][POLICY-UDP-2]") {
  for (const std::size_t size : {0U, 1U, 1400U, 9000U}) {
    UdpLab lab;
    auto socket = lab.udp.bind({{}, kOurPort}, {.receive_limit_bytes = 100'000});
    REQUIRE(socket);
    const Bytes bytes = datagram(pattern(size));
    std::uint64_t delivered = 0;
    for (int i = 0; i < 1000; ++i) {
      const auto accepted = lab.inject(bytes);
      if (accepted) ++delivered;
      if (!accepted) CHECK(accepted.error() == Drop::queue_full);
    }
    CHECK(delivered > 0);
    CHECK(delivered * size <= 100'000);
    CHECK(socket->waiting() == delivered);
    CHECK(socket->waiting_bytes() <= 100'000);
    CHECK(socket->dropped() == 1000 - delivered);
    CHECK(lab.udp.drops()[Drop::queue_full] == 1000 - delivered);
    CHECK(lab.udp.stats().in_errors == 1000 - delivered);
    CHECK(lab.udp.stats().in_datagrams == delivered);
    CHECK(lab.network.refused.empty());
    // Reading makes room again.
    REQUIRE(socket->receive()->dropped == 0);
    CHECK(lab.inject(bytes));
    REQUIRE(socket->peek(delivered - 1) != nullptr);
    CHECK(socket->peek(delivered - 1)->dropped == 1000 - delivered);  // the one that came last
    CHECK(socket->peek(delivered) == nullptr);
    while (socket->receive()) {}
    CHECK(socket->waiting_bytes() == 0);
    CHECK(lab.pool.in_use() == 0);
  }
}

TEST_CASE("a small datagram in a large slab does not keep the slab", "[udp][POLICY-UDP-2]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const Bytes bytes = datagram("ten bytes!");
  for (int i = 0; i < 10; ++i) {
    Packet packet{lab.pool, 65000};
    packet.append_copy(bytes);
    REQUIRE(lab.network.inject(std::move(packet), UdpLab::from(kPeer, kOwn)));
  }
  CHECK(socket->waiting_bytes() < 20'000);
  CHECK(socket->receive()->payload.bytes() == bytes_of("ten bytes!"));
}

TEST_CASE("a queue that is never empty keeps its order and its memory", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  for (int i = 0; i < 3; ++i) REQUIRE(lab.inject(datagram(std::to_string(i))));
  for (int i = 3; i < 1000; ++i) {
    REQUIRE(lab.inject(datagram(std::to_string(i))));
    CHECK(socket->receive()->payload.bytes() == bytes_of(std::to_string(i - 3)));
  }
  CHECK(socket->waiting() == 3);
  const auto allocations = lab.pool.allocations();
  for (int i = 0; i < 100; ++i) {
    REQUIRE(lab.inject(datagram("x")));
    REQUIRE(socket->receive());
  }
  CHECK(lab.pool.allocations() == allocations);
}

TEST_CASE("a callback may close its socket, replace itself, or bind another", "[udp]") {
  UdpLab lab;
  std::optional<udp::Socket> socket{*lab.udp.bind({{}, kOurPort})};
  int first = 0;
  int second = 0;
  socket->on_readable([&] {
    ++first;
    socket->on_readable([&] {
      ++second;
      socket.reset();
      socket.emplace(*lab.udp.bind({{}, kOurPort}));
    });
  });
  for (int i = 0; i < 3; ++i) CHECK(lab.inject(datagram("x")));
  CHECK(first == 1);
  CHECK(second == 1);
  CHECK(socket->waiting() == 1);
}

TEST_CASE("the observer sees datagrams both ways with their fields", "[udp]") {
  struct Seen final : Observer {
    std::vector<std::string> lines;
    void crossed(const Crossing& crossing) override {
      std::string line{crossing.direction == Direction::down ? "down " : "up "};
      line += std::to_string(crossing.header_size) + "+" + std::to_string(crossing.payload_size);
      for (const auto& field : crossing.fields) line += " " + std::string{field.name} + "=" + field.value;
      lines.push_back(line);
    }
  } seen;
  UdpLab lab;
  lab.context.observer = &seen;
  auto socket = lab.udp.bind({kOwn, kOurPort}, {.checksum = false});
  REQUIRE(socket);
  Bytes bytes = datagram("four");
  set_field(bytes, 6, 0);
  REQUIRE(lab.inject(bytes));
  REQUIRE(socket->send_to({kPeer, kPeerPort}, bytes_of("no")));
  REQUIRE(seen.lines.size() == 2);
  CHECK(seen.lines[0] == "up 8+4 source port=6000 destination port=5000 length=12 checksum=0x0000");
  CHECK(seen.lines[1] == "down 8+2 source port=5000 destination port=6000 length=10 checksum=0x0000");
}

TEST_CASE("what waits outlasts its endpoint, and waits at the next one", "[udp]") {
  UdpLab lab;
  auto former = lab.udp.bind({{}, kOurPort}, {.receive_limit_bytes = 5000});
  REQUIRE(former);
  REQUIRE(lab.inject(datagram("first")));
  REQUIRE(lab.inject(datagram("second")));
  while (lab.inject(datagram("more"))) {}
  const std::size_t waiting = former->waiting();
  former->unbind();
  CHECK(lab.udp.size() == 0);
  CHECK(lab.inject(datagram("late")).error() == Drop::no_listener);
  CHECK(former->send_to({kPeer, kPeerPort}, bytes_of("x")).error() == Error::connection_closed);
  CHECK(former->receive()->payload.bytes() == bytes_of("first"));
  REQUIRE(former->peek());
  CHECK(former->dropped() == 1);

  auto next = lab.udp.bind({{}, kOurPort}, {.receive_limit_bytes = 5000});
  REQUIRE(next);
  REQUIRE(lab.inject(datagram("behind")));
  next->take_over(std::move(*former));
  CHECK(next->waiting() == waiting);
  CHECK(next->dropped() == 1);
  CHECK(lab.inject(datagram("no room")).error() == Drop::queue_full);
  CHECK(next->dropped() == 2);
  CHECK(next->receive()->payload.bytes() == bytes_of("second"));
  for (std::size_t i = 3; i < waiting; ++i) CHECK(next->receive()->payload.bytes() == bytes_of("more"));
  CHECK(next->receive()->payload.bytes() == bytes_of("more"));
  CHECK(next->receive()->payload.bytes() == bytes_of("behind"));
  CHECK(next->waiting_bytes() == 0);
}

TEST_CASE("what waits where there is no endpoint any more is read into a buffer, and gone with the socket's end", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  for (int i = 0; i < 3; ++i) REQUIRE(lab.inject(datagram("abc")));
  socket->unbind();
  Bytes buffer(10);
  CHECK(socket->receive(buffer)->size == 3);
  socket->close();
  CHECK(socket->waiting() == 0);
  CHECK(socket->receive(buffer).error() == Error::connection_closed);
  CHECK_FALSE(socket->receive());
}
