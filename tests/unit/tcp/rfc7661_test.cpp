#include <catch2/catch.hpp>

#include <algorithm>

#include "mss.hpp"
#include "tcp/cubic.hpp"
#include "tcp/new_reno.hpp"
#include "tcp/pipe_ack.hpp"
#include "tcp/segment_cubic.hpp"
#include "wire.hpp"

// A window that the application does not use is kept, and not trusted: RFC 7661 section 4.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::Congestion;
using tcp::Cubic;
using tcp::NewReno;
using tcp::PipeAck;
using tcp::SegmentCubic;
using tcp::WindowValidation;

namespace {
constexpr Duration kRtt = 100ms;

/// pipeACK of a sender whose application writes so and so much for each round trip.
struct Meter {
  void round(std::uint32_t bytes, std::uint32_t acks = 2) {
    nxt += bytes;
    now += kRtt;
    for (std::uint32_t i = 1; i <= acks; ++i) {
      const std::uint32_t part = i < acks ? bytes / acks : bytes - bytes / acks * (acks - 1);
      una += part;
      pipe.on_ack({.now = now, .bytes = part, .snd_una = una, .snd_nxt = nxt}, period);
    }
  }
  [[nodiscard]] std::optional<std::uint32_t> value() const { return pipe.value(now, period); }

  PipeAck pipe;
  Duration period = PipeAck::sampling_period(kRtt);
  TimePoint now{};
  SeqNum una{0xffff'f000U};  // the wrap comes soon
  SeqNum nxt = una;
};

/// An algorithm in the middle of a connection, whose application sends as much as it is told to.
template <class Algorithm>
struct Flow {
  explicit Flow(std::uint32_t segments, std::uint32_t ssthresh = 0, WindowValidation validation = WindowValidation::rfc7661)
      : control{{.mss = kMss,
                 .initial_ssthresh = (ssthresh == 0 ? segments : ssthresh) * kMss,
                 .window_validation = validation,
                 .cwnd = segments * kMss}} {}

  /// A round trip in which so many segments are sent and acknowledged.
  void round(std::uint32_t segments, bool limited = false) {
    for (std::uint32_t i = 0; i < segments; ++i) {
      control.on_sent({.now = now, .bytes = kMss, .in_flight = i * kMss, .cwnd_limited = limited, .rto = 1s});
    }
    nxt += segments * kMss;
    now += kRtt;
    for (std::uint32_t i = 0; i < segments; ++i) {
      una += kMss;
      control.on_ack({.now = now,
                      .acked_bytes = kMss,
                      .delivered_bytes = kMss,
                      .flight_size = tcp::distance(una, nxt),
                      .in_flight = tcp::distance(una, nxt),
                      .snd_una = una,
                      .snd_nxt = nxt,
                      .rtt = kRtt,
                      .cwnd_limited = limited});
    }
  }
  void rounds(int count, std::uint32_t segments) {
    for (int i = 0; i < count; ++i) round(segments);
  }
  void lose(std::uint32_t flight, Congestion cause = Congestion::loss) {
    control.on_loss(
        {.now = now, .flight_size = flight * kMss, .snd_una = una, .snd_nxt = nxt, .cause = cause, .in_flight = (flight - 1) * kMss});
  }
  /// Sends something after a pause.
  void resume(Duration pause) {
    now += pause;
    control.on_idle({.now = now, .idle = pause, .rto = 1s});
  }

