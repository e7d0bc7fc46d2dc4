#include <catch2/catch.hpp>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("libtins reads what a socket sends", "[udp][RFC768-Fields-1][RFC768-UI-1]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  for (const std::size_t size : {0U, 1U, 512U}) {
    REQUIRE(socket->send_to({kPeer, kPeerPort}, pattern(size)));
    const auto sent = lab.network.take().at(0);
    const auto header = parsed(sent.packet);
    CHECK(header.sport() == kOurPort.value());
    CHECK(header.dport() == kPeerPort.value());
    CHECK(header.length() == 8 + size);
    CHECK(payload_of(sent.packet) == pattern(size));
    CHECK(sent.to.protocol == network::Protocol::udp);
    CHECK(sent.to.destination == IpAddress{kPeer});
  }
  CHECK(lab.udp.stats().out_datagrams == 3);
}

TEST_CASE("a slice is sent without copying", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const Slice slice = lab.pool.copy(pattern(1000));
  REQUIRE(socket->send_to({kPeer, kPeerPort}, slice));
  CHECK(lab.network.sent.at(0).last_run == reinterpret_cast<std::uintptr_t>(slice.bytes().data()));
  CHECK(payload_of(lab.network.sent[0].packet) == pattern(1000));
}

TEST_CASE("the source is the bound address, or the one that the route selects", "[udp][RFC1122-4.1.3.5-2]") {
  UdpLab lab;
  auto open = lab.udp.bind({{}, Port{1}});
  auto bound = lab.udp.bind({kSecondOwn, Port{2}});
  REQUIRE(open);
  REQUIRE(bound);
  REQUIRE(open->send_to({kPeer, kPeerPort}, bytes_of("x")));
  REQUIRE(open->send_to({"198.51.100.1"_ipv4, kPeerPort}, bytes_of("x")));
  REQUIRE(bound->send_to({kPeer, kPeerPort}, bytes_of("x")));
  REQUIRE(lab.network.sent.size() == 3);
  CHECK(lab.network.sent[0].to.source == IpAddress{kOwn});
  CHECK(lab.network.sent[1].to.source == IpAddress{kSecondOwn});
  CHECK(lab.network.sent[2].to.source == IpAddress{kSecondOwn});
  CHECK(plain_sum(lab.network.sent[2].packet, kSecondOwn, kPeer) == 0xffff);
}

TEST_CASE("the chosen source can be learned after connect", "[udp][RFC1122-4.1.3.5-3]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  CHECK(socket->local().address.is_unspecified());
  REQUIRE(socket->connect({"198.51.100.1"_ipv4, kPeerPort}));
  CHECK(socket->local() == Endpoint{kSecondOwn, kOurPort});
  CHECK(socket->peer() == Endpoint{"198.51.100.1"_ipv4, kPeerPort});
  REQUIRE(socket->send(bytes_of("x")));
  CHECK(lab.network.sent.at(0).to.destination == IpAddress{"198.51.100.1"_ipv4});
  CHECK(parsed(lab.network.sent[0].packet).dport() == kPeerPort.value());
  socket->disconnect();
  CHECK(socket->local().address.is_unspecified());
  CHECK(socket->send(bytes_of("x")).error() == Error::not_connected);
}

TEST_CASE("TTL, TOS, options and don't-fragment reach the network layer", "[udp][RFC1122-4.1.3.2-2][RFC1122-4.1.4-1]") {
  UdpLab lab;
  const Bytes record_route = hex("07 07 04 00000000");
  auto socket = lab.udp.bind({{}, kOurPort}, {.dont_fragment = true, .ttl = std::uint8_t{3}, .tos = 0x20, .ip_options = record_route});
  REQUIRE(socket);
  REQUIRE(socket->send_to({kPeer, kPeerPort}, bytes_of("x")));
  const auto& sent = lab.network.sent.at(0);
  CHECK(sent.to.ttl == std::uint8_t{3});
  CHECK(sent.to.tos == 0x20);
  CHECK(sent.to.dont_fragment);
  CHECK(sent.options == record_route);
  // MMS_S: 65507 less 8 bytes for 7 bytes of options; and what leaves in one piece.
  CHECK(socket->max_payload() == 65499);
  CHECK(socket->path_payload(kPeer) == 1500 - 20 - 8 - 8);

  auto plain = lab.udp.bind({{}, Port{}});
  REQUIRE(plain);
  REQUIRE(plain->send_to({kPeer, kPeerPort}, bytes_of("x")));
  CHECK_FALSE(lab.network.sent.at(1).to.ttl);
  CHECK(lab.network.sent[1].to.tos == 0);
  CHECK_FALSE(lab.network.sent[1].to.dont_fragment);
  CHECK(lab.network.sent[1].options.empty());
  CHECK(plain->max_payload() == 65507);
}

