#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <sys/resource.h>

/// What the publishers of this folder have in common: one measurement is COUNT messages of 64 bytes to a broker at 127.0.0.1 (by TAP: 192.0.2.1), from the first
/// publish until the last is acknowledged. At QoS 0 a message of QoS 1 follows the others, whose acknowledgment says that the broker has them
/// all. At QoS 1 and 2 twenty messages are in flight. MQTT 3.1.1, clean session.
namespace tapir::bench {

inline constexpr int kInFlight = 20;
inline constexpr const char* kTopic = "bench/room/temperature";
inline constexpr const char* kPayload = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
inline constexpr int kPayloadSize = 64;

struct Order {
  int port;
  int qos;
  long count;
};

/// PORT QOS COUNT; `more`: what the program takes besides, for its usage.
[[nodiscard]] inline Order order_of(int argc, char** argv, const char* more = "") {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s PORT QOS COUNT%s\n", argv[0], more);
    std::exit(2);
  }
  return {std::atoi(argv[1]), std::atoi(argv[2]), std::atol(argv[3])};
}

inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bench: %s failed\n", what);
  std::exit(1);
}

class Stopwatch {
 public:
  /// Prints messages a second, and the microseconds of processor time that one took in this process.
  void stop(long messages) const {
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start_;
    const auto count = static_cast<double>(messages);
    std::printf("%.0f %.3f\n", count / time.count(), (processor_time() - used_before_) * 1e6 / count);
  }

 private:
  /// s, of all threads, in the program and in the kernel.
  [[nodiscard]] static double processor_time() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }

  double used_before_ = processor_time();
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace tapir::bench
