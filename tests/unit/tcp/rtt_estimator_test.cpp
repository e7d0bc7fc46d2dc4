#include <catch2/catch.hpp>

#include <cmath>

#include <tapir/sim/seeded_random.hpp>

#include "tcp/rtt_estimator.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tcp::RttEstimator;

TEST_CASE("before any sample the timeout is one second", "[tcp]") {
  const RttEstimator estimator;
  CHECK(estimator.rto() == 1s);
  CHECK_FALSE(estimator.srtt());
  CHECK_FALSE(estimator.rttvar());
  CHECK_FALSE(estimator.min_rtt());
  CHECK(estimator.samples() == 0);
}

TEST_CASE("the first sample sets mean and variation", "[tcp][RFC6298-2-2]") {
  RttEstimator estimator;
  estimator.on_sample(800ms);
  CHECK(estimator.srtt() == Duration{800ms});
  CHECK(estimator.rttvar() == Duration{400ms});
  CHECK(estimator.rto() == 2400ms);
  CHECK(estimator.min_rtt() == Duration{800ms});
}

TEST_CASE("a later sample updates the variation from the old mean", "[tcp][RFC6298-2-3]") {
  RttEstimator estimator;
  estimator.on_sample(800ms);
  estimator.on_sample(400ms);
  CHECK(estimator.rttvar() == Duration{400ms});
  CHECK(estimator.srtt() == Duration{750ms});
  CHECK(estimator.rto() == 2350ms);
  CHECK(estimator.min_rtt() == Duration{400ms});
  CHECK(estimator.latest() == Duration{400ms});
}

TEST_CASE("random samples give what the formulas give", "[tcp][RFC6298-2-4][RFC6298-2-5]") {
  sim::SeededRandom random{3};
  for (int run = 0; run < 20; ++run) {
    RttEstimator estimator;
    double srtt = 0;
    double rttvar = 0;
    for (int i = 0; i < 200; ++i) {
      const auto rtt = std::chrono::microseconds{random.below(4'000'000)};
      const double r = std::chrono::duration<double>(rtt).count();
      if (i == 0) {
        srtt = r;
        rttvar = r / 2;
      } else {
        rttvar = 0.75 * rttvar + 0.25 * std::abs(srtt - r);
        srtt = 0.875 * srtt + 0.125 * r;
      }
      estimator.on_sample(rtt);
      const double rto = std::min(60.0, std::max(1.0, srtt + std::max(0.001, 4 * rttvar)));
      CHECK(std::chrono::duration<double>(estimator.rto()).count() == Approx(rto).margin(1e-6));
      CHECK(std::chrono::duration<double>(*estimator.srtt()).count() == Approx(srtt).margin(1e-6));
    }
  }
}

TEST_CASE("identical samples leave the granularity as variance term", "[tcp][RFC6298-2-5][RFC6298-4-1]") {
  RttEstimator estimator{{.granularity = 10ms}};
  for (int i = 0; i < 100; ++i) estimator.on_sample(2s);
  CHECK(estimator.rttvar() == Duration{0});
  CHECK(estimator.srtt() == Duration{2s});
  CHECK(estimator.rto() == 2010ms);
}

TEST_CASE("a computed timeout has a floor of one second, or the one configured", "[tcp][RFC6298-2-6]") {
  RttEstimator strict;
  RttEstimator fast{{.min_rto = 200ms}};
  for (int i = 0; i < 100; ++i) {
    strict.on_sample(10ms);
    fast.on_sample(10ms);
  }
  CHECK(strict.rto() == 1s);
  CHECK(fast.rto() == 200ms);
  strict.on_sample(3s);
  CHECK(strict.rto() > 1s);
}

TEST_CASE("backing off doubles up to the cap, which is 60 seconds or more", "[tcp][RFC6298-2-7]") {
  RttEstimator estimator;
  for (const auto expected : {2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    estimator.back_off();
    CHECK(estimator.rto() == expected);
  }
  CHECK(estimator.backoffs() == 7);
  estimator.on_sample(500ms);
  CHECK(estimator.rto() == 1500ms);
  CHECK(estimator.backoffs() == 0);

  RttEstimator low{{.max_rto = 5s}};
  for (int i = 0; i < 20; ++i) low.back_off();
  CHECK(low.rto() == 60s);
  RttEstimator high{{.max_rto = 120s}};
  for (int i = 0; i < 20; ++i) high.back_off();
  CHECK(high.rto() == 120s);
  high.on_sample(300s);
  CHECK(high.rto() == 120s);
}

TEST_CASE("after a SYN that timed out the data begins with three seconds", "[tcp]") {
  RttEstimator timed_out;
  timed_out.back_off();
  timed_out.on_established(true);
  CHECK(timed_out.rto() == 3s);
  RttEstimator smooth;
  smooth.on_established(false);
  CHECK(smooth.rto() == 1s);
  RttEstimator slow{{.initial_rto = 3s}};
  slow.back_off();
  slow.on_established(true);
  CHECK(slow.rto() == 6s);
}

TEST_CASE("absurd samples do no harm", "[tcp]") {
  RttEstimator estimator;
  estimator.on_sample(-5s);
  CHECK(estimator.srtt() == Duration{0});
  CHECK(estimator.rto() == 1s);
  estimator.on_sample(Duration::max());
  estimator.on_sample(Duration::max());
  CHECK(estimator.rto() == 60s);
}

TEST_CASE("no configuration makes the timeout zero or endless", "[tcp]") {
  RttEstimator none{{.initial_rto = 0s, .min_rto = 0s, .granularity = 0s}};
  CHECK(none.rto() == 1ms);
  none.on_sample(0s);
  CHECK(none.rto() == 1ms);
  none.back_off();
  CHECK(none.rto() == 2ms);
  RttEstimator endless{{.initial_rto = Duration::max(), .min_rto = Duration::max(), .max_rto = Duration::max()}};
  CHECK(endless.rto() == 24h);
  endless.back_off();
  CHECK(endless.rto() == 24h);
}
