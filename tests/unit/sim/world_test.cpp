#include <catch2/catch.hpp>

#include <support/lab.hpp>
#include <tapir/sim/world.hpp>

using namespace tapir;
using namespace std::chrono_literals;

namespace {

/// Counts how often it expires, and can arm itself again.
struct Alarm {
  explicit Alarm(Scheduler& scheduler) : timer{Timer::calling<&Alarm::expired>(scheduler, *this)}, scheduler_{scheduler} {}
  void expired() {
    at.push_back(scheduler_.now());
    if (period > 0ns) timer.arm_after(period);
  }
  Timer timer;
  Duration period{};
  std::vector<TimePoint> at;

 private:
  Scheduler& scheduler_;
};

/// Has `left` packets to send.
struct Backlog final : ReadySource {
  [[nodiscard]] Pulled pull() override {
    if (left == 0) return Pulled::drained;
    --left;
    return Pulled::more;
  }
  std::size_t left = 0;
};

/// A link with frames that wait to be drained.
class Waiting final : public link::Link {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "waiting"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&&) override { return {}; }
  [[nodiscard]] bool writable() const noexcept override { return true; }
  void attach(Demultiplexer<link::Received>*) noexcept override {}
  std::size_t drain(std::size_t budget) override {
    const std::size_t count = std::min(budget, frames);
    frames -= count;
    return count;
  }
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return fd; }

  std::size_t frames = 0;
  std::optional<int> fd;

 private:
  link::Capabilities capabilities_;
};

}  // namespace

TEST_CASE("the world jumps from event to event and arrives at the end exactly", "[sim]") {
  sim::World world{{.start = TimePoint{5s}}};
  CHECK(world.now() == TimePoint{5s});
  Alarm alarm{world.scheduler()};
  alarm.period = 400ms;
  alarm.timer.arm_after(1s);
  world.run_for(2s);
  CHECK(world.now() == TimePoint{7s});
  CHECK(alarm.at == std::vector<TimePoint>{TimePoint{6s}, TimePoint{6400ms}, TimePoint{6800ms}});
  world.run_for(200ms);
  CHECK(alarm.at.size() == 4);  // what is due at the very end has happened
  world.run_for(0ns);
  CHECK(world.now() == TimePoint{7200ms});
}

TEST_CASE("actions run at their moment, in order, and may add others", "[sim]") {
  sim::World world;
  std::vector<std::string> log;
  world.at(TimePoint{2s}, [&] { log.emplace_back("c"); });
  world.at(TimePoint{1s}, [&] {
    log.emplace_back("a");
    world.after(0ns, [&] { log.emplace_back("now"); });
    world.at(TimePoint{}, [&] { log.emplace_back("past"); });
    world.after(2s, [&] { log.emplace_back("d"); });
  });
  world.at(TimePoint{1s}, [&] { log.emplace_back("b"); });
  world.run_for(1s);
  CHECK(log == std::vector<std::string>{"a", "b", "now", "past"});
  world.run_for(5s);
  CHECK(log == std::vector<std::string>{"a", "b", "now", "past", "c", "d"});
}

TEST_CASE("run_until stops at the moment its condition holds", "[sim]") {
  sim::World world;
  int count = 0;
  for (int i = 1; i <= 5; ++i) world.after(i * 1s, [&] { ++count; });
  CHECK(world.run_until([&] { return count == 3; }, 10s));
  CHECK(world.now() == TimePoint{3s});
  CHECK(world.run_until([&] { return count == 3; }, 10s));  // it holds already: no time passes
  CHECK(world.now() == TimePoint{3s});
  CHECK_FALSE(world.run_until([&] { return count == 9; }, 1s));
  CHECK(world.now() == TimePoint{4s});
  CHECK_FALSE(world.run_until([] { return false; }, Duration::max()));
  CHECK(count == 5);
}

TEST_CASE("senders are pulled dry within the moment", "[sim]") {
  sim::World world;
  Backlog sender;
  sender.left = 5000;
  world.scheduler().make_ready(sender);
  world.run_for(0ns);
  CHECK(sender.left == 0);
  CHECK_FALSE(world.stuck_at());
}

