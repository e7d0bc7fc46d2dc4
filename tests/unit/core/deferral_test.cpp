#include <catch2/catch.hpp>

#include <functional>
#include <stdexcept>
#include <string>

#include <tapir/core/scheduler.hpp>

using namespace tapir;

namespace {

struct Note final : Deferred {
  Note(std::string& log, char name) : log{log}, name{name} {}
  void run_deferred() noexcept override { log += name; }
  std::string& log;
  char name;
};

/// Writes its name at each pull, in which `then` runs.
struct Teller final : ReadySource {
  Teller(std::string& log, char name, std::function<void()> then) : log{log}, name{name}, then{std::move(then)} {}
  Pulled pull() override {
    log += name;
    then();
    return --pulls > 0 ? Pulled::more : Pulled::drained;
  }
  std::string& log;
  char name;
  std::function<void()> then;
  int pulls = 1;
};

struct Pulls {
  Scheduler scheduler;
  std::string log;
  Note note{log, '!'};
};

}  // namespace

TEST_CASE_METHOD(Pulls, "what a pull defers runs when it is over, and before the next one", "[core]") {
  Teller a{log, 'a', [&] {
             const Scheduler::Deferral deferral{scheduler};
             scheduler.defer(note);
             scheduler.defer(note);  // counts once
             log += 'x';
           }};
  Teller b{log, 'b', [] {}};
  SECTION("of two sources") {
    scheduler.make_ready(a);
    scheduler.make_ready(b);
    CHECK_FALSE(scheduler.run_ready());
    CHECK(log == "ax!b");
  }
  SECTION("of one that goes on") {
    a.pulls = 3;
    scheduler.make_ready(a);
    CHECK(scheduler.run_ready(2));
    CHECK(log == "ax!ax!");
    CHECK_FALSE(scheduler.run_ready());
    CHECK(log == "ax!ax!ax!");
  }
}

TEST_CASE_METHOD(Pulls, "all that was deferred runs", "[core]") {
  Note first{log, '1'}, second{log, '2'};
  Teller a{log, 'a', [&] {
             const Scheduler::Deferral deferral{scheduler};
             scheduler.defer(first);
             scheduler.defer(second);
           }};
  scheduler.make_ready(a);
  CHECK_FALSE(scheduler.run_ready());
  CHECK(log.size() == 3);
  CHECK(log.find('1') != std::string::npos);
  CHECK(log.find('2') != std::string::npos);
}

TEST_CASE_METHOD(Pulls, "a pull that throws leaves nothing deferred", "[core]") {
  Teller a{log, 'a', [&] {
             const Scheduler::Deferral deferral{scheduler};
             scheduler.defer(note);
             throw std::runtime_error{"no memory"};
           }};
  scheduler.make_ready(a);
  CHECK_THROWS_AS(scheduler.run_ready(), std::runtime_error);
  CHECK(log == "a!");
  CHECK_FALSE(scheduler.defers());
}

TEST_CASE_METHOD(Pulls, "it is deferred while a Deferral lives, and at no other time", "[core]") {
  CHECK_FALSE(scheduler.defers());
  {
    const Scheduler::Deferral deferral{scheduler};
    CHECK(scheduler.defers());
  }
  CHECK_FALSE(scheduler.defers());
}
