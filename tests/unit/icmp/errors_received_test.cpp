#include <catch2/catch.hpp>

#include <tins/tcp.h>

#include "icmp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using network::ErrorKind;

namespace {

/// An error from a router about a datagram of ours, written by libtins.
Bytes error_message(Tins::ICMP::Flags type, std::uint8_t code, const Bytes& quote) {
  Tins::ICMP icmp{type};
  icmp.code(code);
  auto whole = icmp / Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(quote.data()), static_cast<std::uint32_t>(quote.size()));
  return serialized(whole);
}

constexpr Ipv4Address kRouter = "192.0.2.254"_ipv4;
constexpr Ipv4Address kFar = "203.0.113.9"_ipv4;

}  // namespace

TEST_CASE("destination unreachable reaches the transport it quotes, with its code's meaning",
          "[icmp][RFC1122-3.2.2-4][RFC1122-3.2.2.1-3]") {
  const std::vector<ErrorKind> kinds{
      ErrorKind::network_unreachable,  ErrorKind::host_unreachable,    ErrorKind::protocol_unreachable, ErrorKind::port_unreachable,
      ErrorKind::fragmentation_needed, ErrorKind::source_route_failed, ErrorKind::network_unreachable,  ErrorKind::host_unreachable,
      ErrorKind::host_unreachable,     ErrorKind::prohibited,          ErrorKind::prohibited,           ErrorKind::network_unreachable,
      ErrorKind::host_unreachable,     ErrorKind::prohibited,          ErrorKind::prohibited,           ErrorKind::prohibited};
  const Bytes quote = udp_datagram(kOwn, kFar);
  for (std::size_t code = 0; code < kinds.size(); ++code) {
    IcmpLab lab;
    REQUIRE(lab.inject(error_message(Tins::ICMP::DEST_UNREACHABLE, static_cast<std::uint8_t>(code), quote), kRouter));
    REQUIRE(lab.errors.delivered.size() == 1);
    const auto& [quoted, report, transport] = lab.errors.delivered.front();
    CHECK(quoted == network::Protocol::udp);
    CHECK(report.kind == kinds[code]);
    CHECK(report.type == 3);
    CHECK(report.code == code);
    CHECK(report.reporter == IpAddress{kRouter});
    CHECK(report.source == IpAddress{kOwn});
    CHECK(report.destination == IpAddress{kFar});
    CHECK(report.quoted_length == quote.size());
    CHECK(transport == Bytes(quote.begin() + 20, quote.end()));
    CHECK(lab.network.sent.empty());
    CHECK(lab.icmp.stats().in_pkts[3] == 1);
  }
  IcmpLab lab;
  CHECK(lab.inject(error_message(Tins::ICMP::DEST_UNREACHABLE, 16, quote)).error() == Drop::not_handled);
  CHECK(lab.errors.delivered.empty());
}

TEST_CASE("an error that quotes TCP reaches TCP", "[icmp][RFC1122-3.2.2-4]") {
  auto ip = Tins::IP(to_string(kFar), to_string(kOwn)) / Tins::TCP(80, 50000) / Tins::RawPDU(std::string(100, 'x'));
  IcmpLab lab;
  REQUIRE(lab.inject(error_message(Tins::ICMP::TIME_EXCEEDED, 0, serialized(ip)), kRouter));
  REQUIRE(lab.errors.delivered.size() == 1);
  CHECK(lab.errors.delivered[0].quoted == network::Protocol::tcp);
  CHECK(lab.errors.delivered[0].transport.size() == 60);  // as much as the longest TCP header
}

TEST_CASE("time exceeded reaches the transport", "[icmp][RFC1122-3.2.2.4-1]") {
  IcmpLab lab;
  const Bytes quote = udp_datagram(kOwn, kFar);
  REQUIRE(lab.inject(error_message(Tins::ICMP::TIME_EXCEEDED, 0, quote), kRouter));
  REQUIRE(lab.inject(error_message(Tins::ICMP::TIME_EXCEEDED, 1, quote), kRouter));
  CHECK(lab.inject(error_message(Tins::ICMP::TIME_EXCEEDED, 2, quote), kRouter).error() == Drop::not_handled);
  REQUIRE(lab.errors.delivered.size() == 2);
  CHECK(lab.errors.delivered[0].report.kind == ErrorKind::ttl_exceeded);
  CHECK(lab.errors.delivered[1].report.kind == ErrorKind::reassembly_time_exceeded);
  CHECK(lab.errors.delivered[1].report.type == 11);
  CHECK(lab.errors.delivered[1].report.code == 1);
}

TEST_CASE("parameter problem reaches the transport with its pointer", "[icmp][RFC1122-3.2.2.5-2][RFC1122-3.2.2.5-3]") {
  Tins::ICMP icmp{Tins::ICMP::PARAM_PROBLEM};
  icmp.pointer(21);
  const Bytes quote = udp_datagram(kOwn, kFar);
  auto whole = icmp / Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(quote.data()), static_cast<std::uint32_t>(quote.size()));
  IcmpLab lab;
  REQUIRE(lab.inject(serialized(whole), kRouter));
  REQUIRE(lab.errors.delivered.size() == 1);
  CHECK(lab.errors.delivered[0].report.kind == ErrorKind::parameter_problem);
  CHECK(lab.errors.delivered[0].report.pointer == 21);
}

