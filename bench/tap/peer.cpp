// tapir as the peer of Linux: 192.0.2.2 with discard on port 9 (copied to the application) and 11 (slices, not copied), a source on 19 (sent without a copy), echo on 7.
//   peer TAP [--plain] [--spin]
// SIGTERM: prints the frames of the device, the system calls and the allocations since kWarmUp after the first connection came, a word and a number a
// line.

#include <csignal>
#include <cstdio>
#include <string_view>

#include <tapir/tapir.hpp>

#include "../allocations.hpp"
#include "../system_calls.hpp"
#include "serving.hpp"

namespace {

using namespace tapir::literals;

/// What has been done since the steady state began: buffers have grown by then.
class Account {
 public:
  Account(tapir::Runtime& runtime, const tapir::link::Link& link)
      : timer_{tapir::Timer::calling<&Account::begin>(runtime.scheduler(), *this)}, link_{link} {}
  void connection_came() {
    if (!std::exchange(waiting_, true)) timer_.arm_after(kWarmUp);
  }
  void print() const {
    const Counts now = count();
    std::printf("frames %llu\nsystem_calls %llu\nallocations %llu\n", static_cast<unsigned long long>(now.frames - start_.frames),
                static_cast<unsigned long long>(now.system_calls - start_.system_calls),
                static_cast<unsigned long long>(now.allocations - start_.allocations));
  }

 private:
  static constexpr auto kWarmUp = std::chrono::milliseconds{500};
  struct Counts {
    std::uint64_t frames = 0, system_calls = 0, allocations = 0;
  };
  [[nodiscard]] Counts count() const {
    // Before the link is asked: its answer is a vector.
    Counts counts{.system_calls = tapir::bench::system_calls(), .allocations = tapir::bench::allocations()};
    for (const auto& counter : link_.counters()) {
      if (counter.name == "inFrames" || counter.name == "outFrames") counts.frames += counter.value;
    }
    return counts;
  }
  void begin() {
    start_ = count();
    ++start_.allocations;  // that vector
  }

  tapir::Timer timer_;
  const tapir::link::Link& link_;
  bool waiting_ = false;
  Counts start_;
};

int run(const char* name, tapir::link::TapMode mode, bool spin) {
  tapir::Runtime runtime{{.busy_poll = spin}};
  auto tap = tapir::link::Tap::open(name, {.mode = mode});
  if (!tap) return tapir::report(name, tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = "192.0.2.2/24"_prefix}};
  Account account{runtime, stack.link()};
  tapir::bench::Services services;
  if (const auto started = services.start(stack, runtime.pool(), [&account] { account.connection_came(); }); !started) {
    return tapir::report("peer", started.error());
  }
  if (const auto signals = runtime.stop_on_signals({SIGTERM}, 0); !signals) return tapir::report("peer", signals.error());
  std::puts("up");
  std::fflush(stdout);
  const int code = runtime.run();
  account.print();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  bool plain = false, spin = false;
  for (int i = 2; i < argc; ++i) {
    plain = plain || std::string_view{argv[i]} == "--plain";
    spin = spin || std::string_view{argv[i]} == "--spin";
  }
  if (argc < 2 || argc != 2 + (plain ? 1 : 0) + (spin ? 1 : 0)) {
    std::fputs("usage: peer TAP [--plain] [--spin]\n", stderr);
    return 2;
  }
  return run(argv[1], plain ? tapir::link::TapMode::plain : tapir::link::TapMode::offload, spin);
}
