// When the octets of a stream arrived.
#include <catch2/catch.hpp>

#include <chrono>
#include <optional>

#include "tcp/arrival_times.hpp"

#include "wire.hpp"

using namespace std::chrono_literals;
using tapir::TimePoint;
using tapir::tcp::ArrivalTimes;
using tapir::test::Conversation;

namespace {
TimePoint at(tapir::Duration time) { return TimePoint{time}; }
}  // namespace

TEST_CASE("each octet has the time of the segment that it came in", "[tcp][arrival]") {
  ArrivalTimes times;
  CHECK_FALSE(times.of(0));
  times.note(0, 10, at(1s));
  times.note(10, 20, at(2s));
  CHECK(times.of(0) == at(1s));
  CHECK(times.of(9) == at(1s));
  CHECK(times.of(10) == at(2s));
  CHECK(times.of(19) == at(2s));
  CHECK_FALSE(times.of(20));
  times.forget_before(10);
  CHECK_FALSE(times.of(9));
  CHECK(times.of(10) == at(2s));
}

TEST_CASE("octets that come out of order keep their times", "[tcp][arrival]") {
  ArrivalTimes times;
  times.note(20, 30, at(1s));
  times.note(40, 50, at(2s));
  times.note(0, 20, at(3s));
  times.note(30, 40, at(4s));
  CHECK(times.of(0) == at(3s));
  CHECK(times.of(25) == at(1s));
  CHECK(times.of(35) == at(4s));
  CHECK(times.of(45) == at(2s));
  SECTION("those that come again have come later") {
    times.note(25, 45, at(5s));
    CHECK(times.of(24) == at(1s));
    CHECK(times.of(25) == at(5s));
    CHECK(times.of(44) == at(5s));
    CHECK(times.of(45) == at(2s));
  }
  SECTION("within one segment") {
    times.note(22, 24, at(5s));
    CHECK(times.of(21) == at(1s));
    CHECK(times.of(23) == at(5s));
    CHECK(times.of(24) == at(1s));
  }
}

TEST_CASE("many small segments are told apart up to a bound", "[tcp][arrival]") {
  ArrivalTimes times;
  for (std::uint64_t i = 0; i < ArrivalTimes::kMost; ++i) times.note(i, i + 1, at(std::chrono::seconds{i}));
  times.note(ArrivalTimes::kMost, ArrivalTimes::kMost + 1, at(100'000s));
  CHECK(times.of(0) == at(0s));
  CHECK(times.of(ArrivalTimes::kMost - 2) == at(std::chrono::seconds{ArrivalTimes::kMost - 2}));
  CHECK(times.of(ArrivalTimes::kMost - 1) == at(100'000s));
  CHECK(times.of(ArrivalTimes::kMost) == at(100'000s));
}

TEST_CASE("a connection tells when what is to be read has come", "[tcp][arrival]") {
  Conversation talk{{.settings = {.time_arrivals = true}}};
  const TimePoint start = talk.lab.context.now();
  (void)talk.peer.say({.payload = "abc"});
  talk.advance(10ms);
  const auto gap = talk.peer.nxt;
  talk.peer.nxt = gap + 2;
  (void)talk.peer.say({.payload = "fg"});
  talk.advance(10ms);
  talk.peer.nxt = gap;
  CHECK(talk.connection.arrived_at(2) == start);
  CHECK_FALSE(talk.connection.arrived_at(3));
  (void)talk.peer.say({.payload = "de"});
  CHECK(talk.connection.arrived_at(2) == start);
  CHECK(talk.connection.arrived_at(3) == start + 20ms);
  CHECK(talk.connection.arrived_at(5) == start + 10ms);
  CHECK(talk.connection.discard(4) == 4);
  CHECK(talk.connection.arrived_at(0) == start + 20ms);
  CHECK(talk.connection.arrived_at(1) == start + 10ms);
  CHECK_FALSE(talk.connection.arrived_at(3));
  SECTION("no longer than it is asked to") {
    talk.connection.set_time_arrivals(false);
    CHECK_FALSE(talk.connection.arrived_at(0));
  }
}

TEST_CASE("a connection that was not asked knows nothing of times", "[tcp][arrival]") {
  Conversation talk;
  (void)talk.peer.say({.payload = "abc"});
  CHECK_FALSE(talk.connection.arrived_at(0));
  talk.connection.set_time_arrivals(true);
  talk.advance(10ms);
  (void)talk.peer.say({.payload = "def"});
  CHECK_FALSE(talk.connection.arrived_at(2));
  CHECK(talk.connection.arrived_at(3) == talk.lab.context.now());
}
