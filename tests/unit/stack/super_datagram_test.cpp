// Super-datagrams between whole hosts: over links that take them and links that do not, to the host itself, and through a router.

#include <catch2/catch.hpp>

#include <set>
#include <vector>

#include "stack_lab.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

Bytes counting(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i / 5);
  return bytes;
}

Result<> send(Stack& from, IpAddress to, const Bytes& payload, std::uint16_t segment) {
  Packet packet{from.context().pool, payload.size()};
  packet.append_copy(payload);
  udp::Send how;
  how.source.port = kOurPort;
  how.destination = {to, kPeerPort};
  how.segment = segment;
  return from.udp().encapsulate(std::move(packet), how);
}

Bytes all_of(udp::Socket& socket, std::size_t each) {
  Bytes bytes;
  while (const auto datagram = socket.receive()) {
    CHECK(datagram->payload.size() <= each);
    const Bytes more = datagram->payload.bytes();
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  return bytes;
}

}  // namespace

TEST_CASE("a super-datagram arrives in datagrams over a cable, and from the host itself", "[stack][udp]") {
  TwoHosts hosts;
  const bool itself = GENERATE(false, true);
  Stack& receiver = itself ? *hosts.left : *hosts.right;
  auto socket = receiver.udp().bind({{}, kPeerPort});
  REQUIRE(socket);
  const Bytes payload = counting(10'500);
  REQUIRE(send(*hosts.left, itself ? hosts.left_address : hosts.right_address, payload, 1000));
  hosts.world.run_for(1s);
  CHECK(socket->waiting() == 11);
  CHECK(all_of(*socket, 1000) == payload);
  CHECK(receiver.udp().stats().in_datagrams == 11);
  CHECK(hosts.left->udp().stats().out_datagrams == 11);
}

TEST_CASE("the datagrams of super-datagrams have identifications of their own", "[stack][udp]") {
  TwoHosts hosts;
  std::multiset<std::uint16_t> identifications;
  hosts.cable.observe([&](sim::End from, std::span<const std::byte> frame) {
    if (from != sim::End::left || frame.size() < 38 || frame[23] != std::byte{17}) return;
    CHECK((frame[20] & std::byte{0x40}) == std::byte{});  // no DF: a router may cut it
    identifications.insert(static_cast<std::uint16_t>(std::to_integer<unsigned>(frame[18]) << 8U | std::to_integer<unsigned>(frame[19])));
  });
  for (int i = 0; i < 5; ++i) REQUIRE(send(*hosts.left, hosts.right_address, counting(5000), 1000));
  hosts.world.run_for(1s);
  CHECK(identifications.size() == 25);
  CHECK(std::set(identifications.begin(), identifications.end()).size() == 25);
}

TEST_CASE("a super-datagram goes whole to a link that takes it", "[stack][udp]") {
  const bool takes = GENERATE(true, false);
  sim::World world;
  auto recording = std::make_unique<RecordingLink>(
      world.pool(), link::Capabilities{.completes_checksums = true, .max_super_segment = 65535, .cuts_datagrams = takes});
  RecordingLink& link = *recording;
  Stack stack{world, std::move(recording), {.address = "192.0.2.2/24"_prefix, .mac = kOwnMac}};
  REQUIRE(stack.arp().add_static(kPeer, kPeerMac));
  (void)link.take();
  REQUIRE(send(stack, kPeer, counting(10'500), 1000));
  const auto frames = link.take();
  CHECK(frames.size() == (takes ? 1 : 11));
  CHECK(frames.at(0).size() == 14 + 28 + (takes ? 10'500 : 1000));
}
