// Writes docs/goodput.md to the standard output.

#include <cstdio>

#include "goodput_table.hpp"

int main() {
  std::fputs(tapir::test::goodput_page(tapir::test::measure_goodput()).c_str(), stdout);
  return 0;
}
