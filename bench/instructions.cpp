// One path through two stacks, to be run under callgrind by scripts/bench, which counts the instructions inside measured().
//   instructions bulk_super_segments|bulk_single_frames|request_response
// Prints how many frames crossed meanwhile.

#include <cstdio>
#include <string_view>

#include "paths.hpp"

/// What callgrind counts (--toggle-collect).
template <class Path, class Step>
[[gnu::noinline]] void measured(Path& path, Step step) {
  step(path);
  asm volatile("" ::: "memory");  // a tail call would leave the function before the work is done
}

namespace {

using namespace tapir;

template <class Path, class Step, class... Arguments>
int count(Step step, Arguments... arguments) {
  Path path{arguments...};
  step(path);  // buffers and windows grow to their size
  const std::uint64_t before = path.stacks().frames();
  measured(path, step);
  std::printf("%llu\n", static_cast<unsigned long long>(path.stacks().frames() - before));
  return 0;
}

int run(std::string_view name) {
  const auto move = [](bench::Bulk& path) { path.move(16 << 20); };
  if (name == "bulk_super_segments") return count<bench::Bulk>(move, bench::Frames::super_segments);
  if (name == "bulk_single_frames") return count<bench::Bulk>(move, bench::Frames::single);
  if (name == "request_response") {
    return count<bench::RequestResponse>([](bench::RequestResponse& path) { path.exchange(2000); });
  }
  std::fputs("usage: instructions bulk_super_segments|bulk_single_frames|request_response\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) { return run(argc == 2 ? argv[1] : ""); }
