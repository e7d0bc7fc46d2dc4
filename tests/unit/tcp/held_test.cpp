// What one thread holds and counts itself, and the queue of those with news, whose members may end at any time.

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <tapir/core/scheduler.hpp>

#include "tcp/event_queue.hpp"
#include "tcp/held.hpp"

using namespace tapir;
using tcp::Counted;
using tcp::EventQueue;
using tcp::Held;
using tcp::Notifier;

namespace {

struct Thing : Counted<Thing> {
  explicit Thing(int& count) : alive{count} { ++alive; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  ~Thing() { --alive; }
  int& alive;
};

/// Notes its turns, and does then what it was told to.
struct Teller final : Notifier {
  Teller(std::vector<int>& told, int own) : turns{told}, number{own} {}
  void dispatch() override {
    turns.push_back(number);
    if (then) std::exchange(then, nullptr)();
  }
  [[nodiscard]] bool waits() const { return is_queued(); }
  std::vector<int>& turns;
  int number;
  std::move_only_function<void()> then;
};

/// A queue, and those who may wait in it.
struct Waiting {
  Scheduler scheduler;
  std::vector<int> turns;
  Held<EventQueue> queue = Held<EventQueue>::of_new(new EventQueue{scheduler});
  Teller one{turns, 1};
  Teller two{turns, 2};
  Teller three{turns, 3};
};

}  // namespace

TEST_CASE("what is held lives as long as somebody holds it", "[tcp]") {
  int alive = 0;
  auto first = Held<Thing>::of_new(new Thing{alive});
  Held<Thing> second = first;
  Held<Thing> third{*first};
  CHECK(second.get() == first.get());
  first.reset();
  CHECK_FALSE(first);
  second = Held<Thing>{};
  CHECK(alive == 1);
  Held<Thing> moved = std::move(third);
  CHECK(alive == 1);
  moved = Held<Thing>::of_new(new Thing{alive});
  CHECK(alive == 1);
  moved = Held<Thing>{moved};
  CHECK(alive == 1);
  moved.reset();
  CHECK(alive == 0);
}

TEST_CASE("a variable may be held meanwhile, and ends as variables do", "[tcp]") {
  int alive = 0;
  {
    Thing thing{alive};
    const Held<Thing> held{thing};
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE_METHOD(Waiting, "those with news have their turn once, in order", "[tcp]") {
  for (Teller* each : {&two, &one, &two, &three}) queue->add(*each);
  CHECK(one.waits());
  scheduler.run_ready(10);
  CHECK(turns == std::vector{2, 1, 3});
  CHECK_FALSE(one.waits());
  queue->add(one);
  scheduler.run_ready(10);
  CHECK(turns == std::vector{2, 1, 3, 1});
}

TEST_CASE_METHOD(Waiting, "who ends before its turn has none", "[tcp]") {
  std::vector<std::unique_ptr<Teller>> tellers;
  for (int i = 0; i < 4; ++i) {
    tellers.push_back(std::make_unique<Teller>(turns, i));
    queue->add(*tellers.back());
  }
  tellers[0]->then = [&] {
    tellers[1].reset();
    tellers[3].reset();
  };
  scheduler.run_ready(10);
  CHECK(turns == std::vector{0, 2});
  Teller last{turns, 4};
  queue->add(last);
  scheduler.run_ready(10);
  CHECK(turns == std::vector{0, 2, 4});
}

TEST_CASE_METHOD(Waiting, "news that come in a turn wait for the next one", "[tcp]") {
  one.then = [&] {
    queue->add(one);
    queue->add(two);
  };
  queue->add(one);
  CHECK(queue->pull() == Pulled::more);
  CHECK(turns == std::vector{1});
  CHECK(queue->pull() == Pulled::drained);
  CHECK(turns == std::vector{1, 1, 2});
}

TEST_CASE_METHOD(Waiting, "news that come in a turn wait for the next one, also where one of those who waited ends", "[tcp]") {
  auto ends = std::make_unique<Teller>(turns, 2);
  Teller four{turns, 4};
  one.then = [&] {
    ends.reset();
    queue->add(four);
  };
  for (Teller* each : {&one, ends.get(), &three}) queue->add(*each);
  CHECK(queue->pull() == Pulled::more);
  CHECK(turns == std::vector{1, 3});
  CHECK(queue->pull() == Pulled::drained);
  CHECK(turns == std::vector{1, 3, 4});
}

TEST_CASE_METHOD(Waiting, "a turn within a turn tells those who waited for the outer one, and what comes in it waits", "[tcp]") {
  one.then = [&] { CHECK(queue->pull() == Pulled::more); };
  two.then = [&] { queue->add(three); };
  queue->add(one);
  queue->add(two);
  CHECK(queue->pull() == Pulled::more);
  CHECK(turns == std::vector{1, 2});
  CHECK(queue->pull() == Pulled::drained);
  CHECK(turns == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(Waiting, "one who throws takes nobody's turn", "[tcp]") {
  one.then = [] { throw std::runtime_error{"no"}; };
  queue->add(one);
  queue->add(two);
  CHECK_THROWS_AS(scheduler.run_ready(10), std::runtime_error);
  CHECK(turns == std::vector{1});
  scheduler.run_ready(10);
  CHECK(turns == std::vector{1, 2});
}

TEST_CASE_METHOD(Waiting, "a queue may end while others wait", "[tcp]") {
  queue->add(one);
  queue.reset();
  CHECK_FALSE(one.waits());
  scheduler.run_ready(10);
  CHECK(turns.empty());
}

TEST_CASE_METHOD(Waiting, "a queue that closes tells nobody any more, and may end before those who waited", "[tcp]") {
  queue->add(one);
  queue->close();
  CHECK_FALSE(one.waits());
  queue->add(two);
  CHECK_FALSE(two.waits());
  scheduler.run_ready(10);
  CHECK(turns.empty());
  queue.reset();
  scheduler.run_ready(10);
  CHECK(turns.empty());
}

TEST_CASE_METHOD(Waiting, "who has its turn may destroy the queue", "[tcp]") {
  one.then = [&] {
    queue->close();
    queue.reset();
  };
  queue->add(one);
  queue->add(two);
  scheduler.run_ready(10);
  CHECK(turns == std::vector{1});
  CHECK_FALSE(two.waits());
}