TEST_CASE("65507 bytes are sent, one more is refused", "[udp][POLICY-UDP-1]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  CHECK(socket->send_to({kPeer, kPeerPort}, pattern(65508)).error() == Error::message_too_large);
  CHECK(socket->send_to({kPeer, kPeerPort}, lab.pool.copy(pattern(65508))).error() == Error::message_too_large);
  CHECK(lab.network.sent.empty());
  CHECK(lab.udp.stats().out_datagrams == 0);
  REQUIRE(socket->send_to({kPeer, kPeerPort}, pattern(65507)));
  CHECK(lab.network.sent.at(0).packet.size() == 65515);
  CHECK(parsed(lab.network.sent[0].packet).length() == 65515);
}

TEST_CASE("sending to a broadcast address needs the option", "[udp][POLICY-UDP-6]") {
  UdpLab lab;
  auto without = lab.udp.bind({{}, Port{1}});
  auto with = lab.udp.bind({{}, Port{2}}, {.broadcast = true});
  REQUIRE(without);
  REQUIRE(with);
  for (const auto destination : {"192.0.2.255"_ipv4, "255.255.255.255"_ipv4}) {
    CHECK(without->send_to({destination, kPeerPort}, bytes_of("x")).error() == Error::permission_denied);
    CHECK(without->connect({destination, kPeerPort}).error() == Error::permission_denied);
    CHECK(lab.network.sent.empty());
    CHECK(with->send_to({destination, kPeerPort}, bytes_of("x")));
    CHECK(lab.network.take().size() == 1);
  }
}

TEST_CASE("a multicast datagram goes one hop unless told otherwise", "[udp][RFC1112-6.1-1]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, Port{1}}, {.ttl = std::uint8_t{9}});
  auto wide = lab.udp.bind({{}, Port{2}}, {.multicast_ttl = 32});
  REQUIRE(socket);
  REQUIRE(wide);
  REQUIRE(socket->send_to({"224.1.2.3"_ipv4, kPeerPort}, bytes_of("x")));
  REQUIRE(wide->send_to({"224.1.2.3"_ipv4, kPeerPort}, bytes_of("x")));
  CHECK(lab.network.sent.at(0).to.ttl == std::uint8_t{1});
  CHECK(lab.network.sent.at(1).to.ttl == std::uint8_t{32});
}

TEST_CASE("what cannot be sent fails by name and is not counted as sent", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  CHECK(socket->send_to({kPeer, Port{0}}, bytes_of("x")).error() == Error::invalid_argument);
  CHECK(socket->send_to({{}, kPeerPort}, bytes_of("x")).error() == Error::invalid_argument);
  CHECK(socket->send(bytes_of("x")).error() == Error::not_connected);
  lab.network.accepts = false;
  CHECK(socket->send_to({kPeer, kPeerPort}, bytes_of("x")).error() == Error::would_block);
  lab.network.accepts = true;
  lab.network.failure = Error::network_unreachable;
  CHECK(socket->send_to({kPeer, kPeerPort}, bytes_of("x")).error() == Error::network_unreachable);
  CHECK(socket->connect({kPeer, kPeerPort}).error() == Error::network_unreachable);
  CHECK_FALSE(socket->peer());
  CHECK(lab.udp.stats().out_datagrams == 0);
  lab.network.failure.reset();
  CHECK(socket->send_to({kPeer, kPeerPort}, bytes_of("x")));
  CHECK(lab.udp.stats().out_datagrams == 1);
}

TEST_CASE("a protocol of one's own sends through the layer directly", "[udp]") {
  UdpLab lab;
  udp::Send to;
  to.source = {kOwn, Port{68}};
  to.destination = {kPeer, Port{67}};
  REQUIRE(lab.udp.encapsulate(lab.packet(bytes_of("hello")), to));
  CHECK(lab.network.sent.at(0).packet == datagram("hello", kOwn, kPeer, Port{68}, Port{67}));
  to.destination.port = Port{0};
  CHECK(lab.udp.encapsulate(lab.packet(bytes_of("hello")), to).error() == Error::invalid_argument);
  to.destination.port = Port{67};
  const Bytes too_many(41);
  to.options = too_many;
  CHECK(lab.udp.encapsulate(lab.packet(bytes_of("hello")), to).error() == Error::invalid_argument);
  CHECK(lab.network.sent.size() == 1);
}
