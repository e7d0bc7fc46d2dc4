#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>

/// What the publishers of this folder have in common: one measurement is COUNT messages of 64 bytes to a broker at 127.0.0.1, from the first
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

/// PORT QOS COUNT
[[nodiscard]] inline Order order_of(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s PORT QOS COUNT\n", argv[0]);
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
  /// Prints messages a second.
  void stop(long messages) const {
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start_;
    std::printf("%.0f\n", static_cast<double>(messages) / time.count());
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace tapir::bench
