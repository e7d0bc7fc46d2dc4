#include <catch2/catch.hpp>

#include "tcp/mtu_probing.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tcp::MtuProbing;
using tcp::MtuProbingMode;
using tcp::MtuSearch;

namespace {
constexpr MtuProbing kAlways{.mode = MtuProbingMode::always};
constexpr MtuProbing kLate{.mode = MtuProbingMode::after_black_hole};
constexpr TimePoint kStart{};
constexpr std::uint32_t kPath = 1500;
}  // namespace

TEST_CASE("the search goes to the middle of what is not known", "[tcp][plpmtud][RFC4821-7.6.1-1][RFC4821-7.6.2-1]") {
  MtuSearch search;
  search.begin(kAlways, 1500, kStart);
  CHECK(search.effective(kPath) == 1024);
  CHECK(search.next(kAlways, kPath, kStart) == 1262U);
  search.on_sent(1262);
  CHECK(search.outstanding() == 1262U);
  CHECK_FALSE(search.next(kAlways, kPath, kStart));  // one at a time
  CHECK(search.effective(kPath) == 1024);
  search.on_arrived(kStart);
  CHECK(search.effective(kPath) == 1262);
  CHECK(search.next(kAlways, kPath, kStart) == 1381U);
  search.on_sent(1381);
  search.on_lost(kStart);
  CHECK(search.effective(kPath) == 1262);
  CHECK(search.next(kAlways, kPath, kStart) == 1321U);  // between 1262 and 1380
  search.on_sent(1321);
  search.on_undecided();
  CHECK(search.next(kAlways, kPath, kStart) == 1321U);  // again
}

TEST_CASE("the search ends, and begins anew", "[tcp][plpmtud][RFC4821-7.3-1][RFC4821-7.3-2]") {
  for (const std::uint32_t carries : {1024U, 1100U, 1300U, 1420U, 1492U, 1500U}) {
    MtuSearch search;
    search.begin(kAlways, 1500, kStart);
    int probes = 0;
    while (const auto size = search.next(kAlways, kPath, kStart)) {
      REQUIRE(++probes < 12);
      search.on_sent(*size);
      if (*size <= carries) {
        search.on_arrived(kStart);
      } else {
        search.on_lost(kStart);
      }
    }
    CHECK(search.effective(kPath) <= carries);
    CHECK(search.effective(kPath) + 8 > carries);
    CHECK_FALSE(search.next(kAlways, kPath, kStart + 10min - 1ns));
    if (carries + 8 < kPath) CHECK(search.next(kAlways, kPath, kStart + 10min).value() > carries);
  }
  // 4 minutes are too little: 5 are taken.
  const MtuProbing hasty{.mode = MtuProbingMode::always, .interval = 4min};
  MtuSearch search;
  search.begin(hasty, 1500, kStart);
  search.on_sent(1262);
  search.on_lost(kStart);
  CHECK(search.next(hasty, kPath, kStart + 5min - 1ns) == 1142U);
  CHECK(search.next(hasty, kPath, kStart + 5min) == 1262U);
}

TEST_CASE("what the network knows bounds the search", "[tcp][plpmtud][RFC8899-4.6.2-1]") {
  MtuSearch search;
  search.begin(kAlways, 1500, kStart);
  CHECK(search.next(kAlways, 1200, kStart) == 1112U);
  CHECK(search.effective(576) == 576);
  CHECK_FALSE(search.next(kAlways, 576, kStart));
  CHECK(search.next(kAlways, 9000, kStart) == 1262U);  // no more than the peer takes
}

TEST_CASE("a full stop leads to the base and then to halves", "[tcp][plpmtud][RFC4821-7.7-1][RFC4821-7.2-1]") {
  MtuSearch search;
  search.begin(kLate, 1500, kStart);
  CHECK(search.effective(kPath) == 1500);
  CHECK_FALSE(search.next(kLate, kPath, kStart));
  std::vector<std::uint32_t> sizes;
  for (int i = 0; i < 6; ++i) {
    search.on_full_stop(kLate, kPath, kStart);
    sizes.push_back(search.effective(kPath));
  }
  CHECK(sizes == std::vector<std::uint32_t>{1024, 512, 256, 128, 68, 68});
  CHECK(search.next(kLate, kPath, kStart) == 784U);  // and up again

  SECTION("not where it is off") {
    MtuSearch off;
    off.begin({}, 1500, kStart);
    off.on_full_stop({}, kPath, kStart);
    CHECK(off.effective(kPath) == 1500);
  }
  SECTION("from what was found, not from what the first hop takes") {
    MtuSearch grown;
    grown.begin(kAlways, 1500, kStart);
    grown.on_sent(1262);
    grown.on_arrived(kStart);
    grown.on_full_stop(kAlways, kPath, kStart);
    CHECK(grown.effective(kPath) == 1024);
  }
}

TEST_CASE("the base is a matter of configuration", "[tcp][plpmtud][RFC8899-5.1.2-2]") {
  const MtuProbing config{.mode = MtuProbingMode::after_black_hole, .base = 1200};
  MtuSearch search;
  search.begin(config, 1500, kStart);
  search.on_full_stop(config, kPath, kStart);
  CHECK(search.effective(kPath) == 1200);
}

TEST_CASE("ranges of the settings", "[tcp][plpmtud]") {
  CHECK(tcp::in_range(MtuProbing{}));
  CHECK_FALSE(tcp::in_range(MtuProbing{.floor = 67}));
  CHECK_FALSE(tcp::in_range(MtuProbing{.base = 500, .floor = 501}));
  CHECK_FALSE(tcp::in_range(MtuProbing{.base = 65536}));
  CHECK(tcp::in_range(MtuProbing{.base = 68}));
}
