#include <catch2/catch.hpp>

#include <map>
#include <set>

#include <tapir/core/random.hpp>
#include <tapir/sim/seeded_random.hpp>

#include "tcp/isn.hpp"

using namespace tapir;
using namespace tapir::literals;
using namespace std::chrono_literals;
using tcp::IsnGenerator;

namespace {
constexpr SipKey kKey{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
constexpr Endpoint kLocal{"192.0.2.2"_ipv4, Port{49152}};
constexpr Endpoint kRemote{"192.0.2.1"_ipv4, Port{1883}};
}  // namespace

TEST_CASE("the number advances by one every 4 microseconds", "[tcp]") {
  const IsnGenerator isn{kKey};
  const auto start = TimePoint{} + 5s;
  const auto first = isn.next(kLocal, kRemote, start);
  CHECK(isn.next(kLocal, kRemote, start + 1s) - first == 250000);
  CHECK(isn.next(kLocal, kRemote, start + 4us) - first == 1);
  CHECK(isn.next(kLocal, kRemote, start + 3us) - first == 0);
}

TEST_CASE("numbers of one 4-tuple increase from incarnation to incarnation", "[tcp][RFC6528-3-3]") {
  const IsnGenerator isn{kKey};
  TimePoint now{};
  auto last = isn.next(kLocal, kRemote, now);
  sim::SeededRandom random{1};
  for (int i = 0; i < 100; ++i) {
    now += 1ms + Duration{random.below(10'000'000'000)};
    const auto next = isn.next(kLocal, kRemote, now);
    CHECK(next > last);
    last = next;
  }
}

TEST_CASE("numbers of different 4-tuples are unrelated, and depend on the key", "[tcp][RFC9293-MUST-9][RFC9293-SHLD-1]") {
  const TimePoint now = TimePoint{} + 100s;
  const auto ticks = static_cast<std::uint32_t>(100s / 4us);
  const IsnGenerator one{kKey};
  const IsnGenerator other{{kKey.k0 ^ 1U, kKey.k1}};
  CHECK(one.next(kLocal, kRemote, now) == one.next(kLocal, kRemote, now));
  std::set<std::uint32_t> offsets;
  std::map<std::uint32_t, int> differences;
  std::uint32_t last = 0;
  int same_with_both_keys = 0;
  constexpr int kCount = 2000;
  for (int i = 0; i < kCount; ++i) {
    const Endpoint remote{kRemote.address, Port{static_cast<std::uint16_t>(1000 + i)}};
    const std::uint32_t offset = one.next(kLocal, remote, now).value() - ticks;
    offsets.insert(offset);
    ++differences[offset - last];
    last = offset;
    if (one.next(kLocal, remote, now) == other.next(kLocal, remote, now)) ++same_with_both_keys;
  }
  CHECK(offsets.size() > kCount - 5);  // random 32-bit numbers collide about once in a thousand such runs
  CHECK(same_with_both_keys <= 1);
  for (const auto& [difference, count] : differences) CHECK(count <= 2);
  // Every bit is set in about half of them.
  for (unsigned bit = 0; bit < 32; ++bit) {
    const auto ones = std::count_if(offsets.begin(), offsets.end(), [&](std::uint32_t o) { return (o >> bit & 1U) != 0; });
    CHECK(ones > kCount / 2 - 150);
    CHECK(ones < kCount / 2 + 150);
  }
}

TEST_CASE("each part of the 4-tuple counts", "[tcp]") {
  const IsnGenerator isn{kKey};
  const auto base = isn.next(kLocal, kRemote, TimePoint{});
  CHECK(isn.next({"192.0.2.3"_ipv4, kLocal.port}, kRemote, TimePoint{}) != base);
  CHECK(isn.next({kLocal.address, Port{49153}}, kRemote, TimePoint{}) != base);
  CHECK(isn.next(kLocal, {"192.0.2.4"_ipv4, kRemote.port}, TimePoint{}) != base);
  CHECK(isn.next(kLocal, {kRemote.address, Port{1884}}, TimePoint{}) != base);
  CHECK(isn.next(kRemote, kLocal, TimePoint{}) != base);
}

TEST_CASE("the key has 128 random bits", "[tcp][RFC6528-3-2]") {
  static_assert(sizeof(SipKey) == 16);
  sim::SeededRandom a{1};
  sim::SeededRandom b{2};
  const SipKey first = SipKey::generate(a);
  const SipKey second = SipKey::generate(a);
  const SipKey third = SipKey::generate(b);
  CHECK(first.k0 != first.k1);
  CHECK(first.k0 != second.k0);
  CHECK(first.k1 != second.k1);
  CHECK(first.k0 != third.k0);
  CHECK(first.k1 != third.k1);
}
