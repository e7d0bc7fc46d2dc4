// What a packet costs among many connections: one stack, and a crowd of clients that takes no stack (crowd.hpp). Each connection carries a message and its
// answer, then some in random order do so again and again, which is measured.
//   million [CONNECTIONS [EXCHANGES]]      prints JSON, a line for each number of connections
// Under callgrind (--instr-atstart=no --collect-atstart=no) it writes what was counted for each number of connections into a file of its own.

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

#include "allocations.hpp"
#include "crowd.hpp"
#include "two_stacks.hpp"

namespace {

using namespace tapir;

/// The processor's time of this process: what else the machine does counts little.
std::chrono::nanoseconds processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

constexpr std::size_t kBatch = 100;  // questions that arrive together

class Service {
 public:
  explicit Service(std::size_t most) {
    connections_.reserve(most);
    order_.reserve(most);
    auto crowd = std::make_unique<bench::Crowd>(world_.pool(), Endpoint{bench::kServer, bench::kPort}, most);
    crowd_ = crowd.get();
    StackConfig config;
    config.address = Ipv4Prefix{bench::kServer, 24};
    config.gateway = bench::Crowd::gateway;
    config.tcp.max_connections = most;
    config.tcp.memory_limit = std::size_t{16} << 30U;
    stack_ = std::make_unique<Stack>(world_, std::move(crowd), config);
    bench::demand(stack_->status().has_value(), "the stack did not come up");
    auto listener = stack_->tcp().listen(bench::kPort, [this](tcp::Connection connection) { serve(std::move(connection)); },
                                         {.backlog = kBatch, .max_half_open = kBatch});
    bench::demand(listener.has_value(), "the server does not listen");
    listener_ = std::move(*listener);
    settle();  // the gratuitous ARP tells the crowd where the server is
  }

  /// Until so many are established, each of which has asked once and been answered.
  void grow(std::size_t count) {
    while (order_.size() < count) {
      const std::size_t begin = order_.size();
      const std::size_t end = std::min(count, begin + kBatch);
      for (std::size_t i = begin; i < end; ++i) {
        order_.push_back(static_cast<std::uint32_t>(i));
        crowd_->open(i);
      }
      settle();
      bench::demand(connections_.size() == end, "a connection did not open");
      ask(begin, end, [this] { pass(); });
    }
    std::ranges::shuffle(order_, std::minstd_rand{1});
    world_.run_for(std::chrono::seconds{10});  // all are quiet, as most of so many are: those that are asked next have to wake
  }

  struct Cost {
    std::uint64_t packets = 0;
    std::chrono::nanoseconds time{};
  };
  /// `exchanges` questions and answers, those of one batch with different connections.
  Cost exchange(std::size_t exchanges) {
    Cost cost;
    const std::uint64_t before = crowd_->frames();
    const auto measured = [this, &cost] {
      const auto began = processor_time();
      CALLGRIND_TOGGLE_COLLECT;
      pass();
      CALLGRIND_TOGGLE_COLLECT;
      cost.time += processor_time() - began;
    };
    for (std::size_t done = 0, at = 0; done < exchanges; done += kBatch, at += kBatch) {
      if (at + kBatch > order_.size()) at = 0;
      ask(at, at + kBatch, measured);
    }
    cost.packets = crowd_->frames() - before;
    return cost;
  }

 private:
  void serve(tcp::Connection connection) {
    const std::size_t index = connections_.size();
    connections_.push_back(std::move(connection));
    connections_.back().handle({.readable = [this, index] { answer(connections_[index]); }});
  }
  void answer(tcp::Connection& connection) {
    while (const auto count = connection.receive(message_)) {
      bench::demand(connection.send(std::span{message_}.first(*count)).has_value(), "answer");
    }
  }

  /// Questions of order_[begin, end); `step` lets the stack work.
  template <class Step>
  void ask(std::size_t begin, std::size_t end, Step step) {
    const std::uint64_t before = crowd_->answers();
    for (std::size_t i = begin; i < end; ++i) crowd_->ask(order_[i]);
    step();  // the questions
    crowd_->answer();
    step();  // the acknowledgments of the answers
    bench::demand(crowd_->answers() - before == end - begin, "a question was not answered");
  }
  void pass() { world_.run_for(std::chrono::microseconds{20}); }
  void settle() {
    for (unsigned i = 0; i < 3; ++i) {
      pass();
      crowd_->answer();
    }
    pass();
  }

  std::array<std::byte, bench::Crowd::message_size> message_{};
  sim::World world_;
  bench::Crowd* crowd_ = nullptr;
  std::vector<tcp::Connection> connections_;  // before the stack's end they would say farewell
  std::unique_ptr<Stack> stack_;
  tcp::Listener listener_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t most = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1'000'000;
  const std::size_t exchanges = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 200'000;
  if (most < kBatch || most > 1'000'000 || exchanges < kBatch) {
    std::fprintf(stderr, "usage: million [CONNECTIONS [EXCHANGES]]    %zu to 1000000 connections, at least %zu exchanges\n", kBatch,
                 kBatch);
    return 2;
  }
  Service service{most};
  const std::size_t memory_before = bench::heap_bytes();
  std::vector<std::size_t> steps{100, 10'000, most};
  std::erase_if(steps, [most](std::size_t step) { return step > most; });
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  for (const std::size_t count : steps) {
    service.grow(count);
    const double memory = static_cast<double>(bench::heap_bytes() - memory_before) / static_cast<double>(count);
    (void)service.exchange(std::min<std::size_t>(exchanges / 10, 10'000));
    CALLGRIND_START_INSTRUMENTATION;
    const auto cost = service.exchange(exchanges);
    CALLGRIND_DUMP_STATS_AT(std::to_string(count).c_str());
    CALLGRIND_STOP_INSTRUMENTATION;
    const auto nanoseconds = static_cast<double>(cost.time.count());
    std::printf(R"({"connections": %zu, "packets": %llu, "nanoseconds": %.0f, "bytes_a_connection": %.0f})"
                "\n",
                count, static_cast<unsigned long long>(cost.packets), nanoseconds / static_cast<double>(cost.packets), memory);
    std::fflush(stdout);
  }
  std::_Exit(0);  // a million farewells are not what is measured
}
