#include <catch2/catch.hpp>

#include "mss.hpp"
#include "tcp/cubic.hpp"
#include "tcp/new_reno.hpp"

// What becomes of a window that the application does not use: RFC 2861, RFC 7661 section 4.
using namespace tapir;
using namespace std::chrono_literals;
using tapir::test::kMss;
using tcp::Cubic;
using tcp::NewReno;

namespace {
template <class Algorithm>
Algorithm grown(std::uint32_t segments, tcp::WindowValidation validation = tcp::WindowValidation::rfc2861) {
  Algorithm control{{.mss = kMss, .initial_ssthresh = segments * kMss, .window_validation = validation, .cwnd = segments * kMss}};
  control.on_sent({.now = TimePoint{}, .bytes = kMss, .in_flight = (segments - 1) * kMss, .rto = 1s});
  return control;
}

/// The application sends `used` segments at a time, fewer than the window takes.
void send_little(tcp::CongestionControl& control, TimePoint now, std::uint32_t used) {
  control.on_sent({.now = now, .bytes = kMss, .in_flight = (used - 1) * kMss, .cwnd_limited = false, .rto = 1s});
}
}  // namespace

TEMPLATE_TEST_CASE("a window that is not filled comes half way down for each timeout", "[tcp][cwv]", NewReno, Cubic) {
  TestType control = grown<TestType>(40);
  send_little(control, TimePoint{} + 500ms, 20);
  send_little(control, TimePoint{} + 999ms, 12);
  CHECK(control.cwnd() == 40 * kMss);
  send_little(control, TimePoint{} + 1s, 12);
  CHECK(control.cwnd() == 30 * kMss);      // (40 + 20) / 2: the most that was used
  CHECK(control.ssthresh() == 40 * kMss);  // what it was, at least three quarters of it, is remembered
  send_little(control, TimePoint{} + 2s, 12);
  CHECK(control.cwnd() == 21 * kMss);  // (30 + 12) / 2
  for (int i = 3; i < 40; ++i) send_little(control, TimePoint{} + i * 1s, 2);
  CHECK(control.cwnd() >= 10 * kMss);  // not below what a connection begins with
  CHECK(control.cwnd() <= 10 * kMss + kMss);
}

TEMPLATE_TEST_CASE("a window in use stays", "[tcp][cwv]", NewReno, Cubic) {
  TestType control = grown<TestType>(40);
  for (int i = 1; i < 100; ++i) control.on_sent({.now = TimePoint{} + i * 300ms, .bytes = kMss, .in_flight = 39 * kMss, .rto = 1s});
  CHECK(control.cwnd() == 40 * kMss);
  for (int i = 1; i < 100; ++i) {  // now and then full is enough
    const TimePoint now = TimePoint{} + 30s + i * 500ms;
    if (i % 2 == 0) {
      send_little(control, now, 5);
    } else {
      control.on_sent({.now = now, .bytes = kMss, .in_flight = 39 * kMss, .rto = 1s});
    }
  }
  CHECK(control.cwnd() == 40 * kMss);
  send_little(control, TimePoint{} + 80s, 5);  // and retransmissions tell nothing
  control.on_sent({.now = TimePoint{} + 90s, .bytes = kMss, .retransmission = true, .cwnd_limited = false, .rto = 1s});
  CHECK(control.cwnd() == 40 * kMss);
}

TEMPLATE_TEST_CASE("the threshold remembers three quarters of the window", "[tcp][cwv]", NewReno, Cubic) {
  TestType control{{.mss = kMss, .initial_ssthresh = 4 * kMss, .cwnd = 40 * kMss}};
  control.on_idle({.now = TimePoint{} + 10s, .idle = 5s, .rto = 1s});
  CHECK(control.cwnd() == 10 * kMss);
  CHECK(control.ssthresh() == 30 * kMss);
}

TEMPLATE_TEST_CASE("a window that is not used may be kept", "[tcp][cwv]", NewReno, Cubic) {
  TestType control = grown<TestType>(40, tcp::WindowValidation::off);
  send_little(control, TimePoint{} + 500ms, 20);
  send_little(control, TimePoint{} + 5s, 2);
  control.on_idle({.now = TimePoint{} + 100s, .idle = 95s, .rto = 1s});
  CHECK(control.cwnd() == 40 * kMss);
}

TEMPLATE_TEST_CASE("a window that is not filled does not grow", "[tcp][cwv][RFC7661-4-5]", NewReno, Cubic) {
  TestType control{{.mss = kMss}};
  for (int i = 0; i < 100; ++i) control.on_ack({.now = TimePoint{} + i * 10ms, .acked_bytes = kMss, .cwnd_limited = false});
  CHECK(control.cwnd() == 10 * kMss);
  control.on_ack({.now = TimePoint{} + 1s, .acked_bytes = kMss});
  CHECK(control.cwnd() == 11 * kMss);
}

TEMPLATE_TEST_CASE("an undone loss leaves the window as before", "[tcp][congestion]", NewReno, Cubic) {
  for (const auto cause : {tcp::Congestion::loss, tcp::Congestion::duplicate_acks}) {
    TestType control = grown<TestType>(40);
    control.on_loss({.flight_size = 40 * kMss, .cause = cause, .in_flight = 30 * kMss});
    CHECK(control.ssthresh() < 30 * kMss);
    control.on_undo({});
    CHECK(control.cwnd() >= 40 * kMss);
    CHECK(control.cwnd() <= 43 * kMss);
    CHECK(control.ssthresh() == 40 * kMss);
    control.on_recovered({.flight_size = 5 * kMss});  // the recovery that was none
    CHECK(control.cwnd() >= 40 * kMss);
  }
  TestType control = grown<TestType>(40);
  control.on_rto({.flight_size = 40 * kMss, .first = true});
  control.on_rto({.flight_size = 40 * kMss, .first = false});
  CHECK(control.cwnd() == kMss);
  control.on_undo({});
  CHECK(control.cwnd() == 40 * kMss);
  CHECK(control.ssthresh() == 40 * kMss);
}

TEST_CASE("after a timeout an ACK counts for one segment", "[tcp][congestion]") {  // RFC 3465 section 2.3
  for (const bool timeout : {false, true}) {
    NewReno reno{{.mss = kMss, .slow_start_limit = 2}};
    if (timeout) reno.on_rto({.flight_size = 100 * kMss});
    const auto before = reno.cwnd();
    reno.on_ack({.acked_bytes = 10 * kMss});
    CHECK(reno.cwnd() == before + (timeout ? 1 : 2) * kMss);
  }
}

TEST_CASE("slow start ends at the threshold", "[tcp][congestion]") {
  Cubic cubic{{.mss = kMss, .initial_ssthresh = 12 * kMss}};
  cubic.on_ack({.acked_bytes = 8 * kMss});
  CHECK(cubic.cwnd() >= 12 * kMss);
  CHECK(cubic.cwnd() < 13 * kMss);
}
