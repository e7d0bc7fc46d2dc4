#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "goodput_table.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

const std::vector<Goodput>& results() {
  static const std::vector<Goodput> all = measure_goodput();
  return all;
}

double measured(std::string_view algorithm, const GoodputPath& path) {
  const auto found = std::ranges::find_if(results(), [&](const Goodput& each) { return each.algorithm == algorithm && each.path == path; });
  REQUIRE(found != results().end());
  return found->measured;
}

std::string committed_page() {
  std::ifstream file{TAPIR_GOODPUT_PAGE};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

TEST_CASE("docs/goodput.md has what the code gives", "[scenario][goodput]") {
  CHECK(committed_page() == goodput_page(results()));  // after a change on purpose: the target goodput_page
}

TEST_CASE("under loss each algorithm comes near its limit, and none beyond the line", "[scenario][goodput]") {
  for (const Goodput& result : results()) {
    INFO(result.algorithm << " at " << result.path.loss << " loss, " << result.path.round_trip.count() << " ns, " << result.path.rate
                          << " bit/s: " << result.measured << " of " << result.limit);
    CHECK(result.measured <= 1.01 * line_limit(result.path));  // chance may lose less than it should
    CHECK(result.share() < 1.3);
    if (result.algorithm == "bbr") {
      const double least = result.path.loss < 0.005 ? 0.9 : result.path.loss < 0.02 ? 0.6 : 0.03;
      CHECK(result.share() > least);
    } else {
      CHECK(result.share() > (result.path.loss < 0.02 ? 0.75 : 0.45));  // timeouts, which the formulas do not know
    }
  }
}

TEST_CASE("what the algorithms are for shows in their goodput", "[scenario][goodput]") {
  // BBR does not take a loss in a thousand, or in a hundred, for congestion.
  for (const double loss : {0.001, 0.01}) {
    const GoodputPath path{loss, 100ms, 100'000'000};
    CHECK(measured("bbr", path) > 0.8 * line_limit(path));
    CHECK(measured("bbr", path) > 10 * measured("cubic", path));
  }
  // More than its threshold it does.
  const GoodputPath lossy{0.05, 100ms, 100'000'000};
  CHECK(measured("bbr", lossy) < 0.2 * line_limit(lossy));
  // A tenth of the losses is worth three times the goodput to NewReno: one over the square root.
  const double ratio = measured("newreno", {0.001, 100ms, 100'000'000}) / measured("newreno", {0.01, 100ms, 100'000'000});
  CHECK(ratio > 2.5);
  CHECK(ratio < 4.5);
}
