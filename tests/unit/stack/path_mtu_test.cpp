#include <catch2/catch.hpp>

#include <tins/icmp.h>
#include <tins/tcp.h>

#include "stack_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

/// A host that talks to the peer, and ICMP errors about what it may have sent.
struct Talking : StackLab {
  /// The IPv4 datagram of the only frame sent since.
  Bytes datagram() {
    world.run_for(0s);
    const auto frames = link->take();
    REQUIRE(frames.size() == 1);
    return {frames[0].begin() + 14, frames[0].end()};
  }
  template <class Transport>
  void hear(Tins::IP ip, Transport transport) {
    auto ethernet = Tins::EthernetII(to_string(kOwnMac), to_string(kPeerMac)) / ip / transport;
    (void)link->inject(bytes_of(ethernet.serialize()));
    world.run_for(0s);
  }
  /// "Fragmentation needed" from a router, about the datagram that starts with `quoted`.
  void too_big(const Bytes& quoted, std::uint16_t mtu) {
    const auto size = std::min<std::size_t>(quoted.size(), 28);
    Tins::ICMP icmp{Tins::ICMP::DEST_UNREACHABLE};
    icmp.code(4);
    icmp.mtu(mtu);
    hear(Tins::IP(to_string(kOwn), "192.0.2.60"),
         icmp / Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(quoted.data()), static_cast<std::uint32_t>(size)));
  }
  [[nodiscard]] std::size_t path_mtu() { return stack->ipv4().path_mtu(kPeer); }
};

/// `quoted` with one octet of its transport header changed.
Bytes forged(Bytes quoted, std::size_t octet) {
  quoted.at(20 + octet) ^= std::byte{0x40};
  return quoted;
}

}  // namespace

TEST_CASE("a path MTU is lowered by a report about a segment in flight, and by no other", "[stack][tcp][RFC5927-4.1-1]") {
  Talking lab;
  auto connection = lab.stack->tcp().connect({kPeer, kPeerPort});
  REQUIRE(connection);
  const Bytes syn = lab.datagram();
  const Tins::IP asked{reinterpret_cast<const std::uint8_t*>(syn.data()), static_cast<std::uint32_t>(syn.size())};
  const auto* request = asked.find_pdu<Tins::TCP>();
  REQUIRE(request != nullptr);
  Tins::TCP answer{request->sport(), request->dport()};
  answer.flags(Tins::TCP::SYN | Tins::TCP::ACK);
  answer.seq(1000);
  answer.ack_seq(request->seq() + 1);
  answer.window(65535);
  answer.mss(1460);
  lab.hear(Tins::IP(to_string(kOwn), to_string(kPeer)), answer);
  (void)lab.link->take();
  REQUIRE(connection->send(Bytes(1400)) == std::size_t{1400});
  const Bytes data = lab.datagram();

  for (const std::size_t octet : {0U, 2U, 4U}) lab.too_big(forged(data, octet), 600);  // either port, the sequence number
  CHECK(lab.path_mtu() == 1500);
  CHECK(lab.link->take().empty());
  CHECK(lab.stack->tcp().drops()[Drop::unrelated_error] == 3);
  lab.too_big(data, 600);
  CHECK(lab.path_mtu() == 600);
  CHECK(lab.link->take().size() == 3);  // the same again in smaller pieces
}

TEST_CASE("a path MTU is lowered by a report about what a UDP socket sent, and by no other", "[stack][udp][RFC5927-4.1-1]") {
  Talking lab;
  auto socket = lab.stack->udp().bind({IpAddress{}, kOurPort});
  REQUIRE(socket);
  REQUIRE(socket->send_to({kPeer, kPeerPort}, Bytes(1400)));
  const Bytes sent = lab.datagram();
  for (const std::size_t octet : {0U, 2U}) lab.too_big(forged(sent, octet), 600);
  CHECK(lab.path_mtu() == 1500);
  const bool elsewhere = GENERATE(true, false);
  if (elsewhere) {
    REQUIRE(socket->send_to({kPeer, Port{9}}, Bytes(10)));  // only the last destination is remembered
    lab.too_big(sent, 600);
    CHECK(lab.path_mtu() == 1500);
    REQUIRE(socket->connect({kPeer, kPeerPort}));
    REQUIRE(socket->send(Bytes(10)));
  }
  lab.too_big(sent, 600);
  CHECK(lab.path_mtu() == 600);
}

TEST_CASE("a path MTU is lowered by a report about an echo request that waits, and by no other", "[stack][icmp][RFC5927-4.1-1]") {
  Talking lab;
  auto ping = lab.stack->ping(kPeer, {.size = 1400, .count = 1, .timeout = 1s}, [](const icmp::PingEvent&) {});
  REQUIRE(ping);
  const Bytes sent = lab.datagram();
  for (const std::size_t octet : {4U, 6U}) lab.too_big(forged(sent, octet), 600);  // identifier, sequence number
  CHECK(lab.path_mtu() == 1500);
  lab.too_big(sent, 600);
  CHECK(lab.path_mtu() == 600);
}
