#include <catch2/catch.hpp>

#include <stdexcept>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

Bytes counting(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i / 3);
  return bytes;
}

/// As a device hands it over: its checksum is that of nothing, and vouched for.
Packet super_datagram(UdpLab& lab, const Bytes& payload, std::uint16_t each) {
  Packet packet = lab.packet(datagram(payload));
  packet.meta().checksum = ChecksumState::partial;
  packet.meta().checksum_offset = 6;
  packet.meta().gso = GsoKind::udp4;
  packet.meta().gso_size = each;
  return packet;
}

udp::Send to_peer(std::uint16_t segment) {
  udp::Send to;
  to.source = {kOwn, kOurPort};
  to.destination = {kPeer, kPeerPort};
  to.segment = segment;
  return to;
}

}  // namespace

TEST_CASE("the datagrams of a super-datagram are received one by one", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  int told = 0;
  socket->on_readable([&told] { ++told; });
  const std::size_t size = GENERATE(1U, 500U, 501U, 1500U, 1501U);
  const Bytes payload = counting(size);
  REQUIRE(lab.network.inject(super_datagram(lab, payload, 500), UdpLab::from(kPeer, kOwn)));
  const std::size_t datagrams = (size + 499) / 500;
  CHECK(told == static_cast<int>(datagrams));
  CHECK(lab.udp.stats().in_datagrams == datagrams);
  for (std::size_t at = 0; at < size; at += 500) {
    const auto received = socket->receive();
    REQUIRE(received);
    CHECK(std::ranges::equal(received->payload.bytes(), std::span{payload}.subspan(at, std::min<std::size_t>(500, size - at))));
    CHECK(received->payload.meta().gso == GsoKind::none);
    CHECK(received->source == Endpoint{kPeer, kPeerPort});
  }
  CHECK(socket->waiting() == 0);
}

TEST_CASE("of a super-datagram those are dropped that find no room", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort}, {.receive_limit_bytes = 3000});
  REQUIRE(socket);
  CHECK(lab.network.inject(super_datagram(lab, counting(5000), 500), UdpLab::from(kPeer, kOwn)) == std::unexpected{Drop::queue_full});
  const auto taken = socket->waiting();
  CHECK(taken > 0);
  CHECK(taken < 10);
  CHECK(lab.udp.stats().in_datagrams == taken);
  CHECK(lab.udp.stats().in_errors == 10 - taken);
}

TEST_CASE("a super-datagram to a closed port is refused once", "[udp]") {
  UdpLab lab;
  CHECK(lab.network.inject(super_datagram(lab, counting(5000), 500), UdpLab::from(kPeer, kOwn)) == std::unexpected{Drop::no_listener});
  CHECK(lab.network.refused.size() == 1);
  CHECK(lab.udp.stats().no_ports == 1);
}

TEST_CASE("every socket of a group gets every datagram of a super-datagram, though a handler throws or closes others", "[udp]") {
  UdpLab lab;
  const Ipv4Address group = "224.1.2.3"_ipv4;
  auto one = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  auto two = lab.udp.bind({{}, kOurPort}, {.reuse = true});
  REQUIRE((one && two));
  REQUIRE((one->join(group) && two->join(group)));
  auto from = UdpLab::from(kPeer, group);
  from.to_group = true;
  from.cast = LinkCast::multicast;
  int told = 0;
  SECTION("throws") {
    two->on_readable([&told] { ++told; });
    one->on_readable([] { throw std::runtime_error{"from a handler"}; });
    CHECK_THROWS_AS(lab.network.inject(super_datagram(lab, counting(1200), 500), from), std::runtime_error);
    CHECK(one->waiting() == 3);
    CHECK(two->waiting() == 3);
    CHECK(told == 3);
  }
  SECTION("closes") {
    one->on_readable([&] {
      ++told;
      two->close();
    });
    two->on_readable([&] {
      ++told;
      one->close();
    });
    REQUIRE(lab.network.inject(super_datagram(lab, counting(1200), 500), from));
    CHECK(told >= 1);
    CHECK(told <= 3);
  }
  CHECK(lab.udp.stats().in_datagrams == 3);
}

TEST_CASE("what is cut goes down as one super-datagram", "[udp]") {
  UdpLab lab;
  const Bytes payload = counting(2500);
  REQUIRE(lab.udp.encapsulate(lab.packet(payload), to_peer(1000)));
  const auto sent = lab.network.take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].meta.gso == GsoKind::udp4);
  CHECK(sent[0].meta.gso_size == 1000);
  CHECK(sent[0].meta.checksum == ChecksumState::partial);
  CHECK(lab.udp.stats().out_datagrams == 3);
}

TEST_CASE("what is no larger than a piece goes as a datagram", "[udp]") {
  UdpLab lab;
  REQUIRE(lab.udp.encapsulate(lab.packet(counting(1000)), to_peer(1000)));
  const auto sent = lab.network.take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].meta.gso == GsoKind::none);
  CHECK(lab.udp.stats().out_datagrams == 1);
}

TEST_CASE("each piece has to fit the path, and to have a checksum", "[udp]") {
  UdpLab lab;
  CHECK(lab.udp.encapsulate(lab.packet(counting(3000)), to_peer(1473)) == fail(Error::message_too_large));
  CHECK(lab.udp.encapsulate(lab.packet(counting(3000)), to_peer(1472)));  // with 28 bytes of headers 1,500
  auto bare = to_peer(1000);
  bare.checksum = false;
  CHECK(lab.udp.encapsulate(lab.packet(counting(3000)), bare) == fail(Error::invalid_argument));
  CHECK(lab.udp.encapsulate(lab.packet(counting(1000)), bare));
}
