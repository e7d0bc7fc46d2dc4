// Two stacks in one process, no device between them: what TCP and everything below it cost. No rights are needed.

#include <benchmark/benchmark.h>

#include "allocations.hpp"
#include "paths.hpp"

namespace {

using namespace tapir;

/// Frames a second, and allocations a frame in steady state.
void count(benchmark::State& state, std::uint64_t frames, std::uint64_t allocations) {
  state.counters["frames"] = benchmark::Counter(static_cast<double>(frames), benchmark::Counter::kIsRate);
  state.counters["allocations/frame"] = static_cast<double>(allocations) / static_cast<double>(std::max<std::uint64_t>(frames, 1));
}

void bulk(benchmark::State& state, bench::Frames frames) {
  constexpr std::uint64_t kStep = 64 << 20;
  bench::Bulk path{frames};
  path.move(kStep);  // buffers and windows grow to their size
  const std::uint64_t before = path.stacks().frames();
  const std::uint64_t allocations_before = bench::allocations();
  for (auto _ : state) path.move(kStep);
  count(state, path.stacks().frames() - before, bench::allocations() - allocations_before);
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<std::uint64_t>(state.iterations()) * kStep));
  state.counters["Gbit/s"] =
      benchmark::Counter(static_cast<double>(static_cast<std::uint64_t>(state.iterations()) * kStep) * 8e-9, benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(bulk, super_segments, bench::Frames::super_segments)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bulk, single_frames, bench::Frames::single)->Unit(benchmark::kMillisecond);

template <class Path, void (Path::*Step)(std::uint64_t)>
void repeated(benchmark::State& state) {
  constexpr std::uint64_t kStep = 1000;
  Path path;
  (path.*Step)(kStep);
  const std::uint64_t before = path.stacks().frames();
  const std::uint64_t allocations_before = bench::allocations();
  for (auto _ : state) (path.*Step)(kStep);
  count(state, path.stacks().frames() - before, bench::allocations() - allocations_before);
  state.SetItemsProcessed(static_cast<std::int64_t>(static_cast<std::uint64_t>(state.iterations()) * kStep));
}
BENCHMARK(repeated<bench::RequestResponse, &bench::RequestResponse::exchange>)->Name("request_response");
BENCHMARK(repeated<bench::ShortConnections, &bench::ShortConnections::run>)->Name("connect_exchange_close");

}  // namespace

BENCHMARK_MAIN();
