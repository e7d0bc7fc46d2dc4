// Datagrams with a header of the caller's (man 7 raw, IP_HDRINCL), on the wire.
#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

ipv4::Header header_to(Ipv4Address destination) {
  ipv4::Header header{};
  header.set_header_size(sizeof(header));
  header.ttl = 9;
  header.protocol = network::Protocol::udp;
  header.destination = destination;
  return header;
}

Bytes whole(const ipv4::Header& header, std::size_t size = 100) {
  Bytes bytes = bytes_of(std::as_bytes(std::span{&header, 1}));
  const Bytes data = Ipv4Lab::counting(size);
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

Result<> send(Ipv4Lab& lab, const Bytes& datagram, Ipv4Address destination, Ipv4Address source = {}) {
  network::Send to;
  to.source = source;
  to.destination = destination;
  return lab.ip.send_with_header(lab.packet(datagram), to);
}

}  // namespace

TEST_CASE("what the caller's header leaves open is filled in, the rest leaves as it is", "[ipv4]") {
  Ipv4Lab lab;
  auto header = header_to("192.0.2.1"_ipv4);
  header.tos = 0x28;
  header.total_length = std::uint16_t{3};
  header.checksum = std::uint16_t{0x1234};
  REQUIRE(send(lab, whole(header), "192.0.2.1"_ipv4));
  const auto sent = lab.wire.take_one();
  const auto ip = sent.parse();
  CHECK(ip.src_addr() == "192.0.2.2");
  CHECK(ip.tot_len() == 120);
  CHECK(ip.id() != 0);
  CHECK(ip.ttl() == 9);
  CHECK(ip.tos() == 0x28);
  Bytes again = sent.bytes;
  fix_checksum(again);
  CHECK(again == sent.bytes);
  CHECK(sent.data() == Ipv4Lab::counting(100));
  SECTION("each datagram has a number of its own") {
    REQUIRE(send(lab, whole(header), "192.0.2.1"_ipv4));
    CHECK(lab.wire.take_one().parse().id() == static_cast<std::uint16_t>(ip.id() + 1));
  }
  SECTION("but none that need not have one") {  // RFC 6864 section 4.1
    header.fragmentation = ipv4::Header::dont_fragment_bit;
    REQUIRE(send(lab, whole(header), "192.0.2.1"_ipv4));
    CHECK(lab.wire.take_one().parse().id() == 0);
  }
  SECTION("what is given stays") {
    header.identification = std::uint16_t{77};
    header.source = "198.51.100.1"_ipv4;
    REQUIRE(send(lab, whole(header), "192.0.2.1"_ipv4));
    const auto given = lab.wire.take_one().parse();
    CHECK(given.id() == 77);
    CHECK(given.src_addr() == "198.51.100.1");
  }
}

TEST_CASE("the caller's header does not say which way it goes", "[ipv4]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.254"_ipv4));
  REQUIRE(send(lab, whole(header_to("198.51.100.1"_ipv4)), "192.0.2.1"_ipv4));
  const auto sent = lab.wire.take_one();
  CHECK(sent.to.next_hop == "192.0.2.1"_ipv4);
  CHECK(sent.parse().dst_addr() == "198.51.100.1");
  REQUIRE(send(lab, whole(header_to("192.0.2.1"_ipv4)), "198.51.100.1"_ipv4));
  CHECK(lab.wire.take_one().to.next_hop == "192.0.2.254"_ipv4);
}

TEST_CASE("a header of the caller's that cannot be sent", "[ipv4]") {
  Ipv4Lab lab;
  const Bytes good = whole(header_to("192.0.2.1"_ipv4));
  CHECK(error_of(send(lab, part(good, 0, 19), "192.0.2.1"_ipv4)) == Error::invalid_argument);
  CHECK(send(lab, part(good, 0, 20), "192.0.2.1"_ipv4));
  auto header = header_to("192.0.2.1"_ipv4);
  header.version_ihl = 0x44;
  CHECK(error_of(send(lab, whole(header), "192.0.2.1"_ipv4)) == Error::invalid_argument);
  header.set_header_size(60);
  CHECK(error_of(send(lab, whole(header, 39), "192.0.2.1"_ipv4)) == Error::invalid_argument);
  CHECK(send(lab, whole(header, 40), "192.0.2.1"_ipv4));
  CHECK(error_of(send(lab, good, "198.51.100.1"_ipv4)) == Error::network_unreachable);
  CHECK(error_of(send(lab, good, "192.0.2.1"_ipv4, "192.0.2.9"_ipv4)) == Error::address_not_available);
}

TEST_CASE("the caller's datagram is cut to the path, not to the link", "[ipv4]") {
  Ipv4Lab lab;
  REQUIRE(lab.ip.add_default_gateway("192.0.2.254"_ipv4));
  REQUIRE(lab.ip.add_route("198.51.100.0/24"_prefix, "192.0.2.254"_ipv4));
  auto header = header_to("198.51.100.1"_ipv4);
  CHECK(error_of(send(lab, whole(header, 1481), "198.51.100.1"_ipv4)) == Error::message_too_large);
  CHECK(send(lab, whole(header, 1480), "198.51.100.1"_ipv4));
  CHECK(lab.wire.take().size() == 1);
  network::ErrorReport narrow;
  narrow.kind = network::ErrorKind::fragmentation_needed;
  narrow.source = "192.0.2.2"_ipv4;
  narrow.destination = "198.51.100.1"_ipv4;
  narrow.next_hop_mtu = 1000;
  lab.ip.deliver_error(Protocol::udp, narrow);
  CHECK(send(lab, whole(header, 1480), "198.51.100.1"_ipv4));
  const auto fragments = lab.wire.take();
  REQUIRE(fragments.size() == 2);
  CHECK(fragments[0].parse().id() == fragments[1].parse().id());
  CHECK(fragments[0].parse().id() != 0);
  header.fragmentation = ipv4::Header::dont_fragment_bit;
  CHECK(error_of(send(lab, whole(header, 1480), "198.51.100.1"_ipv4)) == Error::message_too_large);
}

TEST_CASE("a host without an address sends what names a source, and what does not", "[ipv4]") {
  Ipv4Lab lab{{}, {}};
  REQUIRE(lab.ip.add_route("192.0.2.0/24"_prefix, lab.tap));
  REQUIRE(send(lab, whole(header_to("192.0.2.1"_ipv4)), "192.0.2.1"_ipv4));
  CHECK(lab.wire.take_one().parse().src_addr() == "0.0.0.0");
}
