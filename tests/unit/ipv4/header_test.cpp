#include <catch2/catch.hpp>

#include <array>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

TEST_CASE("a sent datagram is what libtins reads",
          "[ipv4][RFC791-3.1-1][RFC791-3.1-2][RFC791-3.1-8][RFC1122-3.2.1.6-1][RFC1122-3.2.1.7-3]") {
  Ipv4Lab lab;
  network::Send to;
  to.destination = "192.0.2.1"_ipv4;
  to.protocol = Protocol::udp;
  REQUIRE(lab.send(to, 100));
  const auto plain = lab.wire.take_one();
  CHECK(plain.bytes[0] == std::byte{0x45});
  CHECK(plain.bytes[2] == std::byte{0});
  CHECK(plain.bytes[3] == std::byte{120});
  CHECK(plain.bytes[6] == std::byte{0});
  CHECK(plain.to.next_hop == "192.0.2.1"_ipv4);
  CHECK(plain.to.source == "192.0.2.2"_ipv4);
  const auto ip = plain.parse();
  CHECK(ip.src_addr() == "192.0.2.2");
  CHECK(ip.dst_addr() == "192.0.2.1");
  CHECK(ip.protocol() == 17);
  CHECK(ip.ttl() == 64);
  CHECK(ip.tos() == 0);
  CHECK(plain.data() == Ipv4Lab::counting(100));

  to.dont_fragment = true;
  to.tos = 0xb8;
  to.ttl = 5;
  REQUIRE(lab.send(to, 0));
  const auto marked = lab.wire.take_one();
  CHECK(marked.bytes[1] == std::byte{0xb8});
  CHECK(marked.bytes[6] == std::byte{0x40});
  CHECK(marked.parse().ttl() == 5);
  CHECK(marked.meta.network == 0);
  CHECK(marked.meta.tos == 0xb8);
  CHECK(marked.to.tos == 0xb8);

  Ipv4Lab other{{.default_ttl = 32}};
  REQUIRE(other.send("192.0.2.1"_ipv4));
  CHECK(other.wire.take_one().parse().ttl() == 32);
}

TEST_CASE("the header checksum is that of its octets, and the one that libtins computes", "[ipv4][RFC791-3.1-6]") {
  Ipv4Lab lab;
  const auto options = hex("07 0b 04 00000000 00000000 00");
  for (const std::size_t size : {std::size_t{0}, std::size_t{20}, std::size_t{40}}) {
    for (const bool with : {false, true}) {
      network::Send to;
      to.destination = "192.0.2.1"_ipv4;
      to.protocol = Protocol::tcp;
      to.tos = 0xb8;
      if (with) to.options = options;
      REQUIRE(lab.send(to, size));
      const auto sent = lab.wire.take_one();
      CHECK(sent.bytes.size() == 20 + (with ? 12 : 0) + size);
      Bytes again = sent.bytes;
      fix_checksum(again);
      CHECK(again == sent.bytes);
      if (with) continue;
      Tins::IP tins = datagram("192.0.2.1", "192.0.2.2", sent.data());
      tins.protocol(static_cast<std::uint8_t>(Protocol::tcp));
      tins.tos(0xb8);
      tins.ttl(std::to_integer<std::uint8_t>(sent.bytes[8]));
      tins.flags(static_cast<Tins::IP::Flags>(std::to_integer<unsigned>(sent.bytes[6]) >> 5U));
      tins.id(static_cast<std::uint16_t>(std::to_integer<unsigned>(sent.bytes[4]) << 8U | std::to_integer<unsigned>(sent.bytes[5])));
      CHECK(bytes_of(tins.serialize()) == sent.bytes);
    }
  }
}

