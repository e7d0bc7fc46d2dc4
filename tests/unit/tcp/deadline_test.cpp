#include <catch2/catch.hpp>

#include <chrono>
#include <optional>

#include "tcp/deadline.hpp"

using namespace tapir;
using tcp::Deadline;
using namespace std::chrono_literals;

TEST_CASE("a deadline is none, a moment, or for ever", "[tcp]") {
  const TimePoint start{100s};
  Deadline deadline;
  CHECK_FALSE(deadline);
  CHECK_FALSE(deadline.passed(start));
  CHECK_FALSE(deadline.passed(TimePoint::max()));

  deadline = start + 1s;
  CHECK(deadline);
  CHECK(*deadline == start + 1s);
  CHECK_FALSE(deadline.passed(start + 999ms));
  CHECK(deadline.passed(start + 1s));

  deadline = TimePoint::max();
  CHECK(deadline);  // somebody waits
  CHECK_FALSE(deadline.passed(start + std::chrono::years{100}));
  CHECK(*deadline < *Deadline{});

  deadline.reset();
  CHECK(deadline == Deadline{});
  CHECK(Deadline{std::optional<TimePoint>{}} == Deadline{});
  CHECK(Deadline{std::optional{start}} == Deadline{start});
}
