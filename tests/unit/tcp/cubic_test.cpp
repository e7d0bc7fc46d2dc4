#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "mss.hpp"
#include "tcp/cubic.hpp"
#include "tcp/new_reno.hpp"
#include "tcp/segment_cubic.hpp"

// Expectations come from the formulas of RFC 9438, computed here on their own: windows in segments, times in seconds.
using namespace tapir;
using namespace std::chrono_literals;
using tapir::test::kMss;
using tcp::Congestion;
using tcp::Cubic;

namespace {
/// A CUBIC flow in congestion avoidance that acknowledges every segment of a window, evenly over a round trip.
struct Flow {
  explicit Flow(std::uint32_t segments, Duration round_trip = 100ms)
      : cubic{{.mss = kMss, .initial_ssthresh = segments * kMss, .cwnd = segments * kMss}}, rtt{round_trip} {}

  [[nodiscard]] double window() const { return cubic.cwnd() / 1000.0; }
  void ack(Duration after) {
    now += after;
    cubic.on_ack({.now = now, .acked_bytes = kMss, .rtt = rtt});
  }
  void round() {
    const auto segments = cubic.cwnd() / kMss;
    for (std::uint32_t i = 0; i < segments; ++i) ack(rtt / segments);
  }
  /// A loss at a flight of the whole window, repaired within one round trip.
  void lose(Congestion cause = Congestion::loss) {
    cubic.on_loss({.now = now, .flight_size = cubic.cwnd(), .cause = cause, .in_flight = cubic.cwnd()});
    now += rtt;
    if (cause != Congestion::ecn) cubic.on_recovered({.now = now, .flight_size = cubic.ssthresh()});
  }

  Cubic cubic;
  Duration rtt;
  TimePoint now{};
};

double cube(double x) { return x * x * x; }
}  // namespace

TEST_CASE("the constants of CUBIC", "[tcp][cubic][RFC9438-5.1-1][RFC9438-4.6-2][RFC9438-4.3-2]") {
  CHECK(Cubic::kC == 0.4);
  CHECK(Cubic::kBeta == 0.7);
  CHECK(Cubic::kAlpha == Approx(0.53).margin(0.001));
  Flow flow{100};
  flow.lose();
  CHECK(flow.cubic.ssthresh() == 70 * kMss);
  CHECK(flow.cubic.cwnd() == 70 * kMss);
}

TEST_CASE("the window follows the cubic function of time", "[tcp][cubic][RFC9438-4.2-2][RFC9438-4.4-1][RFC9438-5.1-1]") {
  Flow flow{1000, 100ms};
  flow.lose();
  REQUIRE(flow.window() == 700);
  flow.ack(0ms);  // the epoch begins
  CHECK(flow.cubic.w_max() == 1000);
  CHECK(flow.cubic.k() == Approx(std::cbrt(300 / 0.4)));
  const TimePoint epoch = flow.now;
  // Each acknowledgment brings the window nearer to where the function will be a round trip later; it follows closely.
  double previous = flow.window();
  for (int i = 0; i < 140; ++i) {
    flow.round();
    const double t = std::chrono::duration<double>(flow.now - epoch).count();
    const double k = std::cbrt((1000.0 - 700.0) / 0.4);
    INFO("t " << t);
    CHECK(flow.window() >= previous);
    CHECK(flow.window() == Approx(0.4 * cube(t - k) + 1000).epsilon(0.02));
    previous = flow.window();
  }
  CHECK(flow.window() > 1000);  // convex by now
}

TEST_CASE("one acknowledgment adds the distance to the target over the window", "[tcp][cubic][RFC9438-4.4-1][RFC9438-4.5-1]") {
  for (const double t : {1.0, 5.0, 12.0}) {  // K is 9.09 s: concave, concave, convex
    Flow flow{1000, 100ms};
    flow.lose();
    flow.ack(0ms);
    flow.now += std::chrono::duration_cast<Duration>(std::chrono::duration<double>(t));
    const double cwnd = flow.window();
    const double k = std::cbrt(300 / 0.4);
    const double target = std::min(std::max(0.4 * cube(t + 0.1 - k) + 1000, cwnd), 1.5 * cwnd);
    flow.ack(0ms);
    CHECK(flow.window() == Approx(cwnd + (target - cwnd) / cwnd).margin(0.002));
  }
}

