#include <catch2/catch.hpp>

#include <cstdint>
#include <span>
#include <vector>

#include <tapir/core/byte_order.hpp>
#include <tapir/sim/seeded_random.hpp>
#include <tapir/tcp/seq_num.hpp>

using namespace tapir;
using tcp::SeqNum;

TEST_CASE("sequence numbers compare the short way round the circle", "[tcp]") {
  const std::vector<std::uint32_t> bases{0,           1, 0x7fff'fffeU, 0x7fff'ffffU, 0x8000'0000U, 0x8000'0001U, 0xffff'fff0U, 0xffff'fffeU,
                                         0xffff'ffffU};
  const std::vector<std::uint32_t> steps{1, 2, 100, 65535, 1U << 30U, (1U << 31U) - 1};
  for (const auto base : bases) {
    const SeqNum a{base};
    CHECK(a == a);
    CHECK(a <= a);
    CHECK(a >= a);
    CHECK_FALSE(a < a);
    CHECK_FALSE(a > a);
    for (const auto step : steps) {
      const SeqNum b = a + step;
      INFO(base << " + " << step);
      CHECK(a < b);
      CHECK(a <= b);
      CHECK(b > a);
      CHECK(b >= a);
      CHECK_FALSE(b < a);
      CHECK_FALSE(b <= a);
      CHECK(a != b);
      CHECK(b - a == static_cast<std::int32_t>(step));
      CHECK(a - b == -static_cast<std::int32_t>(step));
      CHECK(tcp::distance(a, b) == step);
      CHECK(tcp::earlier(a, b) == a);
      CHECK(tcp::earlier(b, a) == a);
      CHECK(tcp::later(a, b) == b);
      CHECK(tcp::later(b, a) == b);
      CHECK(b - step == a);
    }
  }
}

TEST_CASE("a number lies in a range or not, whatever the range's size and place", "[tcp]") {
  const SeqNum begin{0xffff'fffaU};
  CHECK(tcp::in_range(begin, begin, 1));
  CHECK(tcp::in_range(SeqNum{3}, begin, 10));
  CHECK_FALSE(tcp::in_range(SeqNum{4}, begin, 10));
  CHECK_FALSE(tcp::in_range(begin - 1, begin, 10));
  CHECK_FALSE(tcp::in_range(begin, begin, 0));
  CHECK(tcp::in_range(begin + 0xf000'0000U, begin, 0xf000'0001U));
  CHECK_FALSE(tcp::in_range(begin + 0xf000'0001U, begin, 0xf000'0001U));
}

TEST_CASE("a sequence number is a strong integer with a wire image", "[tcp]") {
  constexpr BigEndian<SeqNum> wire{SeqNum{0x0102'0304U}};
  static_assert(sizeof(wire) == 4);
  static_assert(wire.get() == SeqNum{0x0102'0304U});
  static_assert(SeqNum{0xffff'ffffU} + 1 == SeqNum{0});
  static_assert(SeqNum{0xffff'fff0U} < SeqNum{5});
  static_assert(++SeqNum{0xffff'ffffU} == SeqNum{0});
  const auto bytes = std::as_bytes(std::span{&wire, 1});
  CHECK(bytes[0] == std::byte{1});
  CHECK(bytes[3] == std::byte{4});
}

TEST_CASE("adding a distance always arrives, for random pairs", "[tcp]") {
  sim::SeededRandom random{7};
  for (int i = 0; i < 2000; ++i) {
    const SeqNum a{static_cast<std::uint32_t>(random.next())};
    const SeqNum b{static_cast<std::uint32_t>(random.next())};
    CHECK(a + tcp::distance(a, b) == b);
    CHECK(tcp::distance(a, b) + tcp::distance(b, a) == 0U);
    if (tcp::distance(a, b) < 0x8000'0000U) CHECK(a <= b);
  }
}