  Algorithm control;
  TimePoint now{1h};
  SeqNum una{};
  SeqNum nxt{};
};
}  // namespace

TEST_CASE("pipeACK is the largest volume acknowledged in a round trip of the sampling period", "[tcp][cwv][RFC7661-4-1]") {
  Meter meter;
  CHECK_FALSE(meter.value());  // undefined
  meter.round(8000);
  CHECK(meter.value() == 8000U);
  for (const std::uint32_t bytes : {3000U, 5000U, 2000U}) meter.round(bytes, 3);
  CHECK(meter.value() == 8000U);
  for (int i = 0; i < 6; ++i) meter.round(1000, 1);
  CHECK(meter.value() == 8000U);  // 900 ms ago
  meter.round(1000);
  CHECK(meter.value() == 5000U);  // what is a second old does not count
  for (int i = 0; i < 10; ++i) meter.round(1000);
  CHECK(meter.value() == 1000U);
  meter.round(9000);
  CHECK(meter.value() == 9000U);
  meter.now += 999ms;
  CHECK(meter.value() == 9000U);
  meter.now += 1ms;
  CHECK(meter.value() == 0U);  // silence
}

TEST_CASE("what is acknowledged in more than a round trip is no sample", "[tcp][cwv][RFC7661-4-1]") {
  Meter meter;  // a full pipe: each acknowledgment lets as much leave
  const std::uint32_t window = 10'000;
  meter.nxt += window;
  std::uint32_t largest = 0;
  for (int i = 0; i < 100; ++i) {
    meter.now += kRtt / 10;
    meter.una += 1000;
    meter.nxt += 1000;
    meter.pipe.on_ack({.now = meter.now, .bytes = 1000, .snd_una = meter.una, .snd_nxt = meter.nxt}, meter.period);
    largest = std::max(largest, meter.value().value_or(0));
  }
  CHECK(largest <= window + 1000);  // no more than the window, the segment that the acknowledgment itself let go included
  CHECK(largest >= window - 1000);
}

TEST_CASE("the sampling period is three round trips, a second at least", "[tcp][cwv][RFC7661-4-1]") {
  CHECK(PipeAck::sampling_period({}) == 1s);
  CHECK(PipeAck::sampling_period(100ms) == 1s);
  CHECK(PipeAck::sampling_period(500ms) == 1500ms);
}

TEMPLATE_TEST_CASE("a window is validated from half of it in use on, and while nothing is known", "[tcp][cwv][RFC7661-4-3][RFC7661-4-4]",
                   NewReno, Cubic, SegmentCubic) {
  // The phase shows in what a loss does: from a window that is not validated what was used counts, from another what is outstanding does.
  const auto ssthresh_after = [](std::uint32_t used, std::uint32_t flight) {
    Flow<TestType> flow{40};
    if (used > 0) flow.rounds(12, used);
    REQUIRE(flow.control.cwnd() == 40 * kMss);
    flow.lose(flight);
    return flow.control.ssthresh() / kMss;
  };
  const std::uint32_t standard = ssthresh_after(0, 10);  // undefined
  CHECK(standard >= 5);
  CHECK(standard <= 7);
  CHECK(ssthresh_after(20, 10) == standard);  // half
  CHECK(ssthresh_after(19, 10) == 19 / 2);    // less
  CHECK(ssthresh_after(12, 16) == 16 / 2);
}

TEMPLATE_TEST_CASE("what is not used for long is kept for minutes", "[tcp][cwv][RFC7661-4-4][RFC7661-4-9]", NewReno, Cubic, SegmentCubic) {
  Flow<TestType> flow{40};
  flow.rounds(12, 4);
  for (int i = 0; i < 290; ++i) {  // seconds
    flow.now += 900ms;
    flow.round(4);
  }
  CHECK(flow.control.cwnd() == 40 * kMss);
  Flow<TestType> silent{40};
  silent.rounds(12, 4);
  silent.resume(4min);
  silent.round(4);
  CHECK(silent.control.cwnd() == 40 * kMss);
  // RFC 2861 does not wait.
  Flow<TestType> decaying{40, 0, WindowValidation::rfc2861};
  decaying.rounds(12, 4);
  decaying.resume(4min);
  CHECK(decaying.control.cwnd() == 10 * kMss);
}

TEMPLATE_TEST_CASE("after five minutes without use the window is halved, and the threshold remembers three quarters",
                   "[tcp][cwv][RFC7661-4-9][RFC7661-4-10]", NewReno, Cubic, SegmentCubic) {
  SECTION("little was sent") {
    Flow<TestType> flow{40, 20};
    for (int i = 0; i < 310; ++i) {
      flow.now += 900ms;
      flow.round(4);
    }
    CHECK(flow.control.cwnd() == 20 * kMss);
    CHECK(flow.control.ssthresh() == 30 * kMss);
  }
  SECTION("nothing was sent") {
    Flow<TestType> flow{40, 20};
    flow.rounds(12, 4);
    flow.resume(5min + 2s);
    CHECK(flow.control.cwnd() == 20 * kMss);
    CHECK(flow.control.ssthresh() == 30 * kMss);
    flow.resume(1s);
    CHECK(flow.control.cwnd() == 20 * kMss);  // once for each five minutes
    flow.resume(5min);
    CHECK(flow.control.cwnd() == 10 * kMss);
  }
  SECTION("for a long time: not below what a connection begins with") {
    Flow<TestType> flow{40, 20};
    flow.rounds(12, 4);
    flow.resume(24h);
    CHECK(flow.control.cwnd() == 10 * kMss);
    CHECK(flow.control.ssthresh() == 30 * kMss);
  }
  SECTION("a higher threshold stays") {
    Flow<TestType> flow{40, 50};
    flow.rounds(12, 4);
    flow.resume(5min + 2s);
    CHECK(flow.control.cwnd() == 20 * kMss);
    CHECK(flow.control.ssthresh() == 50 * kMss);
  }
  SECTION("half of it was used now and then") {
    Flow<TestType> flow{40, 20};
    for (int i = 0; i < 400; ++i) {
      flow.now += 900ms;
      flow.round(i % 60 == 0 ? 20 : 4);
    }
    CHECK(flow.control.cwnd() == 40 * kMss);
  }
}

TEMPLATE_TEST_CASE("a window that is not filled does not grow, and one that is does", "[tcp][cwv][RFC7661-4-5]", NewReno, Cubic,
                   SegmentCubic) {
  Flow<TestType> flow{20, 1000};
  flow.rounds(20, 5);
  CHECK(flow.control.cwnd() == 20 * kMss);
  flow.round(20, true);  // cwnd-limited
  CHECK(flow.control.cwnd() > 20 * kMss);
}

TEMPLATE_TEST_CASE("congestion makes half of what was used of an unvalidated window", "[tcp][cwv][RFC7661-4-6][RFC7661-4-7]", NewReno,
                   Cubic, SegmentCubic) {
  struct Case {
    std::uint32_t used;
    std::uint32_t flight;
    std::uint32_t repaired;
    std::uint32_t during;  ///< all in segments
    std::uint32_t after;
  };
  for (const auto& [used, flight, repaired, during, after] : {Case{12, 8, 2, 6, 5}, Case{8, 12, 4, 6, 4}, Case{6, 6, 6, 3, 1}}) {
    INFO(used << " used, " << flight << " outstanding");
    Flow<TestType> flow{40};
    flow.rounds(12, used);
    flow.lose(flight);
    CHECK(flow.control.cwnd() == during * kMss);
    flow.control.on_ack({.now = flow.now, .acked_bytes = kMss, .delivered_bytes = kMss, .in_flight = 4 * kMss, .in_recovery = true});
    CHECK(flow.control.cwnd() == during * kMss);
    flow.control.on_recovered({.now = flow.now, .repaired_bytes = repaired * kMss});
    CHECK(flow.control.cwnd() == after * kMss);
    CHECK(flow.control.ssthresh() == std::max(after, 2U) * kMss);  // RFC 5681 section 3.1: two segments at least
  }
}

TEMPLATE_TEST_CASE("pipeACK stands still in a recovery, and is undefined behind it", "[tcp][cwv][RFC7661-4-2][RFC7661-4-8]", NewReno, Cubic,
                   SegmentCubic) {
  Flow<TestType> flow{40};
  flow.rounds(12, 12);
  flow.lose(8);
  for (int i = 0; i < 30; ++i) {  // far more is acknowledged than before
    flow.now += 10ms;
    flow.una += 30 * kMss;
    flow.nxt = flow.una + 30 * kMss;
    flow.control.on_ack({.now = flow.now,
                         .acked_bytes = 30 * kMss,
                         .delivered_bytes = 30 * kMss,
                         .snd_una = flow.una,
                         .snd_nxt = flow.nxt,
                         .in_recovery = true});
  }
  flow.control.on_recovered({.now = flow.now, .repaired_bytes = 2 * kMss});
  CHECK(flow.control.cwnd() == (12 - 2) / 2 * kMss);
  // Undefined: the phase does not begin, though nothing is sent for an hour; and the next loss is a usual one.
  flow.resume(1h);
  CHECK(flow.control.cwnd() == 5 * kMss);
  Flow<TestType> usual{5};
  usual.lose(4);
  flow.lose(4);
  CHECK(flow.control.ssthresh() == usual.control.ssthresh());
  CHECK(flow.control.cwnd() == usual.control.cwnd());
}

TEMPLATE_TEST_CASE("a congestion mark takes half of what was used, too", "[tcp][cwv][RFC7661-4-6][RFC7661-4-8]", NewReno, Cubic,
                   SegmentCubic) {
  Flow<TestType> flow{40};
  flow.rounds(12, 12);
  flow.lose(8, Congestion::ecn);
  CHECK(flow.control.cwnd() == 6 * kMss);
  CHECK(flow.control.ssthresh() == 6 * kMss);
  flow.resume(1h);
  CHECK(flow.control.cwnd() == 6 * kMss);  // undefined
}

TEMPLATE_TEST_CASE("without SACK the window is inflated from there", "[tcp][cwv][RFC7661-4-6]", NewReno, Cubic, SegmentCubic) {
  Flow<TestType> flow{40};
  flow.rounds(12, 12);
  flow.lose(8, Congestion::duplicate_acks);
  CHECK(flow.control.ssthresh() == 6 * kMss);
  CHECK(flow.control.cwnd() == 9 * kMss);
  flow.control.on_duplicate_ack({});
  CHECK(flow.control.cwnd() == 10 * kMss);
  flow.control.on_recovered({.now = flow.now, .repaired_bytes = kMss});
  CHECK(flow.control.cwnd() == 5500);
}

TEMPLATE_TEST_CASE("a timeout ends the phase in the usual way, and a loss that was none brings the window back", "[tcp][cwv]", NewReno,
                   Cubic, SegmentCubic) {
  for (const bool timeout : {true, false}) {
    Flow<TestType> flow{40};
    flow.rounds(12, 12);
    if (timeout) {
      flow.control.on_rto({.now = flow.now, .flight_size = 10 * kMss});
      CHECK(flow.control.cwnd() == kMss);
      CHECK(flow.control.ssthresh() <= 7 * kMss);
    } else {
      flow.lose(10);
      CHECK(flow.control.cwnd() == 6 * kMss);
    }
    flow.control.on_undo({.now = flow.now});
    CHECK(flow.control.cwnd() == 40 * kMss);
    flow.control.on_recovered({.now = flow.now});
    CHECK(flow.control.cwnd() == 40 * kMss);
  }
}

namespace {
constexpr std::uint16_t kPeerMss = 1000;

/// A connection with a window of 40 segments and a round trip of 100 ms.
struct Grown : Conversation {
  explicit Grown(const tcp::Config& config, const tcp::Settings& settings = {})
      : Conversation{{.config = config, .settings = settings, .peer_mss = kPeerMss}} {
    while (info().cwnd < 40 * kPeerMss) round(info().cwnd / kPeerMss);
  }
  void round(std::uint32_t segments) {
    write(stream(std::size_t{segments} * kPeerMss));
    (void)peer.hear();
    advance(kRtt);
    while (info().unacknowledged > 0) {
      peer.acknowledge();
      (void)peer.hear();
    }
  }
};
}  // namespace

TEST_CASE("window validation is chosen for a stack or a connection", "[tcp][cwv][RFC5681-4.1-1]") {
  struct Case {
    WindowValidation stack;
    std::optional<WindowValidation> connection;
    bool kept;
  };
  for (const auto& [stack, connection, kept] :
       {Case{WindowValidation::rfc2861, {}, false}, Case{WindowValidation::rfc7661, {}, true}, Case{WindowValidation::off, {}, true},
        Case{WindowValidation::rfc2861, WindowValidation::rfc7661, true},
        Case{WindowValidation::rfc7661, WindowValidation::rfc2861, false}}) {
    Grown talk{{.quick_acks = 0, .window_validation = stack}, {.window_validation = connection}};
    const auto window = talk.info().cwnd;
    talk.advance(1min);
    talk.write(stream(window));
    CHECK(talk.peer.hear().size() == (kept ? window / kPeerMss : 10));
  }
}

TEST_CASE("a connection that sends little keeps its window, and a loss takes it to what it used", "[tcp][cwv][RFC7661-4-6]") {
  Grown talk{{.quick_acks = 0, .window_validation = WindowValidation::rfc7661}};
  const auto window = talk.info().cwnd;
  for (int i = 0; i < 100; ++i) talk.round(4);
  CHECK(talk.info().cwnd == window);
  talk.write(stream(8 * kPeerMss));
  const auto flight = talk.peer.hear();
  REQUIRE(flight.size() == 8);
  const SeqNum lost = flight.front().seq;
  for (int i = 0; i < 3; ++i) REQUIRE(talk.peer.say({.ack = lost}));  // the peer knows no SACK
  const auto again = talk.peer.hear();
  REQUIRE_FALSE(again.empty());
  CHECK(again.front().seq == lost);
  CHECK(talk.info().ssthresh == 4 * kPeerMss);  // max(pipeACK, LossFlightSize) / 2
  talk.peer.acknowledge();
  CHECK(talk.info().cwnd == (8 - 1) * kPeerMss / 2);  // R: the one segment
}
