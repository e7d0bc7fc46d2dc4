#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>

#include "mss.hpp"
#include "tcp/ack_train.hpp"
#include "tcp/segment_cubic.hpp"
#include "wire.hpp"

// CUBIC in the arithmetic of Linux' tcp_cubic.c: the expectations are worked out from its rules.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::AckTrain;
using tcp::Congestion;
using tcp::SegmentCubic;
using tcp::SeqNum;

namespace {
struct Flow {
  explicit Flow(const tcp::CongestionParameters& parameters) : cubic{parameters} {}
  void ack(std::uint32_t segments, Duration after, Duration rtt = 100ms) {
    now += after;
    una += segments * kMss;
    cubic.on_ack({.now = now, .acked_bytes = segments * kMss, .snd_una = una, .snd_nxt = una + cubic.cwnd(), .rtt = rtt});
  }
  [[nodiscard]] std::uint32_t window() const { return cubic.cwnd() / kMss; }

  SegmentCubic cubic;
  TimePoint now{1h};
  SeqNum una{0xffff'f000U};
};
}  // namespace

TEST_CASE("after a timeout no plateau is known: a segment for every twenty acknowledged", "[tcp][cubic]") {
  Flow flow{{.mss = kMss, .reduce_from_cwnd = true, .cwnd = 100 * kMss}};
  flow.cubic.on_rto({.now = flow.now, .flight_size = 1000});
  CHECK(flow.window() == 1);
  CHECK(flow.cubic.ssthresh() == 70 * kMss);
  for (int i = 0; i < 69; ++i) flow.ack(1, 100us);
  CHECK(flow.window() == 70);
  for (int i = 0; i < 19; ++i) flow.ack(1, 1ms);
  CHECK(flow.window() == 70);
  flow.ack(1, 1ms);
  CHECK(flow.window() == 71);
}

TEST_CASE("the window shrinks to 717/1024 in whole segments", "[tcp][cubic]") {
  Flow flow{{.mss = kMss, .initial_ssthresh = 100 * kMss, .reduce_from_cwnd = true, .cwnd = 100 * kMss}};
  flow.cubic.on_loss({.now = flow.now, .flight_size = 100 * kMss, .cause = Congestion::loss, .in_flight = 50 * kMss});
  CHECK(flow.cubic.ssthresh() == 70 * kMss);  // 70.02
  flow.cubic.on_recovered({.now = flow.now, .flight_size = 0});
  CHECK(flow.window() == 70);
}

TEST_CASE("the window is back at its plateau when the cubic function is", "[tcp][cubic]") {
  Flow flow{{.mss = kMss, .initial_ssthresh = 1000 * kMss, .reduce_from_cwnd = true, .cwnd = 1000 * kMss}};
  flow.cubic.on_loss({.now = flow.now, .flight_size = 1000 * kMss, .cause = Congestion::loss, .in_flight = 500 * kMss});
  flow.cubic.on_recovered({.now = flow.now, .flight_size = 0});
  const std::uint32_t start = flow.window();
  CHECK(start == 700);
  // K = cbrt((1000 - 700) / 0.4) = 9.09 s
  const TimePoint begin = flow.now;
  std::uint32_t last = start;
  while (flow.now - begin < 9090ms) {
    const std::uint32_t window = flow.window();
    for (std::uint32_t i = 0; i < window; i += 2) flow.ack(2, Duration{100ms} / (window / 2));
    CHECK(flow.window() >= last);
    last = flow.window();
  }
  CHECK(flow.window() == Approx(1000).margin(20));
}

TEST_CASE("idle time is no time of the function's", "[tcp][cubic]") {
  Flow busy{{.mss = kMss, .initial_ssthresh = 50 * kMss, .window_validation = tcp::WindowValidation::off, .cwnd = 50 * kMss}};
  Flow idle{{.mss = kMss, .initial_ssthresh = 50 * kMss, .window_validation = tcp::WindowValidation::off, .cwnd = 50 * kMss}};
  for (Flow* flow : {&busy, &idle}) {
    for (int i = 0; i < 20; ++i) flow->ack(2, 50ms);
  }
  CHECK(busy.window() == idle.window());
  idle.now += 1min;
  idle.cubic.on_idle({.now = idle.now, .idle = 1min, .rto = 200ms});
  for (Flow* flow : {&busy, &idle}) {
    for (int i = 0; i < 20; ++i) flow->ack(2, 50ms);
  }
  CHECK(busy.window() == idle.window());
}

TEST_CASE("a silence counts once, however often it is told of", "[tcp][cubic]") {
  const tcp::CongestionParameters parameters{
      .mss = kMss, .initial_ssthresh = 50 * kMss, .window_validation = tcp::WindowValidation::off, .cwnd = 50 * kMss};
  Flow once{parameters};
  Flow often{parameters};
  for (Flow* flow : {&once, &often}) {
    for (int i = 0; i < 20; ++i) flow->ack(2, 50ms);
  }
  for (int second = 1; second <= 4; ++second) {
    often.now += 250ms;
    often.cubic.on_idle({.now = often.now, .idle = second * 250ms, .rto = 200ms});
  }
  once.now += 1s;
  once.cubic.on_idle({.now = once.now, .idle = 1s, .rto = 200ms});
  REQUIRE(once.now == often.now);
  for (int i = 0; i < 100; ++i) {
    for (Flow* flow : {&once, &often}) flow->ack(2, 50ms);
    REQUIRE(once.window() == often.window());
  }
  // The next silence is another one.
  for (Flow* flow : {&once, &often}) {
    flow->now += 1min;
    flow->cubic.on_idle({.now = flow->now, .idle = 1min, .rto = 200ms});
  }
  Flow never{parameters};
  for (int i = 0; i < 120; ++i) never.ack(2, 50ms);
  CHECK(never.window() == once.window());
  for (int i = 0; i < 100; ++i) {
    for (Flow* flow : {&once, &often, &never}) flow->ack(2, 50ms);
  }
  CHECK(once.window() == never.window());
  CHECK(often.window() == never.window());
}

namespace {
/// A connection in congestion avoidance, each round of which is acknowledged at once.
struct Uploading : Conversation {
  static constexpr Duration kRoundTrip = 500ms;  // long enough for CUBIC to be ahead of Reno

