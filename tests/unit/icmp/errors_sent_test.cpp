#include <catch2/catch.hpp>

#include "icmp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using network::ErrorKind;
using Problem = network::ErrorSender::Problem;

namespace {

void send_error(IcmpLab& lab, const Bytes& datagram, const Problem& problem) { lab.icmp.send_error(lab.packet(datagram), problem); }

/// Whether an error about `datagram` is sent at all.
bool draws_error(const Bytes& datagram, const Problem& problem = {.kind = ErrorKind::parameter_problem}) {
  IcmpLab lab;
  send_error(lab, datagram, problem);
  CHECK(lab.icmp.stats().suppressed == (lab.network.sent.empty() ? 1 : 0));
  return !lab.network.sent.empty();
}

Bytes with_checksum_of(Tins::IP& ip) { return serialized(ip); }

}  // namespace

TEST_CASE("destination unreachable: code by kind, unused word zero, the datagram quoted as it came",
          "[icmp][RFC792-Unreachable-1][RFC792-Unreachable-2][RFC1122-3.2.2-2]") {
  struct Row {
    ErrorKind kind;
    std::uint8_t code;
  };
  for (const auto [kind, code] :
       {Row{ErrorKind::network_unreachable, 0}, Row{ErrorKind::host_unreachable, 1}, Row{ErrorKind::unresolved, 1},
        Row{ErrorKind::protocol_unreachable, 2}, Row{ErrorKind::port_unreachable, 3}, Row{ErrorKind::source_route_failed, 5},
        Row{ErrorKind::prohibited, 13}}) {
    IcmpLab lab;
    const Bytes datagram = udp_datagram(kPeer, kSecondOwn);
    send_error(lab, datagram, {.kind = kind});
    REQUIRE(lab.network.sent.size() == 1);
    const auto& sent = lab.network.sent.front();
    const auto error = parsed(sent.packet);
    CHECK(error.type() == Tins::ICMP::DEST_UNREACHABLE);
    CHECK(error.code() == code);
    CHECK(Bytes(sent.packet.begin() + 4, sent.packet.begin() + 8) == Bytes(4));
    CHECK(checksum_good(sent.packet));
    CHECK(body(sent.packet) == datagram);
    const Tins::IP quoted{reinterpret_cast<const std::uint8_t*>(sent.packet.data() + 8), static_cast<std::uint32_t>(datagram.size())};
    CHECK(quoted.rfind_pdu<Tins::UDP>().dport() == 7777);
    CHECK(sent.to.destination == IpAddress{kPeer});
    CHECK(sent.to.source == IpAddress{kSecondOwn});
    CHECK(lab.icmp.stats().out_pkts[3] == 1);
  }
}

TEST_CASE("fragmentation needed carries the next hop's MTU", "[icmp][RFC792-Unreachable-2]") {
  IcmpLab lab;
  send_error(lab, udp_datagram(kPeer, "203.0.113.1"_ipv4), {.kind = ErrorKind::fragmentation_needed, .next_hop_mtu = 1280});
  const auto error = parsed(lab.network.sent.at(0).packet);
  CHECK(error.code() == 4);
  CHECK(error.mtu() == 1280);
  CHECK(lab.network.sent[0].to.source.is_unspecified());  // the datagram was for somebody else: the network layer selects
}

TEST_CASE("time exceeded: code 0 in transit, code 1 in reassembly", "[icmp][RFC792-TimeExceeded-1]") {
  IcmpLab lab;
  send_error(lab, udp_datagram(kPeer, kOwn), {.kind = ErrorKind::ttl_exceeded});
  send_error(lab, udp_datagram(kPeer, kOwn), {.kind = ErrorKind::reassembly_time_exceeded});
  REQUIRE(lab.network.sent.size() == 2);
  for (std::uint8_t code = 0; code < 2; ++code) {
    const auto error = parsed(lab.network.sent[code].packet);
    CHECK(error.type() == Tins::ICMP::TIME_EXCEEDED);
    CHECK(error.code() == code);
    CHECK(checksum_good(lab.network.sent[code].packet));
  }
}

