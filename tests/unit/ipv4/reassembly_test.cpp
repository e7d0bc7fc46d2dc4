#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {
/// `whole` cut at multiples of `step`.
std::vector<Bytes> cut(const Bytes& whole, std::size_t step, std::uint16_t id = 7, Protocol protocol = Protocol::udp,
                       const std::string& source = "192.0.2.1") {
  std::vector<Bytes> fragments;
  for (std::size_t at = 0; at < whole.size(); at += step) {
    const std::size_t end = std::min(at + step, whole.size());
    fragments.push_back(fragment_of(part(whole, at, end), at, end < whole.size(), id, protocol, 0, source));
  }
  return fragments;
}
}  // namespace

TEST_CASE("fragments in every order give the datagram, once, when the last hole is filled",
          "[ipv4][RFC791-3.2-8][RFC791-3.2-9][RFC791-3.2-7][RFC1122-3.2.1.4-1]") {
  const Bytes whole = Ipv4Lab::counting(100);
  const auto fragments = cut(whole, 32);
  std::vector<std::size_t> order{0, 1, 2, 3};
  do {
    Ipv4Lab lab;
    for (std::size_t i = 0; i < order.size(); ++i) {
      CHECK(lab.upper.items.empty());
      REQUIRE(lab.inject(fragments[order[i]]));
    }
    REQUIRE(lab.upper.items.size() == 1);
    CHECK(lab.upper.items[0].bytes == whole);
    CHECK(lab.ip.reassembly().datagrams() == 0);
    CHECK(lab.ip.reassembly().memory() == 0);
    CHECK(lab.ip.stats().reasm_reqds == 4);
    CHECK(lab.ip.stats().reasm_oks == 1);
    lab.advance(1min);
    CHECK(lab.upper.items.size() == 1);
    CHECK(lab.errors.sent.empty());
  } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("what one stack cuts another puts together", "[ipv4][RFC791-3.2-5][RFC1122-3.3.2-1][RFC1122-3.3.2-2]") {
  for (const std::size_t size : {556U, 1481U, 9000U, 65515U}) {
    Ipv4Lab sender{{}, {"192.0.2.1/24"_prefix}, 68};
    Ipv4Lab receiver{{.reassembly = {.max_memory_per_source = 4U << 20U}}};
    REQUIRE(sender.send("192.0.2.2"_ipv4, size));
    for (const auto& sent : sender.wire.take()) REQUIRE(receiver.inject(sent.bytes));
    REQUIRE(receiver.upper.items.size() == 1);
    CHECK(receiver.upper.items[0].bytes == Ipv4Lab::counting(size));
  }
  // 8 bytes at a time, in the smallest configuration
  Ipv4Lab small{{.reassembly = {.max_datagram = 1}}};
  CHECK(small.ip.reassembly_limit() == 576);
  for (const auto& fragment : cut(Ipv4Lab::counting(556), 8)) REQUIRE(small.inject(fragment));
  CHECK(small.upper.items.size() == 1);
  for (const auto& fragment : cut(Ipv4Lab::counting(557), 8)) (void)small.inject(fragment);
  CHECK(small.upper.items.size() == 1);
  CHECK(small.ip.drops()[Drop::fragment_too_large] == 1);
}

TEST_CASE("the transport can learn how much reassembly takes", "[ipv4][RFC1122-3.3.2-3]") {
  CHECK(Ipv4Lab{}.ip.reassembly_limit() == 65535);
  Ipv4Lab lab{{.reassembly = {.max_datagram = 9000}}};
  CHECK(lab.ip.reassembly_limit() - lab.ip.header_size("192.0.2.1"_ipv4) == 8980);
}

TEST_CASE("datagrams that differ in one part of the key are kept apart", "[ipv4][RFC791-3.2-4]") {
  Ipv4Lab lab{{}, {"192.0.2.2/24"_prefix, "192.0.2.3/24"_prefix}};
  const Bytes a = Ipv4Lab::counting(64);
  const Bytes b = Ipv4Lab::counting(64, 1000);
  const auto other_destination = [](Bytes bytes) {
    bytes[19] = std::byte{3};
    fix_checksum(bytes);
    return bytes;
  };
  const auto ours = cut(a, 32);
  const std::vector<std::vector<Bytes>> others{cut(b, 32, 8),
                                               cut(b, 32, 7, Protocol::icmp),
                                               cut(b, 32, 7, Protocol::udp, "192.0.2.9"),
                                               {other_destination(cut(b, 32)[0]), other_destination(cut(b, 32)[1])}};
  for (const auto& other : others) {
    lab.upper.items.clear();
    REQUIRE(lab.inject(ours[0]));
    REQUIRE(lab.inject(other[1]));
    REQUIRE(lab.inject(other[0]));
    REQUIRE(lab.inject(ours[1]));
    REQUIRE(lab.upper.items.size() == 2);
    CHECK(lab.upper.items[0].bytes == b);
    CHECK(lab.upper.items[1].bytes == a);
  }
}

TEST_CASE("datagrams that were never cut are not told apart by identification", "[ipv4][RFC6864-4-3][RFC6864-4-1]") {
  Ipv4Lab lab;
  Tins::IP ip = datagram(Ipv4Lab::counting(20));
  ip.flags(Tins::IP::DONT_FRAGMENT);
  ip.id(42);
  CHECK(lab.inject(ip));
  CHECK(lab.inject(ip));
  CHECK(lab.upper.items.size() == 2);
}

TEST_CASE("a repeated fragment changes nothing", "[ipv4][RFC815-3-5][POLICY-FRAG-2]") {
  Ipv4Lab lab;
  const Bytes whole = Ipv4Lab::counting(100);
  const auto fragments = cut(whole, 32);
  REQUIRE(lab.inject(fragments[1]));
  REQUIRE(lab.inject(fragments[3]));
  const auto memory = lab.ip.reassembly().memory();
  for (int i = 0; i < 100; ++i) {
    CHECK(reason_of(lab.inject(fragments[1])) == Drop::fragment_duplicate);
    CHECK(reason_of(lab.inject(fragments[3])) == Drop::fragment_duplicate);
  }
  CHECK(lab.ip.reassembly().memory() == memory);
  CHECK(lab.ip.drops()[Drop::fragment_duplicate] == 200);
  REQUIRE(lab.inject(fragments[0]));
  REQUIRE(lab.inject(fragments[2]));
  REQUIRE(lab.upper.items.size() == 1);
  CHECK(lab.upper.items[0].bytes == whole);
}

TEST_CASE("what does not come in time is given up, and the sender told if fragment zero came",
          "[ipv4][RFC1122-3.3.2-4][RFC1122-3.3.2-6][RFC1122-3.3.8-1]") {
  const auto fragments = cut(Ipv4Lab::counting(100), 32);
  Ipv4Lab lab;
  REQUIRE(lab.inject(fragments[1]));
  lab.advance(20s);
  REQUIRE(lab.inject(fragments[0]));  // the time counts from the first to come
  lab.advance(10s - 1ms);
  CHECK(lab.ip.reassembly().datagrams() == 1);
  lab.advance(1ms);
  CHECK(lab.ip.reassembly().datagrams() == 0);
  CHECK(lab.ip.reassembly().memory() == 0);
  REQUIRE(lab.errors.sent.size() == 1);
  CHECK(lab.errors.sent[0].problem.kind == network::ErrorKind::reassembly_time_exceeded);
  CHECK(lab.errors.sent[0].datagram == fragments[0]);
  CHECK(lab.ip.drops()[Drop::reassembly_timeout] == 1);
  CHECK(lab.ip.stats().reasm_fails == 1);

  Ipv4Lab silent;
  REQUIRE(silent.inject(fragments[1]));
  silent.advance(1min);
  CHECK(silent.ip.drops()[Drop::reassembly_timeout] == 1);
  CHECK(silent.errors.sent.empty());
}

TEST_CASE("the time is fixed, whatever the TTL", "[ipv4][RFC1122-3.3.2-5]") {
  for (const std::uint8_t ttl : {std::uint8_t{1}, std::uint8_t{255}}) {
    Ipv4Lab lab{{.reassembly = {.timeout = 60s}}};
    Bytes fragment = cut(Ipv4Lab::counting(100), 32)[0];
    fragment[8] = std::byte{ttl};
    fix_checksum(fragment);
    REQUIRE(lab.inject(fragment));
    lab.advance(60s - 1ms);
    CHECK(lab.ip.reassembly().datagrams() == 1);
    lab.advance(1ms);
    CHECK(lab.ip.reassembly().datagrams() == 0);
  }
}

TEST_CASE("the whole datagram's header is fragment zero's, as if it had never been cut", "[ipv4]") {
  Ipv4Lab lab;
  lab.upper.keep = true;
  const Bytes data = Ipv4Lab::counting(64);
  Bytes first = with_options(hex("9e 04 1234"), part(data, 0, 32));
  first[4] = std::byte{0};
  first[5] = std::byte{7};
  first[6] = std::byte{0x20};
  fix_checksum(first);
  REQUIRE(lab.inject(fragment_of(part(data, 32, 64), 32, false)));
  REQUIRE(lab.inject(first));
  REQUIRE(lab.upper.items.size() == 1);
  CHECK(lab.upper.items[0].options == hex("9e 04 1234"));
  lab.ip.refuse(std::move(lab.upper.kept[0]), lab.upper.items[0].from, network::Refusal::port_unreachable);
  REQUIRE(lab.errors.sent.size() == 1);
  const Bytes& whole = lab.errors.sent[0].datagram;
  const Tins::IP ip{reinterpret_cast<const std::uint8_t*>(whole.data()), static_cast<std::uint32_t>(whole.size())};
  CHECK(ip.tot_len() == 24 + 64);
  CHECK(ip.fragment_offset() == 0);
  CHECK(ip.flags() == 0);
  CHECK(part(whole, 24, 88) == data);
  Bytes again = whole;
  fix_checksum(again);
  CHECK(again == whole);
}

TEST_CASE("a datagram has come when its last fragment has, in whatever order", "[ipv4]") {
  const Bytes whole = Ipv4Lab::counting(96);
  const auto fragments = cut(whole, 32);
  for (const auto& order : {std::vector<std::size_t>{0, 1, 2}, {2, 1, 0}, {1, 0, 2}}) {
    Ipv4Lab lab;
    lab.upper.keep = true;
    for (const std::size_t i : order) {
      lab.advance(10ms);
      Packet fragment = lab.packet(fragments[i]);
      fragment.meta().ingress = lab.context.now();
      REQUIRE(lab.ip.demultiplex(std::move(fragment), ethernet::Received{}));
    }
    REQUIRE(lab.upper.kept.size() == 1);
    CHECK(lab.upper.kept[0].meta().ingress == lab.context.now());
  }
}