  Uploading() : Conversation{{.config = with_cubic(), .settings = {.nagle = false, .send_buffer = 2'000'000}, .peer_mss = kMss}} {
    write(stream(10'000));
    const auto first = peer.hear();
    REQUIRE(first.size() == 10);
    advance(kRoundTrip);
    for (int i = 0; i < 3; ++i) REQUIRE(peer.say({.ack = first[0].seq}));  // it was lost
    acknowledge_all();
    REQUIRE(info().fast_retransmits == 1);
  }
  /// So many bytes.
  void transfer(std::size_t bytes) {
    write(stream(bytes));
    acknowledge_all();
  }
  /// One by one, so that something is outstanding all the time.
  void acknowledge_all() {
    auto sent = peer.hear();
    while (info().unacknowledged > 0) {
      advance(kRoundTrip);
      std::vector<Heard> next;
      for (const auto& segment : sent) {
        REQUIRE(peer.say({.ack = segment.end()}));
        std::ranges::move(peer.hear(), std::back_inserter(next));
      }
      sent = std::move(next);
    }
  }
  /// Each look at what there is to send is one at how long nothing was sent.
  void write_more(std::size_t bytes) {
    const std::string text = stream(bytes);
    REQUIRE(connection.send_more(std::as_bytes(std::span{text})));
    REQUIRE(peer.quiet());
  }
  static tcp::Config with_cubic() {
    tcp::Config config{.quick_acks = 0};
    config.window_validation = tcp::WindowValidation::off;
    config.reduce_from_cwnd = config.cubic_whole_segments = true;
    return config;
  }
};
}  // namespace

TEST_CASE("small writes that wait for more do not hold CUBIC up", "[tcp][cubic]") {
  Uploading at_once;
  Uploading bit_by_bit;
  for (Uploading* talk : {&at_once, &bit_by_bit}) talk->transfer(150'000);
  const auto before = at_once.info();
  REQUIRE(bit_by_bit.info().cwnd == before.cwnd);
  at_once.advance(1050ms);
  bit_by_bit.advance(1s);
  for (int i = 0; i < 5; ++i) {
    bit_by_bit.advance(10ms);
    bit_by_bit.write_more(1);
  }
  at_once.transfer(150'005);
  bit_by_bit.transfer(150'000);
  CHECK(at_once.info().cwnd > before.cwnd * 5 / 4);
  CHECK(bit_by_bit.info().cwnd == at_once.info().cwnd);
}

TEST_CASE("HyStart: round trips of a window well above the shortest end slow start at once", "[tcp][cubic][hystart]") {
  const Duration rtt = GENERATE(100ms, 112ms, 113ms);  // the threshold is an eighth of 100 ms
  Flow flow{{.mss = kMss, .slow_start_limit = 100}};
  flow.cubic.on_established(0);
  flow.ack(10, 100ms);
  CHECK(flow.window() == 20);
  for (int i = 0; i < 8; ++i) flow.ack(1, 10ms, rtt);
  CHECK(flow.window() == 28);
  CHECK(flow.cubic.in_slow_start());
  flow.ack(1, 10ms, rtt);  // the ninth
  CHECK(flow.cubic.in_slow_start() == (rtt <= 112500us));
}

TEST_CASE("HyStart: one train of acknowledgments for half of the shortest round trip", "[tcp][cubic][hystart]") {
  const Duration gap = GENERATE(2ms, 3ms);
  const bool paced = GENERATE(false, true);
  AckTrain train;
  bool over = false;
  Duration at{};
  const auto ack = [&] {
    return train.on_ack({.now = TimePoint{at},
                         .snd_una = SeqNum{1},
                         .snd_nxt = SeqNum{90'000},
                         .window = 20,
                         .rtt = 40ms,
                         .min_rtt = 40ms,
                         .paced = paced});
  };
  for (; at <= 30ms && !over; at += gap) over = ack();
  CHECK(over == (gap == 2ms && !paced));
  if (over) CHECK(at == 24ms);  // the first acknowledgment more than 20 ms after the round began was at 22 ms
}

TEST_CASE("HyStart says nothing of a small window", "[tcp][cubic][hystart]") {
  const std::uint32_t window = GENERATE(15U, 16U);
  AckTrain train;
  bool over = false;
  for (int i = 0; i < 50 && !over; ++i) {
    over = train.on_ack(
        {.now = TimePoint{i * 1ms}, .snd_una = SeqNum{1}, .snd_nxt = SeqNum{90'000}, .window = window, .rtt = 400ms, .min_rtt = 40ms});
  }
  CHECK(over == (window == 16));
}

TEST_CASE("a stack that is told so uses it under CUBIC's name", "[tcp][cubic]") {
  Conversation talk{{.config = {.reduce_from_cwnd = true, .cubic_whole_segments = true}, .peer_mss = 1000}};
  CHECK(talk.info().congestion_control == "cubic");
  talk.write(stream(1000));
  (void)talk.peer.hear();
  talk.advance(2s);
  CHECK(talk.info().ssthresh == 7000);  // 10 * 717 / 1024 = 7.002
}
