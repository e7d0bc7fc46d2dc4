#include <catch2/catch.hpp>

#include <limits>

#include <tapir/sim/seeded_random.hpp>

#include "mss.hpp"
#include "tcp/new_reno.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tapir::test::kMss;
using tcp::NewReno;

namespace {
tcp::AckEvent ack(std::uint32_t bytes, std::uint32_t segments = 1) { return {.acked_bytes = bytes, .segments = segments}; }

/// In congestion avoidance with a window of `segments`.
NewReno avoiding(std::uint32_t segments) {
  NewReno reno{{.mss = kMss, .initial_window_segments = 10, .initial_ssthresh = segments * kMss}};
  reno.on_established(0);
  while (reno.in_slow_start()) reno.on_ack(ack(kMss));
  REQUIRE(reno.cwnd() == segments * kMss);
  return reno;
}
}  // namespace

TEST_CASE("the initial window follows RFC 6928", "[tcp][RFC6928-2-1]") {
  const auto initial = [](std::uint32_t mss) { return NewReno{{.mss = mss}}.cwnd(); };
  CHECK(initial(1460) == 14600);
  CHECK(initial(536) == 5360);
  CHECK(initial(9000) == 18000);
  CHECK(initial(1461) == 14600);
  CHECK(initial(7300) == 14600);
  CHECK(initial(7301) == 14602);
}

TEST_CASE("a smaller initial window may be configured, a larger one not", "[tcp]") {
  CHECK(NewReno{{.mss = kMss, .initial_window_segments = 4}}.cwnd() == 4 * kMss);
  CHECK(NewReno{{.mss = kMss, .initial_window_segments = 1}}.cwnd() == kMss);
  CHECK(NewReno{{.mss = kMss, .initial_window_segments = 0}}.cwnd() == kMss);
  CHECK(NewReno{{.mss = kMss, .initial_window_segments = 100}}.cwnd() == 10 * kMss);
}

TEST_CASE("the initial window is one segment after more than one SYN was lost", "[tcp]") {
  for (const auto& [lost, segments] : {std::pair{0U, 10U}, {1U, 10U}, {2U, 1U}, {5U, 1U}}) {
    NewReno reno{{.mss = kMss}};
    reno.on_established(lost);
    CHECK(reno.cwnd() == segments * kMss);
  }
}

TEST_CASE("the initial threshold is arbitrarily high", "[tcp][RFC5681-3.1-4]") {
  const NewReno reno{{.mss = kMss}};
  CHECK(reno.ssthresh() == std::numeric_limits<std::uint32_t>::max());
  CHECK(reno.in_slow_start());
}

TEST_CASE("slow start adds at most a segment per acknowledgment", "[tcp][RFC5681-3.1-6][RFC5681-3.1-7]") {
  NewReno reno{{.mss = 1460}};
  reno.on_ack(ack(4 * 1460));
  CHECK(reno.cwnd() == 14600 + 1460);
  for (int i = 0; i < 10; ++i) reno.on_ack(ack(146));
  CHECK(reno.cwnd() == 14600 + 2 * 1460);
  reno.on_ack(ack(4 * 1460, 4));  // four acknowledgments that a device merged
  CHECK(reno.cwnd() == 14600 + 6 * 1460);
  reno.on_ack(ack(0));
  CHECK(reno.cwnd() == 14600 + 6 * 1460);
}

TEST_CASE("slow start doubles the window each round trip", "[tcp]") {
  NewReno reno{{.mss = kMss}};
  for (std::uint32_t window = 10; window < 1000; window *= 2) {
    REQUIRE(reno.cwnd() == window * kMss);
    for (std::uint32_t i = 0; i < window; ++i) reno.on_ack(ack(kMss));
  }
}

TEST_CASE("congestion avoidance adds a segment for each window acknowledged", "[tcp][RFC5681-3.1-9]") {
  for (const std::uint32_t step : {1U, 2U, 5U, 10U}) {  // delayed acknowledgments change nothing
    NewReno reno = avoiding(10);
    for (std::uint32_t acked = 0; acked < 10; acked += step) {
      CHECK(reno.cwnd() == 10 * kMss);
      reno.on_ack(ack(step * kMss));
    }
    CHECK(reno.cwnd() == 11 * kMss);
  }
}

TEST_CASE("bytes beyond a window count for the next", "[tcp][RFC5681-3.1-9]") {
  NewReno reno = avoiding(10);
  for (int i = 0; i < 4; ++i) reno.on_ack(ack(3 * kMss));
  CHECK(reno.cwnd() == 11 * kMss);  // 12 segments: 2 are left over
  for (int i = 0; i < 3; ++i) reno.on_ack(ack(3 * kMss));
  CHECK(reno.cwnd() == 12 * kMss);
}

