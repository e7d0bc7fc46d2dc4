#include <catch2/catch.hpp>

#include "tcp/delivery_rate.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tcp::DeliveryRate;

namespace {
TimePoint ms(std::int64_t count) { return TimePoint{} + count * 1ms; }
}  // namespace

TEST_CASE("a sample is what was delivered since its segment left, by the slower of sending and acknowledging", "[tcp]") {
  DeliveryRate rate;
  // Ten segments of 1000 bytes, one each millisecond; acknowledged one each 2 ms from 100 ms on.
  tcp::DeliveryStamp stamps[10];
  for (int i = 0; i < 10; ++i) stamps[i] = rate.on_sent(ms(i), 1000U * static_cast<std::uint32_t>(i + 1), i == 0);
  for (int i = 0; i < 10; ++i) {
    rate.on_delivered(ms(100 + 2 * i), 1000, ms(i), stamps[i]);
    const auto sample = rate.take_sample(10ms);
    REQUIRE(sample);
    CHECK(sample->delivered_bytes == 1000U * static_cast<std::uint32_t>(i + 1));
    CHECK(sample->interval == Duration{(100 + 2 * i) * 1ms});  // all left before the first acknowledgment
    CHECK(sample->prior_delivered_bytes == 0);
    CHECK(sample->in_flight_at_send == 1000U * static_cast<std::uint32_t>(i + 1));
    CHECK_FALSE(sample->app_limited);
  }
  // A segment sent when all was delivered begins a new flight.
  const auto stamp = rate.on_sent(ms(200), 1000, true);
  rate.on_delivered(ms(300), 1000, ms(200), stamp);
  const auto sample = rate.take_sample(10ms);
  REQUIRE(sample);
  CHECK(sample->delivered_bytes == 1000);
  CHECK(sample->interval == 100ms);
  CHECK(sample->prior_delivered_bytes == 10'000);
  CHECK(sample->total_delivered_bytes == 11'000);
}

TEST_CASE("sending slower than the acknowledgments come sets the interval", "[tcp]") {
  DeliveryRate rate;
  const auto first = rate.on_sent(ms(0), 1000, true);
  const auto second = rate.on_sent(ms(80), 2000, false);
  rate.on_delivered(ms(100), 1000, ms(0), first);
  REQUIRE(rate.take_sample(10ms));
  rate.on_delivered(ms(101), 1000, ms(80), second);
  const auto sample = rate.take_sample(10ms);
  REQUIRE(sample);
  CHECK(sample->delivered_bytes == 2000);
  CHECK(sample->interval == 101ms);  // of 80 ms of sending and 101 ms of acknowledging
}

TEST_CASE("what an application limits replaces no faster sample", "[tcp]") {
  DeliveryRate rate;
  CHECK_FALSE(rate.best());
  const auto deliver = [&](std::int64_t at, std::int64_t round_trip, std::uint32_t bytes, bool limited) {
    if (limited) rate.on_app_limited(0);
    const auto stamp = rate.on_sent(ms(at), bytes, true);
    rate.on_delivered(ms(at + round_trip), bytes, ms(at), stamp);
    REQUIRE(rate.take_sample(1ms));
    return *rate.best();
  };
  auto best = deliver(0, 100, 1000, true);  // the first of all counts
  CHECK(best.bytes_per_second == 10'000);
  CHECK(best.app_limited);
  best = deliver(1000, 100, 500, true);
  CHECK(best.bytes_per_second == 10'000);
  best = deliver(2000, 100, 2000, true);  // the path carries at least that
  CHECK(best.bytes_per_second == 20'000);
  CHECK(best.app_limited);
  best = deliver(3000, 100, 500, false);  // this is the path's own
  CHECK(best.bytes_per_second == 5000);
  CHECK_FALSE(best.app_limited);
}

TEST_CASE("no sample without a delivery, nor one faster than the path", "[tcp]") {
  DeliveryRate rate;
  CHECK_FALSE(rate.take_sample(10ms));
  const auto stamp = rate.on_sent(ms(0), 1000, true);
  CHECK_FALSE(rate.take_sample(10ms));
  rate.on_delivered(ms(9), 1000, ms(0), stamp);
  CHECK_FALSE(rate.take_sample(10ms));
  const auto again = rate.on_sent(ms(20), 1000, true);
  rate.on_delivered(ms(30), 1000, ms(20), again);
  CHECK(rate.take_sample(10ms));
}

TEST_CASE("samples of what was sent while the application had no more are marked, until that is delivered", "[tcp]") {
  DeliveryRate rate;
  const auto before = rate.on_sent(ms(0), 1000, true);
  rate.on_app_limited(1000);
  const auto limited = rate.on_sent(ms(10), 2000, false);
  CHECK_FALSE(before.app_limited);
  CHECK(limited.app_limited);
  rate.on_delivered(ms(100), 1000, ms(0), before);
  REQUIRE(rate.take_sample({}));
  rate.on_delivered(ms(110), 1000, ms(10), limited);
  const auto sample = rate.take_sample({});
  REQUIRE(sample);
  CHECK(sample->app_limited);
  CHECK_FALSE(rate.on_sent(ms(110), 1000, true).app_limited);
}

TEST_CASE("losses since the segment was sent are in its sample", "[tcp]") {
  DeliveryRate rate;
  rate.on_lost(500);
  const auto stamp = rate.on_sent(ms(0), 1000, true);
  rate.on_lost(3000);
  rate.on_delivered(ms(100), 1000, ms(0), stamp);
  const auto sample = rate.take_sample({});
  REQUIRE(sample);
  CHECK(sample->lost_bytes == 3000);
}
