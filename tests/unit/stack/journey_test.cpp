#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <tapir/stack/journey.hpp>

using namespace tapir;

TEST_CASE("the journey says that there is no slow-start threshold before the first loss", "[stack]") {
  std::vector<std::string> lines;
  Journey journey{[&](std::string_view line) { lines.emplace_back(line); }};
  journey.congested({TimePoint{}, "a > b", "ack", 14600, no_ssthresh});
  journey.congested({TimePoint{}, "a > b", "fast retransmit", 7300, 7300});
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].ends_with("cwnd 14600 ssthresh none yet"));
  CHECK(lines[1].ends_with("cwnd 7300 ssthresh 7300"));
}
