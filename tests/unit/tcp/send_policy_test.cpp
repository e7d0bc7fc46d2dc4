#include <catch2/catch.hpp>

#include <tapir/sim/seeded_random.hpp>

#include "tcp/delayed_ack.hpp"
#include "tcp/send_policy.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tcp::DelayedAck;
using tcp::may_send;
using tcp::SendDecision;
using tcp::window_to_offer;

TEST_CASE("a full segment leaves whenever it fits", "[tcp]") {
  CHECK(may_send({.queued = 3000, .usable_window = 1460, .mss = 1460, .max_window = 8000}) == 1460);
  CHECK(may_send({.queued = 3000, .usable_window = 1460, .mss = 1460, .max_window = 8000, .outstanding = true}) == 1460);
  CHECK(may_send({.queued = 10 * 1460, .usable_window = 65535, .mss = 1460, .max_window = 65535, .outstanding = true}) == 10 * 1460);
  CHECK(may_send({.queued = 3000, .usable_window = 0, .mss = 1460, .max_window = 8000}) == 0);
  CHECK(may_send({.queued = 0, .usable_window = 8000, .mss = 1460, .max_window = 8000}) == 0);
}

TEST_CASE("a small segment waits while data is outstanding, unless Nagle is off", "[tcp]") {
  SendDecision small{.queued = 1, .usable_window = 8000, .mss = 1460, .max_window = 8000};
  CHECK(may_send(small) == 1);
  small.outstanding = true;
  CHECK(may_send(small) == 0);
  small.no_delay = true;
  CHECK(may_send(small) == 1);
  // The rest behind full segments is the case of data outstanding, too.
  SendDecision tail{.queued = 3000, .usable_window = 8000, .mss = 1460, .max_window = 8000};
  CHECK(may_send(tail) == 2920);
  tail.no_delay = true;
  CHECK(may_send(tail) == 3000);
}

TEST_CASE("pushed data that fits the usable window leaves", "[tcp]") {
  SendDecision pushed{.queued = 100, .usable_window = 200, .mss = 1460, .max_window = 8000};
  CHECK(may_send(pushed) == 100);
  pushed.pushed = false;
  CHECK(may_send(pushed) == 0);
  pushed.pushed = true;
  pushed.usable_window = 99;
  CHECK(may_send(pushed) == 0);
}

TEST_CASE("half of the largest window seen is worth a segment", "[tcp]") {
  SendDecision half{.queued = 5000, .usable_window = 500, .mss = 1460, .max_window = 1000};
  CHECK(may_send(half) == 500);
  half.usable_window = 499;
  CHECK(may_send(half) == 0);
  half.override_expired = true;
  CHECK(may_send(half) == 499);
  CHECK(may_send({.queued = 5000, .usable_window = 10, .mss = 1460, .max_window = 8000}) == 0);
  CHECK(may_send({.queued = 5000, .usable_window = 10, .mss = 1460, .max_window = 8000, .override_expired = true}) == 10);
}

TEST_CASE("what may be sent never exceeds queue or window, and the override never sends less", "[tcp]") {
  sim::SeededRandom random{1};
  for (int i = 0; i < 20000; ++i) {
    SendDecision d{.queued = static_cast<std::uint32_t>(random.below(5000)),
                   .usable_window = static_cast<std::uint32_t>(random.below(5000)),
                   .mss = static_cast<std::uint32_t>(1 + random.below(1500)),
                   .max_window = static_cast<std::uint32_t>(random.below(5000)),
                   .outstanding = random.below(2) == 0,
                   .pushed = random.below(2) == 0,
                   .no_delay = random.below(2) == 0};
    const auto now = may_send(d);
    CHECK(now <= std::min(d.queued, d.usable_window));
    CHECK(now >= std::min(d.queued, d.usable_window) / d.mss * d.mss);
    d.override_expired = true;
    CHECK(may_send(d) == std::min(d.queued, d.usable_window));
  }
}

TEST_CASE("the window opens in steps worth a segment", "[tcp]") {
  CHECK(window_to_offer({.buffer = 4000, .room = 1459, .current_window = 0, .mss = 1460}) == 0);
  CHECK(window_to_offer({.buffer = 4000, .room = 1460, .current_window = 0, .mss = 1460}) == 1460);
  CHECK(window_to_offer({.buffer = 2000, .room = 999, .current_window = 0, .mss = 1460}) == 0);
  CHECK(window_to_offer({.buffer = 2000, .room = 1000, .current_window = 0, .mss = 1460}) == 1000);
  CHECK(window_to_offer({.buffer = 4000, .room = 3000, .current_window = 2000, .mss = 1460}) == 2000);
  CHECK(window_to_offer({.buffer = 4000, .room = 3460, .current_window = 2000, .mss = 1460}) == 3460);
}

