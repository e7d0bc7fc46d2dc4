#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <support/talker.hpp>
#include <tapir/link/capture.hpp>
#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::test {

inline constexpr Ipv4Address kLeftAddress{0xc0000201};   // 192.0.2.1
inline constexpr Ipv4Address kRightAddress{0xc0000202};  // 192.0.2.2

struct PairConfig {
  std::uint64_t seed = 1;
  sim::CableConfig cable = {.delay = std::chrono::microseconds{50}};
  StackConfig left = {};
  StackConfig right = {};
  std::vector<std::byte>* capture = nullptr;  ///< gets a pcapng of the left end
};

/// Two hosts, 192.0.2.1 and 192.0.2.2, on one cable in virtual time.
struct Pair {
  explicit Pair(PairConfig config = {}) : world{{.seed = config.seed}}, cable{world, config.cable} {
    std::unique_ptr<link::Link> end = cable.left();
    if (config.capture != nullptr) {
      end = std::make_unique<link::Capture>(std::move(end), world.scheduler(), std::make_unique<link::MemorySink>(*config.capture));
    }
    config.left.address = Ipv4Prefix{kLeftAddress, 24};
    config.right.address = Ipv4Prefix{kRightAddress, 24};
    left.emplace(world, std::move(end), config.left);
    right.emplace(world, cable.right(), config.right);
  }

  sim::World world;
  sim::Cable cable;
  std::optional<Stack> left;
  std::optional<Stack> right;
};

}  // namespace tapir::test