TEST_CASE("a received datagram is handed up with what its header says", "[ipv4][RFC1122-3.2.1.6-2][RFC1122-3.4-2][RFC791-3.1-10]") {
  Ipv4Lab lab;
  const Bytes data = Ipv4Lab::counting(33);
  for (const auto protocol : {Protocol::icmp, Protocol::igmp, Protocol::tcp, Protocol::udp}) {
    Tins::IP ip = datagram("192.0.2.2", "192.0.2.1", data, protocol);
    ip.tos(0x28);
    ip.ttl(9);
    Bytes bytes = bytes_of(ip.serialize());
    bytes[9] = static_cast<std::byte>(protocol);
    fix_checksum(bytes);
    REQUIRE(lab.inject(bytes));
    REQUIRE(lab.upper.items.size() == 1);
    const auto item = std::exchange(lab.upper.items, {}).front();
    CHECK(item.bytes == data);
    CHECK(item.from.source == IpAddress{"192.0.2.1"_ipv4});
    CHECK(item.from.destination == IpAddress{"192.0.2.2"_ipv4});
    CHECK(item.from.protocol == protocol);
    CHECK(item.from.tos == 0x28);
    CHECK(item.from.ttl == 9);
    CHECK(item.from.interface == lab.tap);
    CHECK_FALSE(item.from.to_group);
    CHECK(item.from.header_size == 20);
    CHECK(item.options.empty());
  }
  CHECK(lab.ip.stats().in_delivers == 4);
  CHECK(lab.ip.drops().total() == 0);
}

TEST_CASE("bytes behind the total length are padding", "[ipv4][RFC791-3.1-5]") {
  Ipv4Lab lab;
  Bytes bytes = bytes_of(datagram(Ipv4Lab::counting(10)).serialize());
  bytes.resize(46, std::byte{0xaa});
  REQUIRE(lab.inject(bytes));
  CHECK(lab.upper.items.at(0).bytes == Ipv4Lab::counting(10));
}

TEST_CASE("headers that contradict themselves are dropped by name and in silence",
          "[ipv4][RFC791-3.1-3][RFC791-3.1-4][RFC1122-3.2.1.1-1][RFC1122-3.2.1.2-1][RFC1122-3.1-1]") {
  Ipv4Lab lab;
  const Bytes good = bytes_of(datagram(Ipv4Lab::counting(40)).serialize());
  REQUIRE(lab.inject(good));  // the positive twin of all that follows
  lab.upper.items.clear();
  const auto refused = [&](Bytes bytes, Drop reason) {
    const auto before = lab.ip.drops()[reason];
    const auto accepted = lab.inject(bytes);
    CHECK(reason_of(accepted) == reason);
    CHECK(lab.ip.drops()[reason] == before + 1);
  };
  for (const unsigned version : {0U, 5U, 6U, 15U}) {
    Bytes bytes = good;
    bytes[0] = static_cast<std::byte>(version << 4U | 5U);
    fix_checksum(bytes);
    refused(bytes, Drop::bad_version);
  }
  for (unsigned ihl = 0; ihl < 5; ++ihl) {
    Bytes bytes = good;
    bytes[0] = static_cast<std::byte>(0x40U | ihl);
    refused(bytes, Drop::bad_header);
  }
  {
    Bytes bytes = part(good, 0, 20);
    bytes[0] = std::byte{0x4f};
    refused(bytes, Drop::truncated);
    bytes = good;
    bytes[0] = std::byte{0x4f};  // 60 bytes of header, and so is the datagram; it says 40
    bytes[2] = std::byte{0};
    bytes[3] = std::byte{40};
    fix_checksum(bytes);
    refused(bytes, Drop::bad_length);
    bytes = good;
    bytes[2] = std::byte{1000 >> 8};
    bytes[3] = std::byte{1000 & 0xff};
    fix_checksum(bytes);
    refused(bytes, Drop::truncated);
    bytes = good;
    bytes[2] = std::byte{0};
    bytes[3] = std::byte{19};
    fix_checksum(bytes);
    refused(bytes, Drop::bad_length);
  }
  for (std::size_t size = 0; size < 20; ++size) refused(part(good, 0, size), Drop::truncated);
  for (std::size_t bit = 0; bit < 160; ++bit) {
    Bytes bytes = good;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    if (bit / 8 == 0 || bit / 8 == 2 || bit / 8 == 3) continue;  // version and lengths are looked at first
    refused(bytes, Drop::bad_checksum);
  }
  CHECK(lab.upper.items.empty());
  CHECK(lab.errors.sent.empty());
  CHECK(lab.wire.sent.empty());
  CHECK(lab.ip.stats().in_hdr_errors > 0);
}

