#include <catch2/catch.hpp>

#include <tapir/core/checksum.hpp>

#include "over_ipv4_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

/// The type and code of the one message sent.
std::pair<int, int> only_message(Host& host) {
  const auto all = host.take();
  REQUIRE(all.size() == 1);
  const auto& message = all.front().rfind_pdu<Tins::ICMP>();
  return {message.type(), message.code()};
}

Bytes redirect(std::uint8_t code, Ipv4Address from, Ipv4Address gateway) {
  return icmp_datagram(from, kOwn, message(5, code, gateway.value(), udp_datagram(kOwn, kFar)));
}

Bytes with_options(Bytes datagram, const Bytes& options) {
  datagram.insert(datagram.begin() + 20, options.begin(), options.end());
  datagram[0] = static_cast<std::byte>(0x45U + options.size() / 4);
  const std::size_t total = datagram.size();
  datagram[2] = static_cast<std::byte>(total >> 8U);
  datagram[3] = static_cast<std::byte>(total & 0xffU);
  datagram[10] = datagram[11] = std::byte{0};
  InternetChecksum sum;
  sum.add(std::span{datagram}.first(20 + options.size()));
  datagram[10] = static_cast<std::byte>(sum.value() >> 8U);
  datagram[11] = static_cast<std::byte>(sum.value() & 0xffU);
  return datagram;
}

}  // namespace

TEST_CASE("a protocol that nobody speaks draws protocol unreachable", "[icmp][RFC1122-3.2.2.1-1][RFC1122-3.2.2-2]") {
  Host host;
  auto ip = Tins::IP(to_string(kOwn), to_string(kPeer)) / Tins::RawPDU(std::string(64, 'x'));
  ip.protocol(200);
  const Bytes datagram = serialized(ip);
  CHECK(host.inject(datagram).error() == Drop::unknown_protocol);
  REQUIRE(host.below.sent.size() == 1);
  CHECK(host.below.sent[0].next_hop == kPeer);
  CHECK(Bytes(host.below.sent[0].bytes.begin() + 28, host.below.sent[0].bytes.end()) == datagram);
  CHECK(only_message(host) == std::pair{3, 2});
}

TEST_CASE("a closed port draws port unreachable, but not in a broadcast", "[icmp][RFC1122-3.2.2.1-2][RFC1122-3.2.2-7][RFC1122-3.2.2-8]") {
  Host host;
  const Bytes datagram = udp_datagram(kPeer, kOwn);
  CHECK(host.inject(datagram).error() == Drop::no_listener);
  REQUIRE(host.below.sent.size() == 1);
  CHECK(Bytes(host.below.sent[0].bytes.begin() + 28, host.below.sent[0].bytes.end()) == datagram);
  CHECK(only_message(host) == std::pair{3, 3});
  CHECK_FALSE(host.inject(udp_datagram(kPeer, "192.0.2.255"_ipv4), LinkCast::broadcast));
  CHECK_FALSE(host.inject(udp_datagram(kPeer, "255.255.255.255"_ipv4), LinkCast::broadcast));
  CHECK_FALSE(host.inject(datagram, LinkCast::broadcast));
  CHECK(host.take().empty());
}

TEST_CASE("an illegal option length draws parameter problem at its octet, an ICMP error with it does not",
          "[icmp][RFC1122-3.2.2.5-1][RFC792-ParameterProblem-1][RFC1122-3.2.2-6]") {
  Host host;
  const Bytes bad = hex("07 01 00 00");
  CHECK(host.inject(with_options(icmp_datagram(kPeer, kOwn, echo_request(1, 1, {})), bad)).error() == Drop::bad_option);
  const auto all = host.take();
  REQUIRE(all.size() == 1);
  CHECK(all[0].rfind_pdu<Tins::ICMP>().type() == Tins::ICMP::PARAM_PROBLEM);
  CHECK(all[0].rfind_pdu<Tins::ICMP>().pointer() == 21);
  const Bytes error = icmp_datagram(kPeer, kOwn, message(3, 3, 0, udp_datagram(kOwn, kPeer)));
  CHECK(host.inject(with_options(error, bad)).error() == Drop::bad_option);
  CHECK(host.take().empty());
}

TEST_CASE("a thousand datagrams to a closed port draw no more errors than the limit", "[icmp][POLICY-ICMP-2]") {
  Host host;
  const icmp::RateLimit limit = icmp::Config{}.errors;
  for (int i = 0; i < 1000; ++i) {
    (void)host.inject(udp_datagram(kPeer, kOwn));
    host.advance(1ms);
  }
  CHECK(host.take().size() <= limit.burst + limit.per_second);
  CHECK(host.icmp.drops()[Drop::rate_limited] > 0);
}

TEST_CASE("an echo request with its options is answered through the network layer", "[icmp][RFC1122-3.2.2.6-8][RFC1122-3.2.2.6-9]") {
  Host host;
  const auto options_of = [&](const Bytes& options) {
    REQUIRE(host.inject(with_options(icmp_datagram(kPeer, kOwn, echo_request(1, 1, pattern(4))), options)));
    REQUIRE(host.below.sent.size() == 1);
    const Bytes bytes = std::exchange(host.below.sent, {}).front().bytes;
    const auto end = static_cast<std::ptrdiff_t>(std::to_integer<std::size_t>(bytes[0] & std::byte{0xf}) * 4);
    CHECK(checksum_good(Bytes(bytes.begin(), bytes.begin() + end)));
    CHECK(checksum_good(Bytes(bytes.begin() + end, bytes.end())));
    return std::pair{Bytes(bytes.begin() + 16, bytes.begin() + 20), Bytes(bytes.begin() + 20, bytes.begin() + end)};
  };
  CHECK(options_of(hex("07 0b 08 0a000001 00000000 00")) == std::pair{hex("c0000201"), hex("07 0b 0c 0a000001 c0000202 00")});
  // Came by 10.0.0.1 and then 192.0.2.9; goes back to 192.0.2.9 first, and 192.0.2.1 stands last.
  CHECK(options_of(hex("83 0b 0c 0a000001 c0000209 00")) == std::pair{hex("c0000209"), hex("83 0b 04 0a000001 c0000201 00")});
}