TEST_CASE("congestion avoidance never adds more than a segment per round trip", "[tcp][RFC5681-3.1-8]") {
  sim::SeededRandom random{5};
  NewReno reno = avoiding(20);
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t before = reno.cwnd();
    std::uint32_t left = before;
    while (left > 0) {
      const auto step = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, 1 + random.below(4 * kMss)));
      reno.on_ack(ack(step));
      left -= step;
    }
    CHECK(reno.cwnd() >= before);
    CHECK(reno.cwnd() - before <= kMss);
  }
  CHECK(reno.cwnd() > 100 * kMss);
}

TEST_CASE("a window that the application does not fill does not grow", "[tcp]") {
  NewReno reno{{.mss = kMss}};
  for (int i = 0; i < 100; ++i) reno.on_ack({.acked_bytes = kMss, .cwnd_limited = false});
  CHECK(reno.cwnd() == 10 * kMss);
}

TEST_CASE("fast retransmit halves the flight and inflates by what has left", "[tcp][RFC5681-3.2-9]") {
  NewReno reno = avoiding(10);
  reno.on_loss({.flight_size = 10 * kMss});
  CHECK(reno.ssthresh() == 5 * kMss);
  CHECK(reno.cwnd() == 8 * kMss);
  for (int i = 0; i < 4; ++i) reno.on_duplicate_ack({.flight_size = 10 * kMss});
  CHECK(reno.cwnd() == 12 * kMss);
}

TEST_CASE("inflation stops at what was outstanding", "[tcp][RFC5681-3.2-10]") {
  NewReno reno = avoiding(10);
  reno.on_loss({.flight_size = 10 * kMss});
  for (int i = 0; i < 100; ++i) reno.on_duplicate_ack({.flight_size = 10 * kMss});
  CHECK(reno.cwnd() == (5 + 13) * kMss);
}

TEST_CASE("the threshold is at least two segments", "[tcp]") {
  NewReno reno = avoiding(10);
  reno.on_loss({.flight_size = 3 * kMss});
  CHECK(reno.ssthresh() == 2 * kMss);
}

TEST_CASE("a partial acknowledgment deflates by its amount and adds a segment back", "[tcp][RFC6582-3.2-6]") {
  NewReno reno = avoiding(20);
  reno.on_loss({.flight_size = 20 * kMss});
  CHECK(reno.cwnd() == 13 * kMss);
  reno.on_partial_ack({.acked_bytes = 3 * kMss});
  CHECK(reno.cwnd() == 11 * kMss);
  reno.on_partial_ack({.acked_bytes = kMss / 2});
  CHECK(reno.cwnd() == 11 * kMss - kMss / 2);
  reno.on_partial_ack({.acked_bytes = 100 * kMss});
  CHECK(reno.cwnd() == kMss);
}

TEST_CASE("a full acknowledgment ends recovery without a burst", "[tcp][RFC6582-3.2-4][RFC5681-3.2-12]") {
  for (const auto& [flight, segments] : {std::pair{0U, 2U}, {1U, 2U}, {4U, 5U}, {9U, 10U}, {15U, 10U}}) {
    NewReno reno = avoiding(20);
    reno.on_loss({.flight_size = 20 * kMss});
    reno.on_recovered({.acked_bytes = 20 * kMss, .flight_size = flight * kMss});
    CHECK(reno.cwnd() == segments * kMss);
    CHECK(reno.ssthresh() == 10 * kMss);
    CHECK(reno.cwnd() <= reno.ssthresh());
  }
}

TEST_CASE("a timeout leaves one segment and half the flight as threshold", "[tcp][RFC5681-3.1-12][RFC6928-2-5]") {
  NewReno reno = avoiding(20);
  reno.on_rto({.flight_size = 20 * kMss});
  CHECK(reno.cwnd() == kMss);
  CHECK(reno.ssthresh() == 10 * kMss);
  NewReno small = avoiding(20);
  small.on_rto({.flight_size = 2 * kMss});
  CHECK(small.ssthresh() == 2 * kMss);
  CHECK(small.cwnd() == kMss);
}

TEST_CASE("a repeated timeout of the same segment leaves the threshold", "[tcp][RFC5681-3.1-13]") {
  NewReno reno = avoiding(20);
  reno.on_rto({.flight_size = 20 * kMss, .first = true});
  reno.on_rto({.flight_size = kMss, .first = false});
  CHECK(reno.ssthresh() == 10 * kMss);
  CHECK(reno.cwnd() == kMss);
  reno.on_rto({.flight_size = 8 * kMss, .first = true});
  CHECK(reno.ssthresh() == 4 * kMss);
}

