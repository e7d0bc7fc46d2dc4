// Bytes of memory that a connection holds while nothing happens: fresh, after data has flowed and drained, with two handlers, and in TIME-WAIT; and what a
// handshake holds that nobody completes.
//   idle_memory [CONNECTIONS]
// Two stacks in one process; each connection has two ends, and the figure is for one. Fails when it is above what is promised.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "crowd.hpp"
#include "two_stacks.hpp"

namespace {

using namespace tapir;

/// Bytes a handshake, of so many SYNs to one listener that all stay without the ACK.
double half_open(std::size_t count) {
  constexpr std::size_t kAtOnce = 100;
  sim::World world;
  auto link = std::make_unique<bench::Crowd>(world.pool(), Endpoint{bench::kServer, bench::kPort}, count + kAtOnce);
  bench::Crowd& crowd = *link;
  StackConfig config;
  config.address = Ipv4Prefix{bench::kServer, 24};
  config.gateway = bench::Crowd::gateway;
  Stack stack{world, std::move(link), config};
  auto listener = stack.tcp().listen(bench::kPort, {}, {.max_half_open = count + kAtOnce});
  bench::demand(stack.status() && listener, "nobody listens");
  const auto knock = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) crowd.open(i);
    world.run_for(std::chrono::milliseconds{1});
    crowd.ignore();
    world.run_for(std::chrono::milliseconds{1});
    crowd.ignore();
  };
  knock(0, kAtOnce);  // what the packet pool and the crowd keep is there then
  knock(0, kAtOnce);
  const std::size_t before = bench::heap_bytes();
  for (std::size_t i = 0; i < count; i += kAtOnce) knock(kAtOnce + i, kAtOnce + std::min(count, i + kAtOnce));
  const std::size_t after = bench::heap_bytes();
  bench::demand(listener->half_open() == count + kAtOnce, "a handshake is missing");
  return (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(count);
}

}  // namespace

int main(int argc, char** argv) {
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
    const double bytes = (static_cast<double>(bench::heap_bytes()) - static_cast<double>(before)) / static_cast<double>(ends);
    std::printf("%-28s %8.0f bytes an end, at most %.0f\n", when, bytes, most);
    kept = kept && bytes <= most;
  };
  const auto move_data = [&](std::size_t i) {
    const std::size_t sent = called[i].send(chunk).value_or(0);
    bench::demand(sent > 0, "send");
    std::size_t received = 0;
    stacks.until([&] {
      while (const auto got = served[i].receive(into)) received += *got;
      return received == sent;
    });
  };
  // What the packet pool keeps is there already.
  called.push_back(stacks.connect());
  stacks.until([&] { return served.size() == 1; });
  move_data(0);
  called.clear();
  served.clear();
  stacks.world().run_for(std::chrono::minutes{10});
  const std::size_t before = bench::heap_bytes();
  for (std::size_t i = 0; i < count; ++i) {
    called.push_back(stacks.connect());
    if (i % 100 == 99) stacks.until([&] { return served.size() == called.size(); });
  }
  stacks.until([&] { return served.size() == count; });
  stacks.world().run_for(std::chrono::seconds{10});
  report("established", before, 2 * count, 320);
  // One after the other, so that what the packet pool keeps does not count as the connections'.
  for (std::size_t i = 0; i < count; ++i) move_data(i);
  stacks.world().run_for(std::chrono::seconds{10});
  report("after data", before, 2 * count, 320);
  // A few at a time, so that what queues keep does not count either.
  for (std::size_t i = 0; i < count; ++i) {
    for (tcp::Connection* end : {&served[i], &called[i]}) {
      end->handle({.readable = [end] { (void)end->unread(); }, .closed = [](std::error_code) {}});
    }
    stacks.world().run_for(std::chrono::milliseconds{1});
  }
  stacks.world().run_for(std::chrono::seconds{10});
  report("with two handlers", before, 2 * count, 480);
  for (std::size_t i = 0; i < count; ++i) {
    called[i] = {};  // closes first, and waits
    stacks.world().run_for(std::chrono::milliseconds{1});
    served[i] = {};
    stacks.world().run_for(std::chrono::milliseconds{1});
  }
  // What they give back when they are over. Their table's buckets stay: 16 bytes for each at most. What malloc() does not split of a piece that was something
  // else's before is counted.
  const std::size_t waiting = bench::heap_bytes();
  stacks.world().run_for(std::chrono::minutes{5});
  const std::size_t over = bench::heap_bytes();
  const double each = (static_cast<double>(waiting) - static_cast<double>(over)) / static_cast<double>(count);
  std::printf("%-28s %8.0f bytes an end, at most 88\n", "TIME-WAIT", each);
  kept = kept && each <= 88;
  const double handshake = half_open(count);
  std::printf("%-28s %8.0f bytes, at most 160\n", "half-open", handshake);
  kept = kept && handshake <= 160;
  return kept ? 0 : 1;
}