TEST_CASE("the right window edge never moves left", "[tcp]") {
  CHECK(window_to_offer({.buffer = 1000, .room = 100, .current_window = 4000, .mss = 1460}) == 4000);
  sim::SeededRandom random{2};
  for (int i = 0; i < 5000; ++i) {
    const tcp::WindowDecision d{.buffer = static_cast<std::uint32_t>(random.below(10000)),
                                .room = static_cast<std::uint32_t>(random.below(10000)),
                                .current_window = static_cast<std::uint32_t>(random.below(10000)),
                                .mss = static_cast<std::uint32_t>(random.below(1500))};
    const auto offered = window_to_offer(d);
    CHECK(offered >= d.current_window);
    CHECK((offered == d.current_window || offered == d.room));
  }
}

TEST_CASE("a single segment is acknowledged after the delay, two full ones at once", "[tcp]") {
  const TimePoint start{};
  DelayedAck ack{{.delay = 40ms}};
  CHECK_FALSE(ack.pending());
  ack.on_data({.now = start, .bytes = 1460, .mss = 1460});
  CHECK(ack.pending());
  CHECK_FALSE(ack.due(start));
  CHECK(ack.deadline() == start + 40ms);
  CHECK_FALSE(ack.due(start + 39ms));
  CHECK(ack.due(start + 40ms));
  ack.on_data({.now = start + 10ms, .bytes = 1460, .mss = 1460});
  CHECK(ack.due(start + 10ms));
  CHECK_FALSE(ack.deadline());
  ack.on_ack_sent(TimePoint{});
  CHECK_FALSE(ack.pending());
  CHECK_FALSE(ack.due(start + 1h));
  // A super-segment is several.
  ack.on_data({.now = start, .bytes = 2 * 1460, .mss = 1460});
  CHECK(ack.due(start));
}

TEST_CASE("many small segments are acknowledged by their bytes", "[tcp]") {
  const TimePoint start{};
  DelayedAck ack{{.delay = 40ms}};
  for (int i = 0; i < 29; ++i) ack.on_data({.now = start + i * 1ms, .bytes = 100, .mss = 1460});
  CHECK_FALSE(ack.due(start + 28ms));
  CHECK(ack.deadline() == start + 40ms);  // of the first segment that waits
  ack.on_data({.now = start + 29ms, .bytes = 100, .mss = 1460});
  CHECK(ack.due(start + 29ms));
}

TEST_CASE("the delay is below half a second whatever is configured", "[tcp]") {
  DelayedAck ack{{.delay = 10s}};
  ack.on_data({.now = TimePoint{}, .bytes = 1, .mss = 1460});
  CHECK(*ack.deadline() < TimePoint{} + 500ms);
  DelayedAck none{{.delay = 0ms}};
  none.on_data({.now = TimePoint{}, .bytes = 1, .mss = 1460});
  CHECK(none.due(TimePoint{}));
  DelayedAck quick{{.quick_acks = 2}};
  for (int i = 0; i < 2; ++i) {
    quick.on_data({.now = TimePoint{}, .bytes = 1, .mss = 1460});
    CHECK(quick.due(TimePoint{}));
    quick.on_ack_sent(TimePoint{});
  }
  quick.on_data({.now = TimePoint{}, .bytes = 1, .mss = 1460});
  CHECK_FALSE(quick.due(TimePoint{}));
}

TEST_CASE("what is urgent is acknowledged at once", "[tcp]") {
  DelayedAck ack;
  ack.on_urgent();
  CHECK(ack.due(TimePoint{}));
  ack.on_ack_sent(TimePoint{});
  CHECK_FALSE(ack.pending());
}

TEST_CASE("Minshall's variant: only a small segment that is outstanding holds a small one back", "[tcp]") {
  // RFC 9293 appendix A.3. Whether one is outstanding is for the caller to say.
  SendDecision tail{.queued = 3000, .usable_window = 8000, .mss = 1460, .max_window = 8000, .minshall = true};
  CHECK(may_send(tail) == 3000);  // behind full segments that leave now
  tail.outstanding = true;
  CHECK(may_send(tail) == 2920);
  tail.minshall = false;
  tail.outstanding = false;
  CHECK(may_send(tail) == 2920);
}
