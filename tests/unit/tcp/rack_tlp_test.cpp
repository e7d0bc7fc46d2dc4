#include <catch2/catch.hpp>

#include <variant>

#include "tcp/rack_tlp.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tcp::SeqNum;
namespace rack = tcp::rack;

namespace {
TimePoint ms(std::int64_t count) { return TimePoint{} + count * 1ms; }
}  // namespace

TEST_CASE("a segment is lost when rtt and window have passed since it was sent", "[tcp][RFC8985-6.2-5]") {
  struct Row {
    std::int64_t now;
    std::int64_t sent;
    Duration rtt;
    Duration window;
    std::optional<Duration> waits;  ///< empty: lost
  };
  const Row row =
      GENERATE(Row{100, 0, 100ms, 0ms, {}}, Row{99, 0, 100ms, 0ms, 1ms}, Row{101, 0, 100ms, 0ms, {}}, Row{100, 0, 100ms, 25ms, 25ms},
               Row{124, 0, 100ms, 25ms, 1ms}, Row{125, 0, 100ms, 25ms, {}}, Row{10, 10, 1ms, 0ms, 1ms}, Row{10, 10, 0ms, 0ms, {}},
               Row{10'000, 9'000, 700ms, 300ms, {}}, Row{9'999, 9'000, 700ms, 300ms, 1ms});
  const auto verdict = rack::judge(ms(row.now), {.at = ms(row.sent), .end = SeqNum{1}}, row.rtt, row.window);
  CAPTURE(row.now, row.sent);
  if (row.waits) {
    REQUIRE(std::holds_alternative<rack::StillWaiting>(verdict));
    CHECK(std::get<rack::StillWaiting>(verdict).remaining == *row.waits);
  } else {
    CHECK(std::holds_alternative<rack::Lost>(verdict));
  }
}

TEST_CASE("segments are ordered by time, those of one moment by number", "[tcp][RFC8985-6.2-2]") {
  const SeqNum low{0xffff'fff0U};
  const SeqNum high{0x10U};  // beyond the wrap
  CHECK(rack::sent_after({ms(2), low}, {ms(1), high}));
  CHECK_FALSE(rack::sent_after({ms(1), high}, {ms(2), low}));
  CHECK(rack::sent_after({ms(1), high}, {ms(1), low}));
  CHECK_FALSE(rack::sent_after({ms(1), low}, {ms(1), high}));
  CHECK_FALSE(rack::sent_after({ms(1), low}, {ms(1), low}));
}

TEST_CASE("the reordering window", "[tcp][RFC8985-3.3.2-1][RFC8985-3.3.2-2][RFC8985-3.3.2-5][RFC8985-3.3.2-6]") {
  struct Row {
    rack::Reordering given;
    Duration window;
  };
  const auto with = [](bool seen, bool in_recovery, bool threshold, std::uint32_t multiplier = 1, Duration srtt = 50ms) {
    return rack::Reordering{seen, in_recovery, threshold, multiplier, 40ms, srtt};
  };
  const Row row = GENERATE_COPY(Row{with(false, false, false), 10ms},  // nothing known: a quarter of the shortest round trip
                                Row{with(false, true, false), 0ms},    // nothing reordered ever, and a loss is certain
                                Row{with(false, false, true), 0ms}, Row{with(true, true, true), 10ms}, Row{with(true, false, true), 10ms},
                                Row{with(true, false, false, 3), 30ms}, Row{with(true, false, false, 5), 50ms},
                                Row{with(true, false, false, 6), 50ms},  // SRTT is the bound
                                Row{with(true, false, false, 255, 45ms), 45ms});
  CHECK(rack::reordering_window(row.given) == row.window);
}

TEST_CASE("the probe timeout", "[tcp][RFC8985-7.2-2][RFC8985-7.2-3]") {
  CHECK(rack::probe_timeout(100ms, false, 200ms) == 200ms);
  CHECK(rack::probe_timeout(100ms, true, 200ms) == 400ms);
  CHECK(rack::probe_timeout({}, true, 200ms) == 1s);
  CHECK(rack::probe_timeout({}, false, 200ms) == 1s);
}
