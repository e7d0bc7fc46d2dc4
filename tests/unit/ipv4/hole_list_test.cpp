#include <catch2/catch.hpp>

#include <vector>

#include <tapir/ipv4/hole_list.hpp>

using tapir::ipv4::HoleList;
using Hole = HoleList::Hole;
using Fit = HoleList::Fit;

namespace {
std::vector<Hole> holes(const HoleList& list) { return {list.holes().begin(), list.holes().end()}; }
}  // namespace

TEST_CASE("a fresh list has one hole from 0 to infinity", "[ipv4][RFC815-3-1]") {
  const HoleList list;
  CHECK(holes(list) == std::vector{Hole{0, HoleList::infinity}});
  CHECK_FALSE(list.complete());
}

TEST_CASE("a fragment removes, shrinks or splits the holes that it overlaps and no other", "[ipv4][RFC815-3-2]") {
  HoleList list;
  list.fill(80, 160, false);  // in the middle: two holes
  CHECK(holes(list) == std::vector{Hole{0, 80}, Hole{160, HoleList::infinity}});
  list.fill(0, 40, false);  // at an edge: one
  CHECK(holes(list) == std::vector{Hole{40, 80}, Hole{160, HoleList::infinity}});
  list.fill(160, 200, false);
  CHECK(holes(list) == std::vector{Hole{40, 80}, Hole{200, HoleList::infinity}});
  list.fill(40, 80, false);  // exactly: none
  CHECK(holes(list) == std::vector{Hole{200, HoleList::infinity}});
  list.fill(0, 200, false);  // nothing was missing there
  CHECK(holes(list) == std::vector{Hole{200, HoleList::infinity}});
  list.fill(300, 400, false);
  list.fill(500, 600, false);
  list.fill(250, 550, false);  // over two holes at once
  CHECK(holes(list) == std::vector{Hole{200, 250}, Hole{600, HoleList::infinity}});
}

TEST_CASE("the last fragment leaves no hole behind itself", "[ipv4][RFC815-3-3][RFC815-3-4]") {
  HoleList list;
  list.fill(80, 100, true);
  CHECK(holes(list) == std::vector{Hole{0, 80}});
  CHECK_FALSE(list.complete());
  list.fill(0, 80, false);
  CHECK(list.complete());

  HoleList whole;
  whole.fill(0, 8, true);
  CHECK(whole.complete());
}

TEST_CASE("a range is missing, partly missing, or present", "[ipv4][RFC815-3-2]") {
  HoleList list;
  CHECK(list.fit(0, 8) == Fit::missing);
  list.fill(80, 160, false);
  CHECK(list.fit(80, 160) == Fit::present);
  CHECK(list.fit(88, 96) == Fit::present);
  CHECK(list.fit(72, 80) == Fit::missing);
  CHECK(list.fit(72, 88) == Fit::partly_missing);
  CHECK(list.fit(152, 168) == Fit::partly_missing);
  CHECK(list.fit(0, 1000) == Fit::partly_missing);
  CHECK(list.fit(160, 168) == Fit::missing);
}