TEST_CASE("the window grows by half in a round trip at most", "[tcp][cubic][RFC9438-4.2-3]") {
  Flow flow{100, 100ms};
  flow.lose();
  flow.ack(0ms);
  flow.now += 60s;  // far out on the convex side
  const double cwnd = flow.window();
  flow.ack(0ms);
  CHECK(flow.window() == Approx(cwnd + 0.5).margin(0.002));
  double before = flow.window();
  for (int i = 0; i < 5; ++i) {
    flow.round();
    // Half a segment for each one acknowledged, the bytes that make no whole one left out.
    CHECK(flow.window() == Approx(before + std::floor(before) / 2).margin(0.002));
    before = flow.window();
  }
}

TEST_CASE("the window does not shrink when it lies above the function", "[tcp][cubic][RFC9438-4.2-3]") {
  // The target is where the function will be in a round trip. When that gets shorter on the convex side the window is ahead.
  Flow flow{100, 2s};
  flow.lose();
  flow.ack(0ms);
  flow.now += 8s;
  for (int i = 0; i < 400; ++i) flow.ack(1ms);
  const double before = flow.window();
  flow.rtt = 1ms;
  for (int i = 0; i < 200; ++i) {
    const double window = flow.window();
    flow.ack(1us);
    CHECK(flow.window() >= window);
  }
  // It stands until the function has come up to it.
  CHECK(flow.window() == Approx(before).margin(0.5));
  const double k = flow.cubic.k();
  const double t = std::chrono::duration<double>(flow.now.time_since_epoch()).count() - 2;  // since the epoch began
  CHECK(0.4 * cube(t - k) + 100 < flow.window() - 1);
  flow.now += 4s;
  for (int i = 0; i < 50; ++i) flow.ack(1us);
  CHECK(flow.window() > before + 1);
}

TEST_CASE("with a short round trip the window is Reno's", "[tcp][cubic][RFC9438-4.3-1][RFC9438-4.3-2]") {
  Flow flow{20, 1ms};
  flow.lose();
  const double alpha = 3 * (1 - 0.7) / (1 + 0.7);
  double w_est = 14;
  bool crossed = false;
  for (int i = 0; i < 400; ++i) {
    const double cwnd = flow.window();
    w_est += (w_est < 20 ? alpha : 1.0) / cwnd;
    crossed = crossed || w_est >= 20;
    flow.ack(1ms / 20);
    CHECK(flow.window() == Approx(w_est).epsilon(0.001));
    CHECK(flow.cubic.w_est() == Approx(w_est).epsilon(0.001));
  }
  CHECK(crossed);
}

TEST_CASE("a loss below the last plateau makes room for others", "[tcp][cubic][RFC9438-4.7-1]") {
  Flow flow{100};
  flow.lose();
  CHECK(flow.cubic.w_max() == 100);
  flow.lose();  // at 70
  CHECK(flow.cubic.w_max() == Approx(70 * 0.85));
  CHECK(flow.cubic.cwnd_prior() == 70);
  Flow above{100};
  above.lose();
  while (above.window() < 101) above.round();
  const double window = above.window();
  above.lose();
  CHECK(above.cubic.w_max() == Approx(window));
}

TEST_CASE("the least windows after a loss and after a mark", "[tcp][cubic][RFC9438-4.6-3][RFC9438-4.6-5]") {
  const std::uint32_t flight = GENERATE(0U, 1U, 2U, 3U) * kMss;
  const bool whole_segments = GENERATE(false, true);
  INFO("flight " << flight << ", whole segments " << whole_segments);
  const std::uint32_t reduced = whole_segments ? flight * 7 / 10 / kMss * kMss : flight * 7 / 10;
  const tcp::CongestionParameters parameters{.mss = kMss, .initial_ssthresh = 4 * kMss, .cwnd = std::max(flight, kMss)};
  const auto after = [&](Congestion cause) {
    Cubic cubic{parameters};
    tcp::SegmentCubic segment_cubic{parameters};
    tcp::CongestionControl& control = whole_segments ? static_cast<tcp::CongestionControl&>(segment_cubic) : cubic;
    control.on_loss({.flight_size = flight, .cause = cause});
    if (cause != Congestion::ecn) control.on_recovered({.flight_size = flight});
    CHECK(control.ssthresh() == std::max(reduced, 2 * kMss));
    return control.cwnd();
  };
  CHECK(after(Congestion::loss) == std::max(reduced, 2 * kMss));
  CHECK(after(Congestion::duplicate_acks) == std::max(reduced, 2 * kMss));
  CHECK(after(Congestion::ecn) == std::max(reduced, kMss));
}

