#include <catch2/catch.hpp>

#include <tins/tcp.h>

#include "icmp_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("every flipped bit is refused by the checksum, the unflipped message is not", "[icmp][RFC792-Format-2]") {
  const Bytes good = echo_request(0x1234, 1, pattern(5));
  IcmpLab lab;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto accepted = lab.inject(bad);
    REQUIRE_FALSE(accepted);
    CHECK(accepted.error() == Drop::bad_checksum);
  }
  CHECK(lab.icmp.drops()[Drop::bad_checksum] == good.size() * 8);
  CHECK(lab.icmp.stats().in_errors == good.size() * 8);
  CHECK(lab.network.sent.empty());
  CHECK(lab.inject(good));
  CHECK(lab.network.sent.size() == 1);
}

TEST_CASE("a device's word does not replace the checksum", "[icmp][RFC792-Format-2]") {
  const Bytes good = echo_request(1, 1, pattern(8));
  Bytes bad = good;
  bad.back() ^= std::byte{1};
  IcmpLab lab;
  const auto inject = [&lab](const Bytes& message, ChecksumState state) {
    Packet packet = lab.packet(message);
    packet.meta().checksum = state;
    return lab.network.inject(std::move(packet), FakeNetwork::received(network::Protocol::icmp, kPeer, kOwn));
  };
  for (const auto state : {ChecksumState::verified, ChecksumState::partial}) {
    CHECK(inject(bad, state) == std::unexpected{Drop::bad_checksum});
    CHECK(inject(good, state));
  }
}

TEST_CASE("a message shorter than its header is refused", "[icmp][POLICY-ICMP-1]") {
  const Bytes good = message(8, 0, 0x12340001);
  for (std::size_t size = 0; size < 8; ++size) {
    IcmpLab lab;
    CHECK(lab.inject(std::span{good}.first(size)).error() == Drop::truncated);
    CHECK(lab.icmp.drops()[Drop::truncated] == 1);
    CHECK(lab.icmp.stats().in_errors == 1);
    CHECK(lab.network.sent.empty());
  }
  IcmpLab lab;
  CHECK(lab.inject(good));
}

TEST_CASE("a quote that does not reach 8 bytes of data is refused by name", "[icmp][POLICY-ICMP-1]") {
  const Bytes quote = udp_datagram(kOwn, kPeer);
  for (const std::uint8_t type : Octets{3, 5, 11, 12}) {
    for (std::size_t size = 0; size < 28; ++size) {
      IcmpLab lab;
      const auto accepted = lab.inject(message(type, 0, 0, Bytes(quote.begin(), quote.begin() + static_cast<std::ptrdiff_t>(size))));
      CHECK(accepted.error() == Drop::truncated);
      CHECK(lab.icmp.stats().in_errors == 1);
      CHECK(lab.errors.delivered.empty());
      CHECK(lab.errors.redirects.empty());
    }
    IcmpLab lab;
    CHECK(lab.inject(message(type, 0, 0, Bytes(quote.begin(), quote.begin() + 28))));
    CHECK(lab.errors.delivered.size() + lab.errors.redirects.size() == 1);
  }
}

TEST_CASE("a quoted header that contradicts itself is refused by name", "[icmp][POLICY-ICMP-1]") {
  const auto outcome = [](std::uint8_t version_and_length) {
    Bytes quote = udp_datagram(kOwn, kPeer);
    quote[0] = std::byte{version_and_length};
    IcmpLab lab;
    const auto accepted = lab.inject(message(3, 3, 0, Bytes(quote.begin(), quote.begin() + 28)));
    CHECK(lab.errors.delivered.size() == (accepted ? 1 : 0));
    return accepted ? Drop::count_ : accepted.error();
  };
  CHECK(outcome(0x45) == Drop::count_);
  CHECK(outcome(0x46) == Drop::truncated);  // a longer header than the bytes there
  CHECK(outcome(0x4f) == Drop::truncated);
  CHECK(outcome(0x44) == Drop::bad_length);
  CHECK(outcome(0x40) == Drop::bad_length);
  CHECK(outcome(0x65) == Drop::bad_version);
}

TEST_CASE("unknown types are dropped silently", "[icmp][RFC1122-3.2.2-1]") {
  IcmpLab lab;
  for (const unsigned type : {1U, 2U, 7U, 19U, 29U, 40U, 42U, 200U, 255U}) {
    CHECK(lab.inject(message(static_cast<std::uint8_t>(type), 0, 0, pattern(40))).error() == Drop::unknown_protocol);
  }
  CHECK(lab.icmp.drops()[Drop::unknown_protocol] == 9);
  CHECK(lab.network.sent.empty());
  CHECK(lab.errors.delivered.empty());
  CHECK(lab.icmp.stats().in_pkts[200] == 1);
}

TEST_CASE("deprecated types are not acted on",
          "[icmp][RFC6918-2-1][RFC1122-3.2.2.7-1][RFC1122-3.2.2.9-1][RFC1122-3.2.2.9-2][RFC6633-5-1][RFC6633-3-2]") {
  IcmpLab lab;
  const Bytes quote = udp_datagram(kOwn, kPeer);
  std::vector<std::uint8_t> types{4, 6, 15, 16, 17, 18};
  for (std::uint8_t type = 30; type < 40; ++type) types.push_back(type);
  for (const std::uint8_t type : types) CHECK(lab.inject(message(type, 0, 0, quote)).error() == Drop::not_handled);
  CHECK(lab.icmp.drops()[Drop::not_handled] == types.size());
  // A source quench that quotes TCP tells TCP nothing either; an error that quotes it does.
  auto segment = Tins::IP(to_string(kPeer), to_string(kOwn)) / Tins::TCP(80, 50000);
  const Bytes tcp_quote = serialized(segment);
  CHECK(lab.inject(message(4, 0, 0, tcp_quote)).error() == Drop::not_handled);
  CHECK(lab.network.sent.empty());
  CHECK(lab.errors.delivered.empty());
  CHECK(lab.errors.redirects.empty());
  CHECK(lab.inject(message(3, 3, 0, tcp_quote)));
  CHECK(lab.errors.delivered.size() == 1);
}
