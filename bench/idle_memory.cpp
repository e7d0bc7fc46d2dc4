// Bytes of memory that a connection holds while nothing happens: fresh, after data has flowed and drained, with two handlers, and in TIME-WAIT.
//   idle_memory [CONNECTIONS]
// Two stacks in one process; each connection has two ends, and the figure is for one. Fails when it is above what is promised.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "allocations.hpp"
#include "two_stacks.hpp"

int main(int argc, char** argv) {
  using namespace tapir;
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000;
  std::vector<tcp::Connection> served, called;
  served.reserve(count);
  called.reserve(count);
  std::vector<std::byte> chunk(100'000), into(100'000);
  const StackConfig config;
  bench::TwoStacks stacks{bench::Frames::super_segments, [&](tcp::Connection connection) { served.push_back(std::move(connection)); },
                          config};
  bool kept = true;
  const auto report = [&](const char* when, std::size_t before, std::size_t ends, double most) {
    const double bytes = (static_cast<double>(bench::heap().bytes) - static_cast<double>(before)) / static_cast<double>(ends);
    std::printf("%-28s %8.0f bytes an end, at most %.0f\n", when, bytes, most);
    kept = kept && bytes <= most;
  };
  const std::size_t before = bench::heap().bytes;
  for (std::size_t i = 0; i < count; ++i) {
    called.push_back(stacks.connect());
    if (i % 100 == 99) stacks.until([&] { return served.size() == called.size(); });
  }
  stacks.until([&] { return served.size() == count; });
  stacks.world().run_for(std::chrono::seconds{10});
  report("established", before, 2 * count, 320);
  // One after the other, so that what the packet pool keeps does not count as the connections'.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t sent = called[i].send(chunk).value_or(0);
    bench::demand(sent > 0, "send");
    std::size_t received = 0;
    stacks.until([&] {
      while (const auto got = served[i].receive(into)) received += *got;
      return received == sent;
    });
  }
  stacks.world().run_for(std::chrono::seconds{10});
  report("after data", before, 2 * count, 320);
  for (std::vector<tcp::Connection>* ends : {&served, &called}) {
    for (tcp::Connection& end : *ends) end.handle({.readable = [&end] { (void)end.unread(); }, .closed = [](std::error_code) {}});
  }
  stacks.world().run_for(std::chrono::seconds{10});
  report("with two handlers", before, 2 * count, 480);
  for (std::size_t i = 0; i < count; ++i) {
    called[i] = {};  // closes first, and waits
    stacks.world().run_for(std::chrono::milliseconds{1});
    served[i] = {};
    stacks.world().run_for(std::chrono::milliseconds{1});
  }
  report("TIME-WAIT", before, count, 100);
  return kept ? 0 : 1;
}