TEST_CASE("fragmentation needed tells the next hop's MTU", "[icmp]") {
  const Bytes quote = udp_datagram(kOwn, kFar);
  IcmpLab lab;
  Tins::ICMP icmp{Tins::ICMP::DEST_UNREACHABLE};
  icmp.code(4);
  icmp.mtu(1280);
  auto whole = icmp / Tins::RawPDU(reinterpret_cast<const std::uint8_t*>(quote.data()), static_cast<std::uint32_t>(quote.size()));
  REQUIRE(lab.inject(serialized(whole), kRouter));
  REQUIRE(lab.inject(message(3, 4, 0, quote), kRouter));     // a router older than RFC 1191
  REQUIRE(lab.inject(message(3, 3, 1280, quote), kRouter));  // the field means nothing in other codes
  REQUIRE(lab.errors.delivered.size() == 3);
  CHECK(lab.errors.delivered[0].report.next_hop_mtu == 1280);
  CHECK(lab.errors.delivered[1].report.next_hop_mtu == 0);
  CHECK(lab.errors.delivered[2].report.next_hop_mtu == 0);
}

TEST_CASE("the quoted header's options are skipped", "[icmp]") {
  Bytes quote = udp_datagram(kOwn, kFar);
  const Bytes options = hex("07 07 04 00000000 00");
  quote.insert(quote.begin() + 20, options.begin(), options.end());
  quote[0] = std::byte{0x47};
  IcmpLab lab;
  REQUIRE(lab.inject(message(3, 3, 0, quote), kRouter));
  CHECK(Bytes(lab.errors.delivered.at(0).transport.begin(), lab.errors.delivered[0].transport.begin() + 4) == hex("115c 1e61"));
}

TEST_CASE("an error quoting a datagram that is not ours is ignored", "[icmp][POLICY-ICMP-3]") {
  IcmpLab lab;
  for (const std::uint8_t type : Octets{3, 5, 11, 12}) {
    CHECK(lab.inject(message(type, 0, 0, udp_datagram(kPeer, kFar))).error() == Drop::unrelated_error);
  }
  CHECK(lab.icmp.drops()[Drop::unrelated_error] == 4);
  CHECK(lab.errors.delivered.empty());
  CHECK(lab.errors.redirects.empty());
  CHECK(lab.inject(message(3, 0, 0, udp_datagram(kSecondOwn, kFar))));
  CHECK(lab.errors.delivered.size() == 1);
}

TEST_CASE("an error quoting a fragment without transport header is ignored", "[icmp]") {
  auto ip = Tins::IP(to_string(kFar), to_string(kOwn)) / Tins::RawPDU(std::string(64, 'x'));
  ip.protocol(17);
  ip.fragment_offset(185);
  IcmpLab lab;
  CHECK(lab.inject(message(11, 1, 0, serialized(ip))).error() == Drop::unrelated_error);
  CHECK(lab.errors.delivered.empty());
}

TEST_CASE("redirects of all four codes are handed over with their gateway", "[icmp]") {
  const Bytes quote = udp_datagram(kOwn, kFar);
  for (std::uint8_t code = 0; code < 4; ++code) {
    const Bytes bytes = message(5, code, 0xc000024d, quote);  // 192.0.2.77; libtins writes the gateway in the wrong byte order
    IcmpLab lab;
    REQUIRE(lab.inject(bytes, kRouter));
    REQUIRE(lab.errors.redirects.size() == 1);
    CHECK(lab.errors.redirects[0].destination == IpAddress{kFar});
    CHECK(lab.errors.redirects[0].gateway == IpAddress{"192.0.2.77"_ipv4});
    CHECK(lab.errors.redirects[0].from == IpAddress{kRouter});
    CHECK(lab.errors.delivered.empty());

    IcmpLab deaf{{.accept_redirects = false}};
    CHECK(deaf.inject(bytes, kRouter).error() == Drop::not_handled);
    CHECK(deaf.errors.redirects.empty());
  }
  IcmpLab lab;
  CHECK(lab.inject(message(5, 4, 0xc000024d, quote), kRouter).error() == Drop::not_handled);
}

TEST_CASE("an extension behind the quoted datagram is not taken for the datagram", "[icmp][RFC4884-4-1]") {
  // 128 bytes of quote (32 words, said in the sixth byte), then an extension with one object.
  Bytes quote = udp_datagram(kOwn, kFar, "four");
  const std::size_t datagram_size = quote.size();
  quote.resize(128);
  const Bytes extension = hex("2000 0000 0008 0101 01020304");
  Bytes content = quote;
  content.insert(content.end(), extension.begin(), extension.end());
  for (const std::uint8_t type : Octets{3, 11, 12}) {
    IcmpLab lab;
    REQUIRE(lab.inject(message(type, 0, 32U << 16U, content), kRouter));
    REQUIRE(lab.errors.delivered.size() == 1);
    const auto& transport = lab.errors.delivered[0].transport;
    CHECK(Bytes(transport.begin(), transport.begin() + 12) == Bytes(quote.begin() + 20, quote.begin() + static_cast<int>(datagram_size)));
  }
  // A stated length that is no RFC 4884 length, or longer than the message, changes nothing.
  for (const std::uint32_t words : {1U, 31U, 255U}) {
    IcmpLab lab;
    REQUIRE(lab.inject(message(3, 3, words << 16U, content), kRouter));
    CHECK(lab.errors.delivered.size() == 1);
  }
}
