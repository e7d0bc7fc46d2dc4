#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include <tapir/core/scheduler.hpp>

using namespace tapir;
using namespace std::chrono_literals;

namespace {

struct Alarm {
  Alarm(Scheduler& scheduler, int number, std::vector<int>& log)
      : timer(Timer::calling<&Alarm::ring>(scheduler, *this)), number{number}, log{log} {}
  void ring() { log.push_back(number); }
  Timer timer;
  int number;
  std::vector<int>& log;
};

/// Moves time as a simulation does: from wake-up to wake-up.
void run_to(Scheduler& scheduler, TimePoint end) {
  while (const auto next = scheduler.next_wakeup()) {
    if (*next > end) break;
    scheduler.advance(*next);
  }
  scheduler.advance(end);
}

struct Source final : ReadySource {
  Source(std::vector<int>& log, int number, int packets) : log{log}, number{number}, packets{packets} {}
  Pulled pull() override {
    if (block) return Pulled::blocked;
    log.push_back(number);
    return --packets > 0 ? Pulled::more : Pulled::drained;
  }
  std::vector<int>& log;
  int number;
  int packets;
  bool block = false;
};

}  // namespace

TEST_CASE("timers expire at their deadline, never before, in order of deadline and arming", "[core]") {
  Scheduler scheduler;
  std::vector<int> log;
  Alarm a{scheduler, 1, log}, b{scheduler, 2, log}, c{scheduler, 3, log}, d{scheduler, 4, log};
  a.timer.arm_after(20min);
  b.timer.arm_after(1ms);
  c.timer.arm_after(1ms);
  d.timer.arm_after(999us);
  scheduler.advance(TimePoint{999us - 1ns});
  CHECK(log.empty());
  scheduler.advance(TimePoint{999us});
  CHECK(log == std::vector{4});
  scheduler.advance(TimePoint{1ms});
  CHECK(log == std::vector{4, 2, 3});
  scheduler.advance(TimePoint{20min - 1ns});
  CHECK(log.size() == 3);
  scheduler.advance(TimePoint{20min});
  CHECK(log.back() == 1);
  CHECK(scheduler.armed_timers() == 0);
}

TEST_CASE("a timer moved later or earlier expires once, at the new time", "[core]") {
  Scheduler scheduler;
  std::vector<int> log;
  Alarm a{scheduler, 1, log};
  a.timer.arm_after(1s);
  a.timer.arm_after(10s);
  run_to(scheduler, TimePoint{9999ms});
  CHECK(log.empty());
  a.timer.arm_after(100s);
  a.timer.arm_after(1ms);
  run_to(scheduler, TimePoint{10s});
  CHECK(log.size() == 1);
  run_to(scheduler, TimePoint{200s});
  CHECK(log.size() == 1);
  a.timer.arm_after(1s);
  a.timer.cancel();
  run_to(scheduler, TimePoint{300s});
  CHECK(log.size() == 1);
}

TEST_CASE("random arming, moving and cancelling agrees with a sorted list", "[core]") {
  std::mt19937_64 random{7};
  Scheduler scheduler;
  std::vector<int> log;
  std::vector<std::unique_ptr<Alarm>> alarms;
  struct Expected {
    TimePoint at;
    std::uint64_t order;
    int number;
  };
  std::vector<Expected> expected;
  std::uint64_t order = 0;
  for (int i = 0; i < 500; ++i) alarms.push_back(std::make_unique<Alarm>(scheduler, i, log));
  for (int i = 0; i < 5000; ++i) {
    const int number = static_cast<int>(random() % 500);
    std::erase_if(expected, [&](const Expected& e) { return e.number == number; });
    if (random() % 5 == 0) {
      alarms[static_cast<std::size_t>(number)]->timer.cancel();
      continue;
    }
    const TimePoint at{Duration{static_cast<Duration::rep>(random() >> (24 + random() % 30))}};
    alarms[static_cast<std::size_t>(number)]->timer.arm_at(at);
    expected.push_back({at, ++order, number});
  }
  std::sort(expected.begin(), expected.end(),
            [](const Expected& a, const Expected& b) { return std::pair{a.at, a.order} < std::pair{b.at, b.order}; });
  CHECK(scheduler.armed_timers() == expected.size());
  SECTION("in one leap") { scheduler.advance(TimePoint::max()); }
  SECTION("from wake-up to wake-up") { run_to(scheduler, TimePoint::max()); }
  REQUIRE(log.size() == expected.size());
  CHECK(std::equal(log.begin(), log.end(), expected.begin(), [](int number, const Expected& e) { return number == e.number; }));
}

TEST_CASE("an expiring timer may arm itself again and may destroy its owner", "[core]") {
  Scheduler scheduler;
  struct Repeating {
    explicit Repeating(Scheduler& scheduler) : timer(Timer::calling<&Repeating::ring>(scheduler, *this)) { timer.arm_after(1s); }
    void ring() {
      ++rings;
      timer.arm_after(1s);
    }
    Timer timer;
    int rings = 0;
  } repeating{scheduler};
  struct Suicidal {
    Suicidal(Scheduler& scheduler, std::unique_ptr<Suicidal>& self) : timer(Timer::calling<&Suicidal::ring>(scheduler, *this)), self{self} {
      timer.arm_after(2500ms);
    }
    void ring() { self.reset(); }
    Timer timer;
    std::unique_ptr<Suicidal>& self;
  };
  std::unique_ptr<Suicidal> suicidal;
  suicidal = std::make_unique<Suicidal>(scheduler, suicidal);
  run_to(scheduler, TimePoint{3s});
  CHECK(repeating.rings == 3);
  CHECK(suicidal == nullptr);
}