TEST_CASE("marks without end leave a segment", "[tcp][cubic][RFC9438-4.6-3][RFC9438-4.6-5]") {
  Flow flow{10};
  for (int i = 0; i < 10; ++i) {
    flow.lose(Congestion::ecn);
    CHECK(flow.cubic.ssthresh() >= 2 * kMss);
  }
  CHECK(flow.cubic.cwnd() == kMss);
  CHECK(flow.cubic.ssthresh() == 2 * kMss);
}

TEST_CASE("recovery begins with both window and threshold reduced", "[tcp][cubic][RFC9438-4.6-1]") {
  Flow flow{100};
  flow.cubic.on_loss({.flight_size = 100 * kMss});  // without SACK: three segments of inflation
  CHECK(flow.cubic.ssthresh() == 70 * kMss);
  CHECK(flow.cubic.cwnd() == 73 * kMss);
  Flow mark{100};
  mark.cubic.on_loss({.flight_size = 100 * kMss, .cause = Congestion::ecn});
  CHECK(mark.cubic.ssthresh() == 70 * kMss);
  CHECK(mark.cubic.cwnd() == 70 * kMss);
}

TEST_CASE("a window that is not filled does not grow", "[tcp][cubic][RFC9438-4.6-4]") {
  Flow flow{100};
  flow.lose();
  for (int i = 0; i < 500; ++i) {
    flow.now += 10ms;
    flow.cubic.on_ack({.now = flow.now, .acked_bytes = kMss, .flight_size = 10 * kMss, .rtt = flow.rtt, .cwnd_limited = false});
  }
  CHECK(flow.window() == 70);
  flow.round();
  CHECK(flow.window() > 70);
}

TEST_CASE("time without use of the window does not count", "[tcp][cubic][RFC9438-4.2-1]") {
  Flow busy{100};
  busy.lose();
  for (int i = 0; i < 10; ++i) busy.round();
  Flow idle = busy;
  const auto next = [](Flow& flow) {
    flow.round();
    return flow.window();
  };
  Flow limited = busy;
  const double expected = next(busy);
  idle.now += 10s;
  idle.cubic.on_idle({.now = idle.now, .idle = 10s, .rto = 20s});
  CHECK(next(idle) == Approx(expected).margin(0.1));
  for (int i = 0; i < 100; ++i) {
    limited.now += 100ms;
    limited.cubic.on_ack({.now = limited.now, .acked_bytes = kMss, .rtt = 100ms, .cwnd_limited = false});
  }
  CHECK(next(limited) == Approx(expected).margin(0.5));
  Flow in_use = Flow{100};  // while time in use does
  in_use.lose();
  for (int i = 0; i < 110; ++i) in_use.round();
  CHECK(in_use.window() > expected + 20);
}

TEST_CASE("a timeout leaves one segment and 0.7 of the flight", "[tcp][cubic][RFC9438-4.8-1][RFC9438-4.6-2]") {
  Flow flow{100};
  flow.cubic.on_rto({.flight_size = 100 * kMss});
  CHECK(flow.cubic.cwnd() == kMss);
  CHECK(flow.cubic.ssthresh() == 70 * kMss);
}

TEST_CASE("after a timeout the plateau is where avoidance begins", "[tcp][cubic][RFC9438-4.8-2][RFC9438-4.8-3]") {
  Flow flow{1000, 100ms};
  flow.cubic.on_rto({.flight_size = 1000 * kMss});
  while (flow.cubic.in_slow_start()) flow.ack(1ms);
  REQUIRE(flow.window() == 700);
  flow.ack(0ms);
  const TimePoint epoch = flow.now;
  CHECK(flow.cubic.k() == 0);
  CHECK(flow.cubic.w_max() == 700);
  CHECK(flow.cubic.w_est() == Approx(700).margin(0.01));
  for (int i = 0; i < 80; ++i) {
    flow.round();
    const double t = std::chrono::duration<double>(flow.now - epoch).count();
    CHECK(flow.window() == Approx(0.4 * cube(t) + 700).epsilon(0.02));
  }
}