TEST_CASE("parameter problem points at the octet", "[icmp]") {
  IcmpLab lab;
  send_error(lab, udp_datagram(kPeer, kOwn), {.kind = ErrorKind::parameter_problem, .pointer = 21});
  const auto error = parsed(lab.network.sent.at(0).packet);
  CHECK(error.type() == Tins::ICMP::PARAM_PROBLEM);
  CHECK(error.code() == 0);
  CHECK(error.pointer() == 21);
  CHECK(lab.network.sent[0].packet[4] == std::byte{21});
}

TEST_CASE("more than 8 bytes are quoted, up to 576 in all, and no link padding", "[icmp][RFC1122-3.2.2-3]") {
  for (const std::size_t size : {0U, 9U, 520U, 521U, 1400U, 60000U}) {
    IcmpLab lab;
    Bytes datagram = udp_datagram(kPeer, kOwn, std::string(size, 'x'));
    const Bytes original = datagram;
    if (datagram.size() < 46) datagram.resize(46);  // the shortest frame's payload
    send_error(lab, datagram, {.kind = ErrorKind::port_unreachable});
    const Bytes quoted = body(lab.network.sent.at(0).packet);
    const std::size_t expected = std::min<std::size_t>(28 + size, 548);
    CHECK(quoted == Bytes(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(expected)));
    CHECK(20 + lab.network.sent[0].packet.size() <= 576);
  }
}

TEST_CASE("errors are sent with TOS 0 and the usual TTL", "[icmp][RFC1122-3.2.2-5]") {
  IcmpLab lab;
  send_error(lab, udp_datagram(kPeer, kOwn, "x", 0xb8), {.kind = ErrorKind::port_unreachable});
  CHECK(lab.network.sent.at(0).to.tos == 0);
  CHECK_FALSE(lab.network.sent[0].to.ttl);
  CHECK(lab.network.sent[0].options.empty());
}

TEST_CASE("no error is sent about an ICMP error", "[icmp][RFC1122-3.2.2-6]") {
  const Bytes quote = udp_datagram(kOwn, kPeer);
  for (const std::uint8_t type : Octets{3, 4, 5, 11, 12, 200}) {
    CHECK_FALSE(draws_error(icmp_datagram(kPeer, kOwn, message(type, 0, 0, quote))));
  }
  CHECK_FALSE(draws_error(icmp_datagram(kPeer, kOwn, {})));  // of no type at all
  for (const std::uint8_t type : Octets{0, 8, 13, 14}) CHECK(draws_error(icmp_datagram(kPeer, kOwn, message(type, 0, 0, pattern(12)))));
}

TEST_CASE("no error is sent about a datagram to a broadcast or multicast address", "[icmp][RFC1122-3.2.2-7]") {
  for (const auto destination : {"255.255.255.255"_ipv4, "224.0.0.1"_ipv4, "192.0.2.255"_ipv4}) {
    CHECK_FALSE(draws_error(udp_datagram(kPeer, destination), {.kind = ErrorKind::port_unreachable}));
  }
  CHECK(draws_error(udp_datagram(kPeer, kOwn), {.kind = ErrorKind::port_unreachable}));
}

TEST_CASE("no error is sent about a datagram in a link broadcast", "[icmp][RFC1122-3.2.2-8]") {
  const Bytes datagram = udp_datagram(kPeer, kOwn);
  CHECK_FALSE(draws_error(datagram, {.kind = ErrorKind::port_unreachable, .cast = LinkCast::broadcast}));
  CHECK_FALSE(draws_error(datagram, {.kind = ErrorKind::port_unreachable, .cast = LinkCast::multicast}));
  CHECK(draws_error(datagram, {.kind = ErrorKind::port_unreachable, .cast = LinkCast::unicast}));
}

TEST_CASE("no error is sent about a fragment other than the first", "[icmp][RFC1122-3.2.2-9]") {
  for (const std::uint16_t offset : std::initializer_list<std::uint16_t>{0, 1, 185, 0x1fff}) {
    auto ip = Tins::IP(to_string(kOwn), to_string(kPeer)) / Tins::RawPDU(std::string(64, 'x'));
    ip.protocol(200);
    ip.fragment_offset(offset);
    ip.flags(Tins::IP::MORE_FRAGMENTS);
    CHECK(draws_error(with_checksum_of(ip), {.kind = ErrorKind::protocol_unreachable}) == (offset == 0));
  }
}

