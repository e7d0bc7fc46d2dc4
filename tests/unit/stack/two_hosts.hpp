#pragma once

#include <optional>

#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::test {

/// Two hosts on a cable, 192.0.2.1 on the left and 192.0.2.2 on the right.
struct TwoHosts {
  explicit TwoHosts(StackConfig for_left = {}, StackConfig for_right = {}) : cable{world, {.delay = std::chrono::milliseconds{1}}} {
    for_left.address = Ipv4Prefix{left_address, 24};
    for_left.mac = MacAddress{{0x02, 0, 0, 0, 0, 1}};
    left.emplace(world, cable.left(), for_left);
    for_right.address = Ipv4Prefix{right_address, 24};
    for_right.mac = MacAddress{{0x02, 0, 0, 0, 0, 2}};
    right.emplace(world, cable.right(), for_right);
  }

  static constexpr Ipv4Address left_address{0xc0000201};
  static constexpr Ipv4Address right_address{0xc0000202};
  sim::World world;
  sim::Cable cable;
  std::optional<Stack> left;
  std::optional<Stack> right;
};

}  // namespace tapir::test