TEST_CASE("host and network redirects from the first hop change the next hop",
          "[icmp][RFC792-Redirect-1][RFC1122-3.2.2.2-2][RFC1122-3.2.2.2-3]") {
  for (const std::uint8_t code : Octets{0, 1, 2, 3}) {
    Host host;
    CHECK(host.next_hop(kFar) == kGateway);
    REQUIRE(host.inject(redirect(code, kGateway, "192.0.2.77"_ipv4)));
    CHECK(host.next_hop(kFar) == "192.0.2.77"_ipv4);
    CHECK(host.next_hop("203.0.113.10"_ipv4) == kGateway);
  }
}

TEST_CASE("a redirect off the link or from a stranger changes nothing", "[icmp][RFC1122-3.2.2.2-4][RFC1122-3.2.2.2-5]") {
  Host host;
  (void)host.inject(redirect(1, kGateway, "198.51.100.1"_ipv4));
  CHECK(host.next_hop(kFar) == kGateway);
  (void)host.inject(redirect(1, kPeer, "192.0.2.77"_ipv4));
  CHECK(host.next_hop(kFar) == kGateway);
  (void)host.inject(redirect(1, kGateway, "192.0.2.77"_ipv4));
  CHECK(host.next_hop(kFar) == "192.0.2.77"_ipv4);
}

TEST_CASE("unreachable codes 0, 1 and 5 do not prove the gateway dead", "[icmp][RFC1122-3.2.2.1-7]") {
  Host host;
  for (const std::uint8_t code : Octets{0, 1, 5}) {
    REQUIRE(host.inject(icmp_datagram(kGateway, kOwn, message(3, code, 0, udp_datagram(kOwn, kFar)))).has_value());
    CHECK(host.next_hop(kFar) == kGateway);
  }
}

TEST_CASE("a host sends no redirect, though source-routed traffic would suit another way", "[icmp][RFC1122-3.2.2.2-1]") {
  Host host;
  // To us, on to 192.0.2.9, which is on the link that it came from.
  CHECK_FALSE(host.inject(with_options(udp_datagram(kPeer, kOwn), hex("83 07 04 c0000209 00"))));
  CHECK_FALSE(host.inject(udp_datagram(kPeer, kFar)));
  for (const auto& sent : host.take()) CHECK(sent.rfind_pdu<Tins::ICMP>().type() != Tins::ICMP::REDIRECT);
}

TEST_CASE("a router ignores source quench", "[icmp][RFC6633-4-1]") {
  Host router{{.forwarding = true}};
  CHECK(router.inject(icmp_datagram(kGateway, kOwn, message(4, 0, 0, udp_datagram(kOwn, kFar)))).error() == Drop::not_handled);
  CHECK(router.take().empty());
  CHECK(router.next_hop(kFar) == kGateway);
}

TEST_CASE("an error reaches the UDP socket that it is about", "[icmp][RFC1122-3.2.2-4][RFC1122-3.2.2.1-3]") {
  Host host;
  auto socket = host.udp.bind({{}, Port{4444}});
  REQUIRE(socket);
  REQUIRE(socket->connect({kFar, Port{7777}}));
  REQUIRE(host.inject(icmp_datagram(kFar, kOwn, message(3, 3, 0, udp_datagram(kOwn, kFar)))));
  CHECK(socket->take_error() == Error::connection_refused);
  // The path MTU comes down, and the socket learns what still goes in one piece.
  REQUIRE(socket->send(Bytes(1472)));
  (void)host.take();
  CHECK(socket->path_payload(kFar) == 1472);
  Bytes large = udp_datagram(kOwn, kFar, std::string(1472, 'x'));
  large[6] |= std::byte{0x40};
  large.resize(28);
  REQUIRE(host.inject(icmp_datagram(kGateway, kOwn, message(3, 4, 1280, large))));
  CHECK(socket->path_payload(kFar) == 1252);
}

TEST_CASE("an own address and the loopback answer a ping", "[icmp][RFC1122-3.2.2.6-2]") {
  Host host;
  for (const auto destination : {kOwn, "127.0.0.1"_ipv4}) {
    std::vector<icmp::PingEvent> events;
    const auto ping = host.icmp.ping(destination, {.size = 3000}, [&](const icmp::PingEvent& event) { events.push_back(event); });
    REQUIRE(ping);
    host.advance(1ms);
    REQUIRE(events.size() == 1);
    REQUIRE(events[0].reply);
    CHECK(events[0].reply->intact);
    CHECK(events[0].reply->from == IpAddress{destination});
  }
  CHECK(host.take().empty());
}

TEST_CASE("on the loopback a closed port refuses a connected socket", "[icmp]") {
  Host host;
  auto socket = host.udp.bind({{}, Port{4444}});
  REQUIRE(socket);
  REQUIRE(socket->connect({"127.0.0.1"_ipv4, Port{9}}));
  REQUIRE(socket->send(pattern(10)));
  host.advance(1ms);
  CHECK(socket->take_error() == Error::connection_refused);
  CHECK(host.take().empty());
}