TEST_CASE("a loss that was none gives back what it took", "[tcp][cubic][RFC9438-4.9-1]") {
  Flow flow{100, 100ms};
  flow.lose();
  for (int i = 0; i < 20; ++i) flow.round();
  const Cubic before = flow.cubic;
  for (const bool timeout : {false, true}) {
    Cubic cubic = before;
    if (timeout) {
      cubic.on_rto({.now = flow.now, .flight_size = cubic.cwnd()});
    } else {
      cubic.on_loss({.now = flow.now, .flight_size = cubic.cwnd(), .cause = Congestion::loss, .in_flight = cubic.cwnd()});
    }
    REQUIRE(cubic.cwnd() != before.cwnd());
    cubic.on_undo({.now = flow.now});
    CHECK(cubic.cwnd() >= before.cwnd());
    CHECK(cubic.cwnd() <= before.cwnd() + kMss);
    CHECK(cubic.ssthresh() == before.ssthresh());
    CHECK(cubic.w_max() == before.w_max());
    CHECK(cubic.k() == before.k());
    CHECK(cubic.w_est() == before.w_est());
    CHECK(cubic.cwnd_prior() == before.cwnd_prior());
    const auto cwnd = cubic.cwnd();
    cubic.on_undo({.now = flow.now});  // once
    CHECK(cubic.cwnd() == cwnd);
  }
}

TEST_CASE("a fresh connection doubles its window each round trip", "[tcp][cubic][RFC9438-4.10-1]") {
  Cubic cubic{{.mss = kMss}};
  cubic.on_established(0);
  for (std::uint32_t window = 10; window < 1000; window *= 2) {
    REQUIRE(cubic.cwnd() == window * kMss);
    for (std::uint32_t i = 0; i < window; ++i) cubic.on_ack({.acked_bytes = kMss});
  }
}

TEST_CASE("after idleness there is no burst", "[tcp][cubic]") {
  Flow flow{100};
  flow.lose();
  flow.cubic.on_idle({.now = flow.now + 5s, .idle = 5s, .rto = 1s});
  CHECK(flow.cubic.cwnd() == 10 * kMss);
  CHECK(flow.cubic.ssthresh() == 70 * kMss);
}

TEST_CASE("CUBIC's window stays within its bounds whatever happens", "[tcp][cubic]") {
  std::uint64_t state = 88172645463325252ULL;
  const auto below = [&state](std::uint64_t bound) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    return state % bound;
  };
  for (int run = 0; run < 50; ++run) {
    Cubic cubic{{.mss = kMss, .max_cwnd = 1'000'000}};
    TimePoint now{};
    for (int i = 0; i < 500; ++i) {
      const auto bytes = static_cast<std::uint32_t>(below(below(10) == 0 ? 0xffff'ffffU : 100'000U));
      now += Duration{below(below(20) == 0 ? 3'600'000'000'000ULL : 10'000'000ULL)};
      switch (below(10)) {
        case 0: cubic.on_loss({.now = now, .flight_size = bytes, .cause = static_cast<Congestion>(below(3)), .in_flight = bytes}); break;
        case 1: cubic.on_duplicate_ack({.now = now, .flight_size = bytes, .segments = bytes}); break;
        case 2: cubic.on_recovered({.now = now, .acked_bytes = bytes, .flight_size = bytes}); break;
        case 3: cubic.on_rto({.now = now, .flight_size = bytes, .first = below(2) == 0}); break;
        case 4: cubic.on_undo({.now = now}); break;
        case 5: cubic.on_idle({.now = now, .idle = Duration{below(10'000'000'000ULL)}, .rto = 1s}); break;
        default:
          cubic.on_ack({.now = now,
                        .acked_bytes = bytes,
                        .delivered_bytes = bytes,
                        .in_flight = bytes,
                        .rtt = Duration{below(1'000'000'000)},
                        .cwnd_limited = below(4) != 0,
                        .in_recovery = below(4) == 0});
          break;
      }
      REQUIRE(cubic.cwnd() >= kMss);
      REQUIRE(cubic.cwnd() <= 1'000'000);
      REQUIRE(cubic.ssthresh() >= 2 * kMss);
    }
  }
}
