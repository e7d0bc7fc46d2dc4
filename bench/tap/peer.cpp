// tapir as the peer of Linux: 192.0.2.2 with discard on port 9 (copied to the application), a source on 19 (sent without a copy), echo on 7.
//   peer TAP [--plain] [--spin]
// SIGTERM: prints the frames of the device, the system calls and the allocations since kWarmUp after the first connection came, a word and a number a
// line.

#include <array>
#include <csignal>
#include <cstdio>
#include <list>
#include <string_view>
#include <vector>

#include <tapir/tapir.hpp>

#include "../allocations.hpp"
#include "../system_calls.hpp"

namespace {

using namespace tapir::literals;

/// Where received data is copied to: one for all connections, as each is read at once and a buffer of its own would be most of what a short one costs.
std::vector<std::byte> application(1 << 18);

/// One connection. It removes itself from the list when it is over.
class Serving {
 public:
  Serving(tapir::tcp::Connection connection, tapir::PacketPool& pool) : connection_{std::move(connection)}, pool_{pool} {}
  void start(std::uint16_t port, std::function<void()> over) {
    connection_.set_nagle(false);
    connection_.handle({.readable = [this, port] { port == 7 ? echo() : discard(); },
                        .writable =
                            [this, port] {
                              if (port == 19) generate();
                            },
                        .closed = [over = std::move(over)](std::error_code) { over(); }});
    if (port == 19) generate();
  }

 private:
  void echo() {
    while (const auto count = connection_.receive(std::span{application}.first(1024))) {
      if (*count == 0) return connection_.close();
      (void)connection_.send(std::span{application}.first(*count));  // single bytes: there is room
    }
  }
  void discard() {
    while (const auto count = connection_.receive(application)) {
      if (*count == 0) return connection_.close();
    }
  }
  void generate() {
    if (chunk_.empty()) chunk_ = tapir::Slice{pool_.slab(tapir::PacketPool::super_capacity), 0, 65160};
    while (connection_.send(chunk_)) {}
  }

  tapir::tcp::Connection connection_;
  tapir::PacketPool& pool_;
  tapir::Slice chunk_;
};

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
    Counts counts{.system_calls = tapir::bench::system_calls(), .allocations = tapir::bench::heap().allocations};
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
  std::list<Serving> serving;
  std::vector<tapir::tcp::Listener> listeners;
  for (const std::uint16_t port : std::array<std::uint16_t, 3>{7, 9, 19}) {
    auto listener = stack.tcp().listen(tapir::Port{port}, [&, port](tapir::tcp::Connection connection) {
      const auto one = serving.emplace(serving.end(), std::move(connection), runtime.pool());
      one->start(port, [&serving, one] { serving.erase(one); });
      account.connection_came();
    });
    if (!listener) return tapir::report("peer", listener.error());
    listeners.push_back(std::move(*listener));
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
