#include <tapir/runtime/report.hpp>

#include <cstdio>

#include <fmt/format.h>

namespace tapir {

int report(std::string_view context, std::error_code error) {
  fmt::print(stderr, "{}: {}\n", context, error.message());
  return 1;
}

int report(std::error_code error) { return report("tapir", error); }

}  // namespace tapir
