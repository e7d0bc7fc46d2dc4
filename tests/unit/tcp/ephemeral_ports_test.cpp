#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "tcp/ephemeral_ports.hpp"

using namespace tapir;
using namespace tapir::literals;
using tcp::EphemeralPorts;

namespace {
constexpr SipKey kKey{1, 2};
constexpr IpAddress kLocal{"192.0.2.2"_ipv4};
constexpr Endpoint kRemote{"192.0.2.1"_ipv4, Port{1883}};
const auto kAny = [](Port) { return true; };
}  // namespace

TEST_CASE("ports spread over the whole range", "[tcp][RFC6056-3.2-1]") {
  EphemeralPorts ports{kKey, {}};
  std::map<unsigned, unsigned> per_4096;
  for (std::uint32_t i = 0; i < 100000; ++i) {
    const auto port = ports.choose(kLocal, {Ipv4Address{0x0a000000U + i}, Port{80}}, kAny);
    if (!port || port->value() < 1024) FAIL("no port of the range");
    ++per_4096[port->value() / 4096U];
  }
  CHECK(per_4096.size() == 16);
  for (const auto& [bucket, count] : per_4096) {
    const unsigned expected = 100000U * (bucket == 0 ? 3072U : 4096U) / 64512U;
    CHECK(count > expected * 9 / 10);
    CHECK(count < expected * 11 / 10);
  }
}

TEST_CASE("a reserved port is never chosen", "[tcp][RFC6056-3.2-2]") {
  EphemeralPorts ports{kKey, {.reserved = {Port{8883}, Port{1024}, Port{65535}}}};
  std::set<std::uint16_t> seen;
  for (int i = 0; i < 100000; ++i) seen.insert(ports.choose(kLocal, kRemote, kAny)->value());
  CHECK(seen.size() == 64512 - 3);
  CHECK_FALSE(seen.contains(8883));
  CHECK_FALSE(seen.contains(1024));
  CHECK_FALSE(seen.contains(65535));
  CHECK(seen.contains(8884));
}

TEST_CASE("a port that is not usable is passed over", "[tcp]") {
  const bool usable = GENERATE(false, true);
  EphemeralPorts ports{kKey, {}};
  int chosen = 0;
  for (int i = 0; i < 70000; ++i) {
    const auto port = ports.choose(kLocal, kRemote, [&](Port candidate) { return usable || candidate != Port{20000}; });
    REQUIRE(port);
    if (*port == Port{20000}) ++chosen;
  }
  CHECK((chosen > 0) == usable);
}

TEST_CASE("ports to one destination rise by one, another destination starts elsewhere", "[tcp][RFC6056-3.3.3-1]") {
  EphemeralPorts ports{kKey, {}};
  auto last = ports.choose(kLocal, kRemote, kAny)->value();
  for (int i = 0; i < 1000; ++i) {
    const auto next = ports.choose(kLocal, kRemote, kAny)->value();
    CHECK((next == last + 1 || (last == 65535 && next == 1024)));
    last = next;
  }
  EphemeralPorts a{kKey, {}};
  EphemeralPorts b{kKey, {}};
  EphemeralPorts c{{1, 3}, {}};
  const auto first = a.choose(kLocal, kRemote, kAny);
  CHECK(b.choose(kLocal, {kRemote.address, Port{1884}}, kAny) != first);
  CHECK(c.choose(kLocal, kRemote, kAny) != first);
}

TEST_CASE("no difference between successive ports dominates", "[tcp][RFC6056-3.3-1]") {
  EphemeralPorts ports{kKey, {}};
  std::map<int, int> differences;
  int last = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const int port = ports.choose(kLocal, {Ipv4Address{0xc6336400U + i}, Port{443}}, kAny)->value();
    ++differences[port - last];
    last = port;
  }
  for (const auto& [difference, count] : differences) CHECK(count <= 4);
}

TEST_CASE("the one port that is left is found, and none when there is none", "[tcp][RFC6056-3.1-1]") {
  EphemeralPorts ports{kKey, {}};
  CHECK(ports.choose(kLocal, kRemote, [](Port port) { return port == Port{31337}; }) == Port{31337});
  CHECK_FALSE(ports.choose(kLocal, kRemote, [](Port) { return false; }));
  EphemeralPorts narrow{kKey, {.first = Port{5000}, .last = Port{5000}}};
  CHECK(narrow.choose(kLocal, kRemote, kAny) == Port{5000});
  CHECK(narrow.choose(kLocal, kRemote, kAny) == Port{5000});
}

TEST_CASE("a range whose last port is below its first has no port", "[tcp]") {
  EphemeralPorts upside_down{kKey, {.first = Port{5000}, .last = Port{4000}}};
  CHECK_FALSE(upside_down.choose(kLocal, kRemote, kAny));
  EphemeralPorts zero{kKey, {.first = Port{}, .last = Port{}}};
  CHECK_FALSE(zero.choose(kLocal, kRemote, kAny));
}
