#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "goodput_table.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

const std::vector<Goodput>& results() {
  static const std::vector<Goodput> all = measure_goodput();
  return all;
}

const Goodput& of(std::string_view algorithm, const GoodputPath& path) {
  const auto found = std::ranges::find_if(results(), [&](const Goodput& each) { return each.algorithm == algorithm && each.path == path; });
  REQUIRE(found != results().end());
  return *found;
}

std::string committed_page() {
  std::ifstream file{TAPIR_GOODPUT_PAGE};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

TEST_CASE("docs/goodput.md has what the code gives", "[scenario][goodput]") {
  CHECK(committed_page() == goodput_page(results()));  // after a change on purpose: scripts/goodput
}