TEST_CASE("a world that goes round without time passing is found stuck", "[sim]") {
  sim::World world{{.rounds_at_one_moment = 100}};
  world.after(1s, [] {});
  SECTION("actions that beget actions") {
    std::function<void()> again = [&] { world.after(0ns, again); };
    world.after(2s, again);
    world.run_for(10s);
  }
  SECTION("a sender that never ends") {
    Backlog sender;
    sender.left = ~std::size_t{0};
    world.after(2s, [&] { world.scheduler().make_ready(sender); });
    world.run_for(10s);
  }
  SECTION("a timer that arms itself at once") {
    struct Restless {
      explicit Restless(Scheduler& scheduler) : timer{Timer::calling<&Restless::expired>(scheduler, *this)} {}
      void expired() { timer.arm_after(0ns); }
      Timer timer;
    } restless{world.scheduler()};
    restless.timer.arm_after(2s);
    world.run_for(10s);
  }
  CHECK(world.stuck_at() == TimePoint{2s});
  CHECK(world.now() == TimePoint{2s});
  CHECK_FALSE(world.run_until([] { return false; }, 1s));
  CHECK(world.now() == TimePoint{2s});
}

TEST_CASE("one that is merely busy is not", "[sim]") {
  sim::World world{{.rounds_at_one_moment = 100}};
  int left = 90;
  std::function<void()> again = [&] {
    if (--left > 0) world.after(0ns, again);
  };
  world.after(2s, again);
  world.run_for(10s);
  CHECK(left == 0);
  CHECK_FALSE(world.stuck_at());
  CHECK(world.now() == TimePoint{10s});
}

TEST_CASE("watched links are drained until they are forgotten", "[sim]") {
  sim::World world;
  Waiting link;
  REQUIRE(world.watch(link));
  REQUIRE(world.watch(link));
  link.frames = 1000;
  world.run_for(0ns);
  CHECK(link.frames == 0);
  world.forget(link);
  link.frames = 1;
  world.run_for(1s);
  CHECK(link.frames == 1);

  Waiting device;
  device.fd = 0;
  const auto watched = world.watch(device);
  REQUIRE_FALSE(watched);
  CHECK(watched.error() == Error::not_supported);
}

TEST_CASE("a seed determines the world's random numbers", "[sim]") {
  sim::World one{{.seed = 7}};
  sim::World same{{.seed = 7}};
  sim::World other{{.seed = 8}};
  const auto first = one.random().next();
  CHECK(same.random().next() == first);
  CHECK(other.random().next() != first);
}

TEST_CASE("run() goes on until stop() and returns its code", "[sim]") {
  sim::World world;
  std::vector<std::string> log;
  world.after(1s, [&] { log.emplace_back("a"); });
  world.after(2s, [&] { world.stop(7); });
  world.after(3s, [&] { log.emplace_back("b"); });
  CHECK(world.run() == 7);
  CHECK(world.now() == TimePoint{2s});
  CHECK(log == std::vector<std::string>{"a"});
  CHECK_FALSE(world.stopping());

  world.stop();
  CHECK(world.stopping());
  CHECK_FALSE(world.run_until([] { return false; }, 10s));  // stop() is for run()
  CHECK(world.now() == TimePoint{2s});
  CHECK(world.run() == 0);
}

TEST_CASE("run() returns 1 when nothing is left that could happen", "[sim]") {
  sim::World world{{.rounds_at_one_moment = 100}};
  SECTION("no event") {
    bool done = false;
    world.after(1s, [&] { done = true; });
    CHECK(world.run() == 1);
    CHECK(done);
  }
  SECTION("no event but one that is put off for ever") {
    Alarm alarm{world.scheduler()};
    alarm.timer.arm_after(Duration::max());
    world.after(1s, [] {});
    CHECK(world.run() == 1);
    CHECK(alarm.at.empty());
    return;
  }
  SECTION("a moment without end") {
    std::function<void()> again = [&] { world.after(0ns, again); };
    world.after(1s, again);
    CHECK(world.run() == 1);
    CHECK(world.stuck_at() == TimePoint{1s});
  }
  CHECK(world.now() == TimePoint{1s});
}