TEST_CASE("no error goes to an address that is no single host's", "[icmp][RFC1122-3.2.2-10]") {
  for (const auto source : {"0.0.0.0"_ipv4, "127.0.0.1"_ipv4, "255.255.255.255"_ipv4, "192.0.2.255"_ipv4, "224.0.0.1"_ipv4,
                            "239.1.2.3"_ipv4, "240.0.0.1"_ipv4}) {
    CHECK_FALSE(draws_error(udp_datagram(source, kOwn), {.kind = ErrorKind::port_unreachable}));
  }
  CHECK(draws_error(udp_datagram("198.18.0.1"_ipv4, kOwn), {.kind = ErrorKind::port_unreachable}));
  // On the loopback nothing comes near a wire, and a local sender does learn that the port is closed.
  CHECK(draws_error(udp_datagram("127.0.0.1"_ipv4, "127.0.0.1"_ipv4), {.kind = ErrorKind::port_unreachable}));
}

TEST_CASE("what is no IPv4 datagram draws no error", "[icmp]") {
  const Bytes datagram = udp_datagram(kPeer, kOwn);
  for (std::size_t size = 0; size < 20; ++size)
    CHECK_FALSE(draws_error(Bytes(datagram.begin(), datagram.begin() + static_cast<int>(size))));
  Bytes short_header = datagram;
  short_header[0] = std::byte{0x44};
  CHECK_FALSE(draws_error(short_header));
  CHECK(draws_error(datagram));
}

TEST_CASE("a thousand closed ports in a second draw no more errors than configured", "[icmp][POLICY-ICMP-2]") {
  IcmpLab lab{{.errors = {100, 20}}};
  const Bytes datagram = udp_datagram(kPeer, kOwn);
  for (int i = 0; i < 1000; ++i) {
    send_error(lab, datagram, {.kind = ErrorKind::port_unreachable});
    lab.advance(1ms);
  }
  // 20 at once, and 100 a second: the last request came 999 ms after the first.
  CHECK(lab.network.sent.size() == 20 + 99);
  CHECK(lab.icmp.drops()[Drop::rate_limited] == 1000 - 119);
  CHECK(lab.icmp.stats().out_msgs == 1000);
  CHECK(lab.icmp.stats().out_errors == 1000 - 119);
  CHECK(lab.icmp.stats().out_pkts[3] == 119);
}

TEST_CASE("forbidden errors do not use up the rate", "[icmp]") {
  IcmpLab lab{{.errors = {1, 1}}};
  for (int i = 0; i < 10; ++i) send_error(lab, udp_datagram("127.0.0.1"_ipv4, kOwn), {.kind = ErrorKind::port_unreachable});
  CHECK(lab.network.sent.empty());
  send_error(lab, udp_datagram(kPeer, kOwn), {.kind = ErrorKind::port_unreachable});
  CHECK(lab.network.sent.size() == 1);
}

TEST_CASE("an overloaded host sends no source quench", "[icmp][RFC6633-3-1]") {
  IcmpLab lab;
  lab.network.accepts = false;
  for (int i = 0; i < 100; ++i) (void)lab.inject(echo_request(1, 1, {}));
  lab.network.accepts = true;
  CHECK(lab.icmp.stats().out_errors == 100);
  CHECK(lab.icmp.stats().out_pkts[4] == 0);
  CHECK(lab.inject(echo_request(1, 1, {})));
  REQUIRE(lab.network.sent.size() == 1);
  CHECK(parsed(lab.network.sent[0].packet).type() == Tins::ICMP::ECHO_REPLY);
}

TEST_CASE("the marks of a received super-segment do not travel with the error about it", "[icmp]") {
  IcmpLab lab;
  Packet datagram = lab.packet(udp_datagram(kPeer, kOwn, std::string(9000, 'x')));
  datagram.meta().checksum = ChecksumState::partial;
  datagram.meta().gso = GsoKind::tcp4;
  datagram.meta().gso_size = 1400;
  lab.icmp.send_error(std::move(datagram), {.kind = ErrorKind::port_unreachable});
  REQUIRE(lab.network.sent.size() == 1);
  CHECK(lab.network.sent[0].meta.gso == GsoKind::none);
  CHECK(lab.network.sent[0].meta.checksum == ChecksumState::unverified);
  CHECK(lab.network.sent[0].meta.transport == 0);
}
