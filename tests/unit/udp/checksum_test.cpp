#include <catch2/catch.hpp>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

/// One socket that has connected nowhere, and what it sends.
struct Sender : UdpLab {
  explicit Sender(udp::SocketOptions options = {}) : socket{*udp.bind({kOwn, kOurPort}, std::move(options))} {}
  FakeNetwork::Sent send(const Bytes& payload) {
    REQUIRE(socket.send_to({kPeer, kPeerPort}, payload));
    auto sent = network.take();
    REQUIRE(sent.size() == 1);
    return sent.front();
  }
  udp::Socket socket;
};

}  // namespace

TEST_CASE("the checksum covers pseudo-header, header and data of any length",
          "[udp][RFC768-Fields-4][RFC1122-4.1.3.4-1][RFC1122-4.1.3.4-3]") {
  for (const std::size_t mtu : {1500U, 20U}) {  // completed by the link, and computed here
    Sender lab;
    lab.network.mtu = mtu;
    for (const std::size_t size : {0U, 1U, 2U, 7U, 100U, 1471U, 1472U}) {
      const auto sent = lab.send(pattern(size));
      CHECK(field(sent.packet, 6) != hex("0000"));
      CHECK(plain_sum(sent.packet, kOwn, kPeer) == 0xffff);
      // libtins comes to the same checksum.
      CHECK(sent.packet == datagram(pattern(size), kOwn, kPeer, kOurPort, kPeerPort));
    }
  }
}

TEST_CASE("a datagram that leaves in one piece lets the link complete its checksum", "[udp]") {
  Sender lab;
  const auto whole = lab.send(pattern(1472));  // 1500 bytes in all
  CHECK(whole.meta.checksum == ChecksumState::partial);
  CHECK(whole.meta.checksum_offset == 6);
  CHECK(whole.meta.transport == 0);
  // The sum of the pseudo-header (RFC 768) and nothing else, not complemented.
  const std::uint32_t sum = 0xc000 + 0x0202 + 0xc000 + 0x0201 + 17 + 1480;
  Bytes pseudo(2);
  set_field(pseudo, 0, (sum & 0xffffU) + (sum >> 16U));
  CHECK(field(whole.handed, 6) == pseudo);

  const auto fragmented = lab.send(pattern(1473));
  CHECK(fragmented.meta.checksum == ChecksumState::unverified);
  CHECK(fragmented.handed == fragmented.packet);
  CHECK(plain_sum(fragmented.handed, kOwn, kPeer) == 0xffff);
}

TEST_CASE("IPv4 options count when it is decided whether a datagram leaves in one piece", "[udp]") {
  Sender lab{{.ip_options = hex("01 01 01 01 00")}};  // 5 bytes take 8
  CHECK(lab.send(pattern(1464)).meta.checksum == ChecksumState::partial);
  CHECK(lab.send(pattern(1465)).meta.checksum == ChecksumState::unverified);
}

TEST_CASE("a computed checksum of zero is sent as 0xffff", "[udp][RFC768-Fields-5]") {
  // The two data bytes bring the sum to 0xffff, so that its complement is zero.
  for (const std::size_t mtu : {1500U, 20U}) {
    Sender lab;
    lab.network.mtu = mtu;
    Bytes bytes = datagram(Bytes(2), kOwn, kPeer, kOurPort, kPeerPort);
    set_field(bytes, 6, 0);
    const auto without = plain_sum(bytes, kOwn, kPeer);
    Bytes payload(2);
    set_field(payload, 0, 0xffffU - without);
    const auto sent = lab.send(payload);
    CHECK(field(sent.packet, 6) == hex("ffff"));
    CHECK(payload_of(sent.packet) == payload);
    // And its receiver takes it.
    auto receiver = lab.udp.bind({{}, kPeerPort});
    REQUIRE(receiver);
    lab.network.addresses = {Ipv4Prefix{kPeer, 24}};
    CHECK(lab.inject(sent.packet, kOwn, kPeer));
    CHECK(receiver->waiting() == 1);
  }
}

TEST_CASE("generation can be turned off", "[udp][RFC1122-4.1.3.4-2]") {
  Sender lab{{.checksum = false}};
  const auto sent = lab.send(pattern(100));
  CHECK(field(sent.handed, 6) == hex("0000"));
  CHECK(sent.meta.checksum == ChecksumState::unverified);
}

TEST_CASE("a received checksum of zero means none, and is accepted unless the socket requires one",
          "[udp][RFC768-Fields-6][RFC1122-4.1.3.4-5]") {
  UdpLab lab;
  Bytes bytes = datagram("x");
  const Bytes with_checksum = bytes;
  set_field(bytes, 6, 0);
  {
    auto lenient = lab.udp.bind({{}, kOurPort});
    REQUIRE(lenient);
    CHECK(lab.inject(bytes));
    CHECK(lenient->receive()->payload.bytes() == bytes_of("x"));
  }
  auto strict = lab.udp.bind({{}, kOurPort}, {.require_checksum = true});
  REQUIRE(strict);
  CHECK(lab.inject(bytes).error() == Drop::bad_checksum);
  CHECK(lab.udp.drops()[Drop::bad_checksum] == 1);
  CHECK(lab.udp.stats().in_errors == 1);
  CHECK(lab.network.refused.empty());
  CHECK(strict->waiting() == 0);
  CHECK(lab.inject(with_checksum));
  CHECK(strict->waiting() == 1);
}

TEST_CASE("a checksum that the device vouches for is not computed again", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  Bytes bytes = datagram("x");
  bytes.back() ^= std::byte{1};  // wrong by now: computing it would show
  const auto inject = [&](ChecksumState state, std::uint16_t offset) {
    Packet packet = lab.packet(bytes);
    packet.meta().checksum = state;
    packet.meta().checksum_offset = offset;
    return lab.network.inject(std::move(packet), UdpLab::from(kPeer, kOwn));
  };
  CHECK(inject(ChecksumState::verified, 0));
  CHECK(inject(ChecksumState::partial, 6));
  CHECK(inject(ChecksumState::partial, 16).error() == Drop::bad_checksum);  // some other protocol's field
  CHECK(inject(ChecksumState::unverified, 0).error() == Drop::bad_checksum);
  CHECK(socket->waiting() == 2);
}
