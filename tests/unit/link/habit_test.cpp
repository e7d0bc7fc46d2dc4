#include <catch2/catch.hpp>

#include <tapir/link/habit.hpp>

using tapir::link::Habit;

namespace {
/// How often in a thousand times it is worth asking, when the answer is always `yes`.
int asked(Habit& habit, bool yes) {
  int times = 0;
  for (int i = 0; i < 1000; ++i) {
    if (!habit.worth_asking()) continue;
    ++times;
    habit.learn(yes);
  }
  return times;
}
}  // namespace

TEST_CASE("what is mostly yes is asked always, and what is mostly no seldom", "[link]") {
  Habit habit;
  CHECK(asked(habit, true) == 1000);
  const int seldom = asked(habit, false);
  CHECK(seldom < 50);
  const int rarely = asked(habit, false);
  CHECK(rarely > 0);  // or it would never be known that things have changed
  CHECK(rarely < seldom);
  asked(habit, true);
  CHECK(asked(habit, true) == 1000);
}

TEST_CASE("a yes brings the next question about sooner", "[link]") {
  Habit never;
  asked(never, false);
  Habit once = never;
  const int rarely = asked(never, false);
  while (!once.worth_asking()) {}
  once.learn(true);
  CHECK(asked(once, false) > rarely);
}

TEST_CASE("one exception makes no habit", "[link]") {
  Habit habit;
  habit.learn(false);
  CHECK(habit.worth_asking());
  Habit other;
  asked(other, false);
  while (!other.worth_asking()) {}
  other.learn(true);
  CHECK(!other.worth_asking());
}