TEST_CASE("after idleness beyond the timeout the restart window holds", "[tcp][RFC6928-2-4]") {
  NewReno reno = avoiding(40);
  reno.on_idle({.idle = 1s, .rto = 1s});
  CHECK(reno.cwnd() == 40 * kMss);
  reno.on_idle({.idle = 2s, .rto = 1s});
  CHECK(reno.cwnd() == 10 * kMss);
  CHECK(reno.in_slow_start());
  NewReno small = avoiding(20);
  small.on_rto({.flight_size = 20 * kMss});
  small.on_idle({.idle = 2s, .rto = 1s});
  CHECK(small.cwnd() == kMss);
}

TEST_CASE("a loss in the initial window makes later restart windows smaller", "[tcp][RFC6928-2-6]") {
  NewReno reno{{.mss = 1460}};
  reno.on_established(0);
  reno.on_loss({.flight_size = 14600});
  reno.on_recovered({.acked_bytes = 14600, .flight_size = 14600});
  for (int i = 0; i < 1000; ++i) reno.on_ack(ack(1460));
  REQUIRE(reno.cwnd() > 14600);
  reno.on_idle({.idle = 5s, .rto = 1s});
  CHECK(reno.cwnd() == 4380);

  NewReno later{{.mss = 1460}};
  later.on_established(0);
  for (int i = 0; i < 100; ++i) later.on_ack(ack(1460));
  later.on_loss({.flight_size = 60000});
  later.on_recovered({.acked_bytes = 60000, .flight_size = 30000});
  later.on_idle({.idle = 5s, .rto = 1s});
  CHECK(later.cwnd() == 14600);
}

TEST_CASE("a smaller segment size shrinks the window by the same ratio", "[tcp][RFC5681-3.1-3]") {
  NewReno reno{{.mss = 1460}};
  reno.on_mss_change({.mss = 536});
  CHECK(reno.cwnd() == 14600 * 536 / 1460);
  reno.on_mss_change({.mss = 1460});  // a larger one leaves the bytes
  CHECK(reno.cwnd() == 14600 * 536 / 1460);
  reno.on_mss_change({.mss = 9000});
  CHECK(reno.cwnd() == 9000);
}

TEST_CASE("the window stays within its bounds whatever happens", "[tcp]") {
  sim::SeededRandom random{11};
  for (int run = 0; run < 50; ++run) {
    NewReno reno{{.mss = kMss, .max_cwnd = 1'000'000}};
    for (int i = 0; i < 500; ++i) {
      const auto bytes = static_cast<std::uint32_t>(random.below(random.below(10) == 0 ? 0xffff'ffffU : 100'000U));
      switch (random.below(7)) {
        case 0: reno.on_loss({.flight_size = bytes}); break;
        case 1: reno.on_duplicate_ack({.flight_size = bytes, .segments = bytes}); break;
        case 2: reno.on_partial_ack({.acked_bytes = bytes}); break;
        case 3: reno.on_recovered({.acked_bytes = bytes, .flight_size = bytes}); break;
        case 4: reno.on_rto({.flight_size = bytes, .first = random.below(2) == 0}); break;
        default: reno.on_ack(ack(bytes, bytes)); break;
      }
      CHECK(reno.cwnd() >= kMss);
      CHECK(reno.cwnd() <= 1'000'000);
      CHECK(reno.ssthresh() >= 2 * kMss);
    }
  }
}

TEST_CASE("what was thought lost may be taken back, a congestion mark may not", "[tcp][RFC3168-6.1.2-1]") {
  NewReno reno = avoiding(40);
  const std::uint32_t flight = 40 * kMss;
  const auto event = [&](tcp::Congestion cause) {
    return tcp::LossEvent{.flight_size = flight, .cause = cause, .in_flight = flight, .recover_fs = flight};
  };
  SECTION("a loss alone") {
    reno.on_loss(event(tcp::Congestion::loss));
    reno.on_undo({.flight_size = flight});
    CHECK(reno.cwnd() >= 40 * kMss);
    CHECK(reno.ssthresh() == 40 * kMss);
  }
  SECTION("a mark behind it") {
    reno.on_loss(event(tcp::Congestion::loss));
    reno.on_recovered({.acked_bytes = kMss, .flight_size = flight});
    reno.on_loss(event(tcp::Congestion::ecn));
    const auto reduced = reno.cwnd();
    REQUIRE(reduced <= 20 * kMss);
    reno.on_undo({.flight_size = flight});
    CHECK(reno.cwnd() == reduced);
  }
}
