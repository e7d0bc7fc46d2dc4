#include <catch2/catch.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {
const Bytes kWhole = Ipv4Lab::counting(128);

Bytes piece(std::size_t begin, std::size_t end, bool more) { return fragment_of(part(kWhole, begin, end), begin, more); }

/// Injects all; whether anything was delivered, and that everything after the spoiling one was dropped until the time was over.
void spoils(const std::vector<Bytes>& fragments, const std::vector<Bytes>& rest) {
  Ipv4Lab lab;
  for (std::size_t i = 0; i + 1 < fragments.size(); ++i) REQUIRE(lab.inject(fragments[i]));
  CHECK(reason_of(lab.inject(fragments.back())) == Drop::fragment_overlap);
  CHECK(lab.ip.drops()[Drop::fragment_overlap] == 1);
  for (const auto& fragment : rest) CHECK(reason_of(lab.inject(fragment)) == Drop::fragment_overlap);
  CHECK(lab.upper.items.empty());
  CHECK(lab.ip.stats().reasm_fails == 1);
  lab.advance(30s);
  CHECK(lab.errors.sent.empty());
  CHECK(lab.ip.reassembly().datagrams() == 0);
  CHECK(lab.ip.reassembly().memory() == 0);
  REQUIRE(lab.inject(piece(0, 64, true)));  // the same identification is good again
  REQUIRE(lab.inject(piece(64, 128, false)));
  CHECK(lab.upper.items.size() == 1);
}
}  // namespace

TEST_CASE("overlapping fragments spoil the whole datagram until its time is over", "[ipv4][POLICY-FRAG-1]") {
  const auto other = [](std::size_t begin, std::size_t end) { return fragment_of(Ipv4Lab::counting(end - begin, 999), begin, true); };
  spoils({piece(0, 32, true), other(24, 64)}, {piece(32, 64, true), piece(64, 128, false)});
  spoils({piece(32, 64, true), other(0, 40)}, {piece(0, 32, true), piece(64, 128, false)});
  spoils({piece(0, 32, true), other(0, 32)}, {piece(32, 128, false)});         // the same range, other bytes
  spoils({piece(0, 32, true), piece(0, 64, true)}, {piece(64, 128, false)});   // more of the same bytes
  spoils({piece(0, 64, true), piece(8, 16, true)}, {piece(64, 128, false)});   // inside
  spoils({piece(32, 64, true), piece(0, 96, true)}, {piece(96, 128, false)});  // around
  spoils({piece(0, 32, true), piece(64, 96, true), piece(24, 72, true)}, {piece(96, 128, false)});
}

TEST_CASE("fragments that disagree on the end spoil the datagram", "[ipv4][POLICY-FRAG-6][POLICY-FRAG-8]") {
  spoils({piece(64, 128, false), piece(64, 96, false)}, {piece(0, 64, true)});
  spoils({piece(64, 96, false), piece(96, 128, false)}, {piece(0, 64, true)});
  spoils({piece(64, 96, false), piece(96, 128, true)}, {piece(0, 64, true)});
  spoils({piece(96, 128, true), piece(64, 96, false)}, {piece(0, 64, true)});
  spoils({piece(64, 128, false), piece(64, 128, true)}, {piece(0, 64, true)});
  spoils({piece(64, 96, true), piece(64, 96, false)}, {piece(0, 64, true)});
}

TEST_CASE("malformed fragments are dropped by name and harm nothing", "[ipv4][POLICY-FRAG-3][POLICY-FRAG-4][POLICY-FRAG-5]") {
  Ipv4Lab lab;
  REQUIRE(lab.inject(piece(0, 64, true)));
  CHECK(reason_of(lab.inject(fragment_of(Ipv4Lab::counting(1400), 65528, false))) == Drop::fragment_too_large);
  CHECK(reason_of(lab.inject(fragment_of(Ipv4Lab::counting(20), 65496, false))) == Drop::fragment_too_large);
  CHECK(reason_of(lab.inject(fragment_of(Ipv4Lab::counting(1001), 64, true))) == Drop::fragment_malformed);
  CHECK(reason_of(lab.inject(fragment_of({}, 64, true))) == Drop::fragment_malformed);
  CHECK(reason_of(lab.inject(fragment_of({}, 64, false))) == Drop::fragment_malformed);
  CHECK(lab.ip.drops()[Drop::fragment_too_large] == 2);
  CHECK(lab.ip.drops()[Drop::fragment_malformed] == 3);
  REQUIRE(lab.inject(piece(64, 128, false)));
  CHECK(lab.upper.items.at(0).bytes == kWhole);
  // 65496 + 19 bytes of data and 20 of header are just 65535.
  CHECK(lab.inject(fragment_of(Ipv4Lab::counting(19), 65496, false, 9)));
}

