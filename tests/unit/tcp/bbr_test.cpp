#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "mss.hpp"
#include "path_model.hpp"
#include "tcp/bbr.hpp"
#include "tcp/cubic.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::Bbr;
using State = Bbr::State;

namespace {
bool in_probe_bw(State state) { return state != State::startup && state != State::drain && state != State::probe_rtt; }
}  // namespace

TEST_CASE("BBR starts at 2.77 initial windows a round trip", "[tcp][bbr]") {
  Bbr unknown{{.mss = kMss}};
  CHECK(unknown.cwnd() == 10 * kMss);
  CHECK(unknown.pacing_rate() == 27'700'000);  // a round trip of 1 ms
  Bbr known{{.mss = kMss, .rtt = 100ms}};
  CHECK(known.pacing_rate() == 277'000);
  unknown.on_ack({.acked_bytes = kMss, .delivered_bytes = kMss, .rtt = 50ms});  // the first sample
  CHECK(*unknown.pacing_rate() == Approx(2.77 * 10 * kMss / 0.05).epsilon(0.2));
}

TEST_CASE("BBR finds rate and delay of a path and fills it without a queue", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {.bytes_per_second = 1.25e6, .rtt = 40ms, .queue_bytes = 500'000}};
  model.run(3s);
  CHECK(in_probe_bw(bbr.state()));
  CHECK(bbr.model().max_bw() == Approx(1.25e6).epsilon(0.05));
  CHECK(*bbr.model().min_rtt() < 43ms);
  CHECK(*bbr.model().min_rtt() >= 40ms);
  (void)model.goodput();
  model.worst_delay = {};
  model.run(20s);
  CHECK(model.goodput() > 0.93 * 1.25e6);
  CHECK(model.worst_delay < 100ms);  // 2 BDP in flight at most, and what a probe adds
  CHECK(model.lost_segments == 0);

  tcp::Cubic cubic{{.mss = kMss, .hystart = false}};  // while a loss-based flow fills the queue
  PathModel other{cubic, model.path};
  other.run(20s);
  CHECK(other.worst_delay > 300ms);
}

TEST_CASE("BBR leaves the startup after three rounds without growth, and drains the queue", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {.bytes_per_second = 1.25e6, .rtt = 40ms, .queue_bytes = 500'000}};
  std::vector<State> states;
  bool drained = false;
  model.after_ack = [&] {
    if (states.empty() || states.back() != bbr.state()) states.push_back(bbr.state());
    if (in_probe_bw(bbr.state()) && !drained) {
      drained = true;
      CHECK(model.in_network() <= 51'000 + 3 * kMss);  // 1.25e6 * 0.04, and the rounding up to whole bursts
    }
  };
  model.run(2s);
  REQUIRE(states.size() >= 3);
  CHECK(states[0] == State::startup);
  CHECK(states[1] == State::drain);
  CHECK(states[2] == State::probe_bw_cruise);  // the queue is gone when it is drained: down is over at once
  CHECK(drained);
}

TEST_CASE("BBR goes round its cycle of probing", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {}};
  model.run(2s);
  std::set<State> seen;
  State last = bbr.state();
  int wrong = 0;
  model.after_ack = [&] {
    const State state = bbr.state();
    seen.insert(state);
    if (state == last) return;
    if (state == State::probe_bw_up && last != State::probe_bw_refill) ++wrong;
    if (state == State::probe_bw_refill && last != State::probe_bw_down && last != State::probe_bw_cruise) ++wrong;
    last = state;
  };
  model.run(12s);
  CHECK(wrong == 0);
  for (const State state : {State::probe_bw_down, State::probe_bw_cruise, State::probe_bw_refill, State::probe_bw_up}) {
    CHECK(seen.contains(state));
  }
}

TEST_CASE("BBR empties the queue to see the delay, for 200 ms at least", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {.rtt = 40ms}};
  std::optional<TimePoint> begin;
  std::optional<TimePoint> end;
  std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
  model.after_ack = [&] {
    if (bbr.state() == State::probe_rtt) {
      if (!begin) begin = model.now;
      least = std::min(least, bbr.cwnd());
    } else if (begin && !end) {
      end = model.now;
    }
  };
  model.path.rtt = 40ms;
  model.run(1s);
  model.path.rtt = 60ms;  // the delay of before is not seen any more
  model.run(15s);
  REQUIRE(begin);
  REQUIRE(end);
  CHECK(*begin - TimePoint{} > 5s);
  CHECK(*begin - TimePoint{} < 8s);
  CHECK(*end - *begin >= 200ms);
  CHECK(*end - *begin < 600ms);
  CHECK(least <= 40 * kMss);  // half of 1.25e6 * 0.06, and what was left of the estimate
  CHECK(least >= 4 * kMss);
  CHECK(*bbr.model().min_rtt() >= 60ms);  // ten seconds later the old delay is forgotten
}

TEST_CASE("what BBR measures while it looks at the delay does not lower the bandwidth", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {.bytes_per_second = 1.25e6, .rtt = 40ms}};
  model.run(1s);
  model.path.rtt = 60ms;
  model.run(3s);
  int wrong = 0;
  int looking = 0;
  double least = bbr.model().max_bw();
  REQUIRE(least == Approx(1.25e6).epsilon(0.01));
  model.after_ack = [&] {
    if (bbr.holds_back() != (bbr.state() == State::probe_rtt)) ++wrong;
    looking += bbr.holds_back() ? 1 : 0;
    least = std::min(least, bbr.model().max_bw());
  };
  model.run(2s);  // and the first rounds after it
  CHECK(looking > 0);
  CHECK_FALSE(bbr.holds_back());
  CHECK(wrong == 0);
  CHECK(least == Approx(1.25e6).epsilon(0.01));
}

TEST_CASE("BBR follows a path that gets faster or slower", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {.bytes_per_second = 1.25e6, .rtt = 20ms, .queue_bytes = 100'000}};
  model.run(5s);
  model.path.bytes_per_second = 2.5e6;
  model.run(10s);
  (void)model.goodput();
  model.run(5s);
  CHECK(model.goodput() > 0.9 * 2.5e6);
  model.path.bytes_per_second = 0.5e6;
  model.run(10s);
  (void)model.goodput();
  model.worst_delay = {};
  model.run(5s);
  CHECK(model.goodput() > 0.9 * 0.5e6);
  CHECK(bbr.model().max_bw() < 0.6e6);
}

TEST_CASE("a loss that is not congestion hardly slows BBR down", "[tcp][bbr]") {
  const auto goodput = [](tcp::CongestionControl& control) {
    PathModel model{control, {.bytes_per_second = 1.25e6, .rtt = 40ms, .loss = 0.01}};
    model.run(5s);
    (void)model.goodput();
    model.run(20s);
    return model.goodput();
  };
  Bbr bbr{{.mss = kMss}};
  CHECK(goodput(bbr) > 0.8 * 1.25e6);
  tcp::Cubic cubic{{.mss = kMss}};
  CHECK(goodput(cubic) < 0.6 * 1.25e6);
}

TEST_CASE("a short queue bounds what BBR has in flight", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {.bytes_per_second = 1.25e6, .rtt = 40ms, .queue_bytes = 5'000}};
  model.run(10s);
  CHECK(bbr.inflight_longterm() < 150'000);
  const auto lost = model.lost_segments;
  (void)model.goodput();
  model.run(20s);
  CHECK(model.goodput() > 0.75 * 1.25e6);
  CHECK(model.lost_segments - lost < 750);  // of 25,000: 3 %
}

namespace {
/// A BBR in the state wanted, on a path of 40 ms that loses nothing by itself.
struct Probing {
  explicit Probing(State wanted) {
    for (int i = 0; i < 100'000 && bbr.state() != wanted; ++i) model.run(1ms);
    REQUIRE(bbr.state() == wanted);
  }
  /// One segment of ten in flight is lost.
  void lose(std::uint32_t in_flight) {
    bbr.on_lost({.now = model.now,
                 .bytes = kMss,
                 .in_flight_at_send = in_flight,
                 .lost_bytes = in_flight / 10,
                 .total_delivered_bytes = bbr.model().delivered()});
  }
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {}};
};
}  // namespace

TEST_CASE("what is lost of a probe bounds BBR by what was in flight when it left", "[tcp][bbr]") {
  Probing probing{State::probe_bw_up};
  REQUIRE(probing.bbr.inflight_longterm() == tcp::BbrModel::kUnlimited);
  probing.lose(60 * kMss);
  // Of the burst before the lost segment 59 were in flight and 5 lost: 2 % of what fits may be (section 5.5.10.2), but no cut is deeper than to 70 %.
  CHECK(probing.bbr.inflight_longterm() >= 35 * kMss);
  CHECK(probing.bbr.inflight_longterm() < 60 * kMss);
  CHECK(probing.bbr.state() == State::probe_bw_down);
  const auto bound = probing.bbr.inflight_longterm();
  probing.lose(30 * kMss);  // one answer to one probe
  CHECK(probing.bbr.inflight_longterm() == bound);
}

TEST_CASE("losses while BBR does not probe lower no bound for long", "[tcp][bbr]") {
  Probing probing{State::probe_bw_cruise};
  const auto bound = probing.bbr.inflight_longterm();
  probing.lose(50 * kMss);
  CHECK(probing.bbr.inflight_longterm() == bound);
  probing.model.run(100ms);
  CHECK(probing.bbr.model().inflight_shortterm() != tcp::BbrModel::kUnlimited);
  while (probing.bbr.state() != State::probe_bw_refill) probing.model.run(1ms);
  CHECK(probing.bbr.model().inflight_shortterm() == tcp::BbrModel::kUnlimited);
}

TEST_CASE("after a probe that lost too much the next goes up to the bound alone, and then beyond", "[tcp][bbr]") {
  Probing probing{State::probe_bw_up};
  probing.lose(60 * kMss);
  const auto bound = probing.bbr.inflight_longterm();
  std::vector<State> states;
  std::uint64_t highest = 0;
  probing.model.after_ack = [&] {
    if (states.empty() || states.back() != probing.bbr.state()) states.push_back(probing.bbr.state());
    if (states.size() <= 4) highest = std::max(highest, probing.bbr.inflight_longterm());
  };
  for (int i = 0; i < 20'000 && std::ranges::count(states, State::probe_bw_up) < 2; ++i) probing.model.run(1ms);
  const auto up = std::ranges::find(states, State::probe_bw_up);
  REQUIRE(states.end() - up > 3);
  CHECK(up[1] == State::probe_bw_down);
  CHECK(up[2] == State::probe_bw_refill);  // it was safe: no cruise in between
  CHECK(up[3] == State::probe_bw_up);
  CHECK(highest <= bound + 2 * kMss);
  probing.model.run(1s);
  CHECK(probing.bbr.inflight_longterm() > bound);
}

TEST_CASE("losses that were none give BBR its probe back", "[tcp][bbr]") {
  Probing probing{State::probe_bw_up};
  probing.bbr.on_loss({.now = probing.model.now, .flight_size = 60 * kMss, .cause = tcp::Congestion::loss, .in_flight = 60 * kMss});
  probing.lose(60 * kMss);
  REQUIRE(probing.bbr.state() == State::probe_bw_down);
  probing.bbr.on_undo({.now = probing.model.now});
  CHECK(probing.bbr.state() == State::probe_bw_refill);
  CHECK(probing.bbr.inflight_longterm() == tcp::BbrModel::kUnlimited);
}

TEST_CASE("congestion marks bound BBR's rate for the time being", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {}};
  model.run(3s);
  while (bbr.state() != State::probe_bw_cruise) model.run(10ms);
  REQUIRE(bbr.model().inflight_shortterm() == tcp::BbrModel::kUnlimited);
  bbr.on_loss({.now = model.now, .flight_size = 50 * kMss, .cause = tcp::Congestion::ecn, .in_flight = 50 * kMss});
  model.run(100ms);
  CHECK(bbr.model().inflight_shortterm() < bbr.cwnd() * 2);
  CHECK(bbr.model().inflight_shortterm() != tcp::BbrModel::kUnlimited);
}

TEST_CASE("after a timeout BBR begins with one segment and comes back", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {}};
  model.run(3s);
  const auto before = bbr.cwnd();
  bbr.on_rto({.now = model.now, .flight_size = 50 * kMss});
  CHECK(bbr.cwnd() == kMss);
  Bbr undone = bbr;
  undone.on_undo({.now = model.now});
  CHECK(undone.cwnd() == before);
  model.run(1s);
  CHECK(bbr.cwnd() > before / 2);
}

TEST_CASE("recovery gives BBR's window back", "[tcp][bbr]") {
  Bbr bbr{{.mss = kMss}};
  PathModel model{bbr, {}};
  model.run(3s);
  const auto before = bbr.cwnd();
  bbr.on_loss({.now = model.now, .flight_size = 50 * kMss, .cause = tcp::Congestion::loss, .in_flight = 40 * kMss});
  CHECK(bbr.cwnd() == before);  // a recovery alone says nothing of the path
  bbr.on_rto({.now = model.now, .flight_size = 50 * kMss, .snd_nxt = tcp::SeqNum{5}});
  CHECK(bbr.cwnd() == kMss);
  bbr.on_ack({.now = model.now, .acked_bytes = kMss, .delivered_bytes = kMss, .snd_una = tcp::SeqNum{4}});
  CHECK(bbr.cwnd() < before / 2);
  bbr.on_ack({.now = model.now, .acked_bytes = kMss, .delivered_bytes = kMss, .snd_una = tcp::SeqNum{5}});
  CHECK(bbr.cwnd() >= before);
}

TEST_CASE("BBR takes over a connection's window", "[tcp][bbr]") {
  const Bbr bbr{{.mss = kMss, .cwnd = 77 * kMss, .rtt = 10ms}};
  CHECK(bbr.cwnd() == 77 * kMss);
  CHECK(bbr.pacing_rate());
}

TEST_CASE("BBR's window stays within its bounds whatever happens", "[tcp][bbr]") {
  sim::SeededRandom random{17};
  for (int run = 0; run < 50; ++run) {
    Bbr bbr{{.mss = kMss, .max_cwnd = 1'000'000}};
    TimePoint now{};
    std::uint64_t total = 0;
    for (int i = 0; i < 500; ++i) {
      const auto bytes = static_cast<std::uint32_t>(random.below(random.below(10) == 0 ? 0xffff'ffffU : 100'000U));
      now += Duration{static_cast<Duration::rep>(random.below(random.below(20) == 0 ? 60'000'000'000ULL : 10'000'000ULL))};
      total += bytes;
      switch (random.below(10)) {
        case 0:
          bbr.on_loss({.now = now, .flight_size = bytes, .cause = static_cast<tcp::Congestion>(random.below(3)), .in_flight = bytes});
          break;
        case 1: bbr.on_duplicate_ack({.now = now, .flight_size = bytes, .segments = bytes}); break;
        case 2: bbr.on_recovered({.now = now, .acked_bytes = bytes, .flight_size = bytes}); break;
        case 3: bbr.on_rto({.now = now, .flight_size = bytes, .first = random.below(2) == 0}); break;
        case 4: bbr.on_undo({.now = now}); break;
        case 6:
          bbr.on_lost({.now = now,
                       .bytes = bytes,
                       .in_flight_at_send = bytes,
                       .lost_bytes = bytes + random.below(bytes + 1ULL),
                       .total_delivered_bytes = total});
          break;
        case 5: bbr.on_idle({.now = now, .idle = 1s, .rto = 1s}); break;
        default:
          bbr.on_ack({.now = now,
                      .acked_bytes = bytes,
                      .delivered_bytes = bytes,
                      .lost_bytes = random.below(3) == 0 ? bytes : 0,
                      .in_flight = bytes,
                      .rtt = Duration{static_cast<Duration::rep>(random.below(1'000'000'000))},
                      .rate = tcp::RateSample{.delivered_bytes = bytes,
                                              .interval = Duration{1 + static_cast<Duration::rep>(random.below(1'000'000'000))},
                                              .prior_delivered_bytes = random.below(total + 1),
                                              .total_delivered_bytes = total,
                                              .in_flight_at_send = bytes,
                                              .lost_bytes = random.below(bytes + 1ULL),
                                              .app_limited = random.below(3) == 0}});
          break;
      }
      REQUIRE(bbr.cwnd() >= kMss);
      REQUIRE(bbr.cwnd() <= 1'000'000);
      REQUIRE(*bbr.pacing_rate() > 0);
    }
  }
}