TEST_CASE("ready sources take turns, blocked ones wait for the link", "[core]") {
  Scheduler scheduler;
  std::vector<int> log;
  Source a{log, 1, 3}, b{log, 2, 1};
  scheduler.make_ready(a);
  scheduler.make_ready(b);
  scheduler.make_ready(a);
  CHECK_FALSE(scheduler.run_ready());
  CHECK(log == std::vector{1, 2, 1, 1});
  log.clear();
  a.packets = 1;
  a.block = true;
  scheduler.make_ready(a);
  CHECK_FALSE(scheduler.run_ready());
  CHECK(log.empty());
  a.block = false;
  CHECK_FALSE(scheduler.run_ready());
  CHECK(log.empty());
  scheduler.unblock();
  CHECK_FALSE(scheduler.run_ready());
  CHECK(log == std::vector{1});
  {
    Source gone{log, 9, 1};
    scheduler.make_ready(gone);
  }
  CHECK_FALSE(scheduler.run_ready());
  CHECK(log == std::vector{1});
}

TEST_CASE("the ready list keeps its budget", "[core]") {
  Scheduler scheduler;
  std::vector<int> log;
  Source a{log, 1, 10};
  scheduler.make_ready(a);
  CHECK(scheduler.run_ready(4));
  CHECK(log.size() == 4);
  CHECK_FALSE(scheduler.run_ready(100));
  CHECK(log.size() == 10);
}

TEST_CASE("a timer that arms itself at once expires once a turn, and lets the others expire", "[core]") {
  Scheduler scheduler;
  struct Restless {
    explicit Restless(Scheduler& scheduler) : timer{Timer::calling<&Restless::ring>(scheduler, *this)} {}
    void ring() {
      if (++rung < 1000) timer.arm_after(delay);
    }
    Timer timer;
    Duration delay{};
    int rung = 0;
  } restless{scheduler};
  std::vector<int> log;
  Alarm other{scheduler, 1, log};
  SECTION("with no delay") {}
  SECTION("with a negative one") { restless.delay = -1s; }
  restless.timer.arm_after(1s);
  other.timer.arm_after(1s);
  scheduler.advance(TimePoint{1s});
  CHECK(restless.rung == 1);
  CHECK(log == std::vector{1});
  for (int turn = 2; turn <= 5; ++turn) {
    CHECK(scheduler.next_wakeup() == TimePoint{1s});
    scheduler.advance(TimePoint{1s});
    CHECK(restless.rung == turn);
  }
  CHECK(scheduler.armed_timers() == 1);
  restless.timer.cancel();
  CHECK(scheduler.armed_timers() == 0);
  CHECK_FALSE(scheduler.next_wakeup());
  scheduler.advance(TimePoint{2s});
  CHECK(restless.rung == 5);
}

TEST_CASE("what is armed in a turn for that moment keeps the order of arming in the next", "[core]") {
  Scheduler scheduler;
  std::vector<int> log;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 20; ++i) alarms.push_back(std::make_unique<Alarm>(scheduler, i, log));
  struct Starter {
    void ring() {
      for (auto& alarm : alarms) alarm->timer.arm_after(0s);
      alarms[3]->timer.cancel();
      alarms[7].reset();
      alarms[9]->timer.arm_after(1s);  // moved out of the next turn
      alarms[5]->timer.arm_after(0s);  // moved behind the others
    }
    std::vector<std::unique_ptr<Alarm>>& alarms;
  } starter{alarms};
  Timer start = Timer::calling<&Starter::ring>(scheduler, starter);
  start.arm_after(1s);
  alarms[12]->timer.arm_after(1min);  // armed before, moved to now within the turn
  scheduler.advance(TimePoint{1s});
  CHECK(log.empty());
  scheduler.advance(TimePoint{1s});
  CHECK(log == std::vector{0, 1, 2, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 5});
  scheduler.advance(TimePoint{2s});
  CHECK(log.back() == 9);
  CHECK(scheduler.armed_timers() == 0);
}

TEST_CASE("a turn within a turn leaves the outer one its rule", "[core]") {
  Scheduler scheduler;
  struct Nested {
    explicit Nested(Scheduler& all) : scheduler{all}, timer{Timer::calling<&Nested::ring>(all, *this)} {}
    void ring() {
      if (++rung == 1) scheduler.advance(scheduler.now());
      if (rung < 100) timer.arm_after(0s);
    }
    Scheduler& scheduler;
    Timer timer;
    int rung = 0;
  } nested{scheduler};
  nested.timer.arm_after(1s);
  scheduler.advance(TimePoint{1s});
  CHECK(nested.rung == 1);
  scheduler.advance(TimePoint{1s});
  CHECK(nested.rung == 2);
}

TEST_CASE("the longest delay there is means never", "[core]") {
  Scheduler scheduler{TimePoint{1h}};
  std::vector<int> log;
  Alarm alarm{scheduler, 1, log};
  alarm.timer.arm_after(Duration::max());
  CHECK(alarm.timer.deadline() == TimePoint::max());
  scheduler.advance(TimePoint{std::chrono::hours{24} * 365 * 200});
  CHECK(log.empty());
  CHECK(alarm.timer.armed());
  CHECK(deadline_after(TimePoint{1h}, 1s) == TimePoint{1h + 1s});
  CHECK(deadline_after(TimePoint{-1h}, Duration::max()) == TimePoint{Duration::max() - 1h});
  CHECK(deadline_after(TimePoint{1h}, Duration::min()) == TimePoint{1h});
}