TEST_CASE("a TCP datagram does not hide its flags in a tiny fragment", "[ipv4][RFC1858-Rule-1][RFC1858-Rule-2][RFC3128-Rule-1]") {
  Ipv4Lab lab;
  const auto tcp = [](std::size_t begin, std::size_t end, bool more, std::size_t from = 0) {
    return fragment_of(Ipv4Lab::counting(end - begin, from + begin), begin, more, 7, Protocol::tcp);
  };
  CHECK(reason_of(lab.inject(tcp(0, 8, true))) == Drop::fragment_tiny);
  CHECK(reason_of(lab.inject(tcp(8, 64, false))) == Drop::fragment_tiny);
  CHECK(lab.ip.drops()[Drop::fragment_tiny] == 2);
  CHECK(lab.ip.reassembly().datagrams() == 0);
  REQUIRE(lab.inject(tcp(0, 24, true)));
  CHECK(reason_of(lab.inject(tcp(0, 8, true, 500))) == Drop::fragment_tiny);  // the ports written anew
  REQUIRE(lab.inject(tcp(24, 64, false)));
  REQUIRE(lab.upper.items.size() == 1);
  CHECK(lab.upper.items[0].bytes == Ipv4Lab::counting(64));

  Ipv4Lab twin;
  REQUIRE(twin.inject(tcp(0, 16, true)));
  REQUIRE(twin.inject(tcp(16, 64, false)));
  CHECK(twin.upper.items.size() == 1);
  REQUIRE(twin.inject(fragment_of(part(kWhole, 0, 8), 0, true)));  // UDP's header is in 8 bytes
  REQUIRE(twin.inject(fragment_of(part(kWhole, 8, 128), 8, false)));
  CHECK(twin.upper.items.size() == 2);
}

TEST_CASE("congestion marks survive reassembly, and are not forged", "[ipv4][RFC3168-5.3-1][RFC3168-5.3-2][RFC3168-5.3-3]") {
  // The result for a first and a second fragment's ECN bits; nullopt: dropped.
  const auto result = [](std::uint8_t first, std::uint8_t second) -> std::optional<unsigned> {
    Ipv4Lab lab;
    (void)lab.inject(fragment_of(part(kWhole, 0, 64), 0, true, 7, Protocol::udp, static_cast<std::uint8_t>(0x28 | first)));
    const auto last = lab.inject(fragment_of(part(kWhole, 64, 128), 64, false, 7, Protocol::udp, static_cast<std::uint8_t>(0x28 | second)));
    CHECK(last.has_value() != lab.upper.items.empty());
    if (lab.upper.items.empty()) return std::nullopt;
    CHECK((lab.upper.items[0].from.tos & 0xfcU) == 0x28);
    return lab.upper.items[0].from.tos & 3U;
  };
  for (const std::uint8_t same : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) CHECK(result(same, same) == same);
  for (const std::uint8_t capable : {std::uint8_t{1}, std::uint8_t{2}}) {
    CHECK(result(capable, 3) == 3U);
    CHECK(result(3, capable) == 3U);
  }
  CHECK_FALSE(result(0, 3));
  CHECK_FALSE(result(3, 0));
}

TEST_CASE("a flood of first fragments keeps memory bounded and other sources served", "[ipv4][POLICY-FRAG-7]") {
  const ipv4::ReassemblyLimits limits{
      .max_memory = 256U << 10U, .max_memory_per_source = 64U << 10U, .max_datagrams = 100, .max_datagrams_per_source = 8};
  Ipv4Lab lab{{.reassembly = limits}};
  REQUIRE(lab.inject(piece(0, 64, true)));
  for (std::uint16_t id = 0; id < 1000; ++id) {
    (void)lab.inject(fragment_of(Ipv4Lab::counting(1480), 0, true, id, Protocol::udp, 0, "192.0.2.66"));
    CHECK(lab.ip.reassembly().memory() <= limits.max_memory);
    CHECK(lab.ip.reassembly().datagrams() <= 1 + limits.max_datagrams_per_source);
  }
  CHECK(lab.ip.drops()[Drop::memory_limit] >= 1000 - 8);
  REQUIRE(lab.inject(piece(64, 128, false)));
  CHECK(lab.upper.items.size() == 1);

  for (int source = 1; source < 250; ++source) {  // from everywhere
    for (std::uint16_t id = 0; id < 5; ++id) {
      (void)lab.inject(fragment_of(Ipv4Lab::counting(1480), 0, true, id, Protocol::udp, 0, "198.51.100." + std::to_string(source)));
      CHECK(lab.ip.reassembly().memory() <= limits.max_memory);
      CHECK(lab.ip.reassembly().datagrams() <= limits.max_datagrams);
    }
  }
  REQUIRE(lab.inject(piece(0, 64, true)));  // a newcomer is still served
  REQUIRE(lab.inject(piece(64, 128, false)));
  CHECK(lab.upper.items.size() == 2);
}

TEST_CASE("many tiny fragments of one datagram hit the bound of their source", "[ipv4][POLICY-FRAG-7]") {
  Ipv4Lab lab{{.reassembly = {.max_memory_per_source = 64U << 10U}}};
  for (std::size_t at = 0; at < 65000; at += 16) {
    (void)lab.inject(fragment_of(Ipv4Lab::counting(8), at, true));
    CHECK(lab.ip.reassembly().memory() <= 65U << 10U);
  }
  CHECK(lab.ip.drops()[Drop::memory_limit] > 0);
}