TEST_CASE("TTL zero is never sent, and never looked at on arrival", "[ipv4][RFC1122-3.2.1.7-1][RFC1122-3.2.1.7-2]") {
  Ipv4Lab lab;
  network::Send to;
  to.destination = "192.0.2.1"_ipv4;
  to.protocol = Protocol::udp;
  to.ttl = 0;
  CHECK(error_of(lab.send(to)) == Error::invalid_argument);
  CHECK(lab.wire.sent.empty());
  for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
    Tins::IP ip = datagram(Ipv4Lab::counting(8));
    ip.ttl(ttl);
    CHECK(lab.inject(ip));
  }
  CHECK(lab.upper.items.size() == 2);
}

TEST_CASE("a protocol that nobody wants is answered", "[ipv4][RFC791-3.1-10][RFC1122-3.3.8-1]") {
  Ipv4Lab lab;
  Bytes bytes = bytes_of(datagram(Ipv4Lab::counting(12)).serialize());
  bytes[9] = std::byte{200};
  fix_checksum(bytes);
  CHECK(reason_of(lab.inject(bytes)) == Drop::unknown_protocol);
  REQUIRE(lab.errors.sent.size() == 1);
  CHECK(lab.errors.sent[0].problem.kind == network::ErrorKind::protocol_unreachable);
  CHECK(lab.errors.sent[0].datagram == bytes);
  CHECK(lab.ip.stats().in_unknown_protos == 1);
}

TEST_CASE("a transport's refusal brings the whole datagram to ICMP", "[ipv4][RFC1122-3.3.8-1]") {
  Ipv4Lab lab;
  lab.upper.keep = true;
  const Bytes bytes = bytes_of(datagram(Ipv4Lab::counting(30)).serialize());
  REQUIRE(lab.inject(bytes));
  lab.ip.refuse(std::move(lab.upper.kept.at(0)), lab.upper.items.at(0).from, network::Refusal::port_unreachable);
  REQUIRE(lab.errors.sent.size() == 1);
  CHECK(lab.errors.sent[0].datagram == bytes);
  CHECK(lab.errors.sent[0].problem.kind == network::ErrorKind::port_unreachable);
}

TEST_CASE("a datagram beyond 65535 bytes does not exist", "[ipv4]") {
  Ipv4Lab lab;
  CHECK(error_of(lab.send("192.0.2.1"_ipv4, 65516)) == Error::message_too_large);
  CHECK(lab.send("192.0.2.1"_ipv4, 65515));
}

TEST_CASE("the pseudo-header's sum is the one of RFC 9293", "[ipv4]") {
  Ipv4Lab lab;
  // 192.0.2.2, 192.0.2.1, protocol 6, length 20: c000 + 0202 + c000 + 0201 + 0006 + 0014 = 1841d, folded 841e
  CHECK(lab.ip.pseudo_header_sum("192.0.2.2"_ipv4, "192.0.2.1"_ipv4, Protocol::tcp, 20) == 0x841e);
}

TEST_CASE("every crossing is shown to the observer with its fields", "[ipv4]") {
  struct Watcher final : Observer {
    void crossed(const Crossing& crossing) override {
      layers.push_back(crossing.layer);
      directions.push_back(crossing.direction);
      sizes.push_back(crossing.header_size + crossing.payload_size);
      for (const auto& field : crossing.fields) fields.push_back(std::string{field.name} + "=" + field.value);
    }
    void dropped(const DropEvent& drop) override { drops.push_back(drop.reason); }
    std::vector<LayerId> layers;
    std::vector<Direction> directions;
    std::vector<std::size_t> sizes;
    std::vector<std::string> fields;
    std::vector<Drop> drops;
  };
  Ipv4Lab lab;
  Watcher watcher;
  lab.context.observer = &watcher;
  REQUIRE(lab.send("192.0.2.1"_ipv4, 10));
  REQUIRE(lab.inject(datagram(Ipv4Lab::counting(4))));
  CHECK(watcher.layers == std::vector{LayerId::ipv4, LayerId::ipv4});
  CHECK(watcher.directions == std::vector{Direction::down, Direction::up});
  CHECK(watcher.sizes == std::vector<std::size_t>{30, 24});
  CHECK(std::ranges::find(watcher.fields, "destination=192.0.2.1") != watcher.fields.end());
  CHECK_FALSE(lab.inject(hex("45")));
  CHECK(watcher.drops == std::vector{Drop::truncated});
}
