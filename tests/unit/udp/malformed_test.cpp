#include <catch2/catch.hpp>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

/// Injects a datagram that must be dropped for `reason`: nothing delivered, nothing sent, nobody refused, one counted.
void refused(UdpLab& lab, const Bytes& bytes, Drop reason, IpAddress source = kPeer) {
  const auto before = lab.udp.drops()[reason];
  const auto errors_before = lab.udp.stats().in_errors;
  const auto accepted = lab.inject(bytes, source);
  REQUIRE_FALSE(accepted);
  CHECK(accepted.error() == reason);
  CHECK(lab.udp.drops()[reason] == before + 1);
  CHECK(lab.udp.stats().in_errors == errors_before + 1);
  CHECK(lab.network.sent.empty());
  CHECK(lab.network.refused.empty());
}

}  // namespace

TEST_CASE("a datagram shorter than its header is refused", "[udp]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const Bytes good = datagram("");
  for (std::size_t size = 0; size < 8; ++size) refused(lab, Bytes(good.begin(), good.begin() + static_cast<int>(size)), Drop::truncated);
  CHECK(socket->waiting() == 0);
  CHECK(lab.inject(good));
  CHECK(socket->waiting() == 1);
}

TEST_CASE("a length below the header's is refused", "[udp][RFC768-Fields-2]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  for (std::size_t length = 0; length < 8; ++length) {
    Bytes bad = datagram("payload");
    set_field(bad, 4, length);
    fix_checksum(bad);
    refused(lab, bad, Drop::bad_length);
  }
  CHECK(socket->waiting() == 0);
  Bytes shortest = datagram("");
  CHECK(field(shortest, 4) == hex("0008"));
  CHECK(lab.inject(shortest));
}

TEST_CASE("a length beyond the datagram is refused, a shorter one cuts", "[udp][RFC768-Fields-3]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const Bytes good = datagram("payload");
  for (const std::size_t more : {1U, 100U, 60000U}) {
    Bytes bad = good;
    set_field(bad, 4, good.size() + more);
    refused(lab, bad, Drop::bad_length);
  }
  // One less, with the checksum that belongs to the 14 bytes.
  Bytes shorter(good.begin(), good.end() - 1);
  set_field(shorter, 4, shorter.size());
  fix_checksum(shorter);
  shorter.push_back(std::byte{'d'});
  REQUIRE(lab.inject(shorter));
  const auto received = socket->receive();
  REQUIRE(received);
  CHECK(received->payload.bytes() == bytes_of("payloa"));
}

TEST_CASE("every flipped bit is refused by the checksum, the unflipped datagram is not",
          "[udp][RFC1122-4.1.3.4-1][RFC1122-4.1.3.4-4][RFC768-Fields-4]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  const Bytes good = datagram("odd");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    if (bit / 8 == 4 || bit / 8 == 5) continue;  // the length is refused by its own rules first
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    refused(lab, bad, Drop::bad_checksum);
  }
  // The pseudo-header's addresses are covered, too.
  refused(lab, good, Drop::bad_checksum, "192.0.2.3"_ipv4);
  CHECK(socket->waiting() == 0);
  CHECK(lab.inject(good));
  CHECK(socket->waiting() == 1);
}

TEST_CASE("a bad checksum to a closed port is silent, too", "[udp][RFC1122-4.1.3.4-4]") {
  UdpLab lab;
  Bytes bad = datagram("x");
  bad.back() ^= std::byte{1};
  refused(lab, bad, Drop::bad_checksum);
  CHECK(lab.udp.stats().no_ports == 0);
  CHECK_FALSE(lab.inject(datagram("x")));
  CHECK(lab.udp.stats().no_ports == 1);
}

TEST_CASE("a source that is no host's address is refused", "[udp][RFC1122-4.1.3.6-1]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  for (const auto source : {"255.255.255.255"_ipv4, "192.0.2.255"_ipv4, "224.0.0.1"_ipv4, "239.255.0.1"_ipv4}) {
    refused(lab, datagram("x", source), Drop::martian_source, source);
  }
  CHECK(socket->waiting() == 0);
  CHECK(lab.inject(datagram("x", "8.8.8.8"_ipv4), "8.8.8.8"_ipv4));
}

TEST_CASE("destination port 0 is refused, source port 0 is not", "[udp][RFC768-Fields-7]") {
  UdpLab lab;
  auto socket = lab.udp.bind({{}, kOurPort});
  REQUIRE(socket);
  refused(lab, datagram("x", kPeer, kOwn, kPeerPort, Port{0}), Drop::bad_port);
  REQUIRE(lab.inject(datagram("x", kPeer, kOwn, Port{0}, kOurPort)));
  CHECK(socket->receive()->source == Endpoint{kPeer, Port{0}});
}
