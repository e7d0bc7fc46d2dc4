#pragma once

#include <array>
#include <optional>
#include <vector>

#include <support/lab.hpp>
#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>

namespace tapir::test {

/// Notes what arrives at a link, and when.
struct Listener final : Demultiplexer<link::Received> {
  explicit Listener(sim::World& in) : world{in} {}
  Accepted demultiplex(Packet&& frame, const link::Received&) override {
    frames.push_back(frame.bytes());
    metas.push_back(frame.meta());
    times.push_back(world.now());
    if (heard) heard();
    return {};
  }
  sim::World& world;
  std::vector<Bytes> frames;
  std::vector<PacketMeta> metas;
  std::vector<TimePoint> times;
  std::function<void()> heard;
};

/// A packet with `bytes`, in the world's memory.
[[nodiscard]] inline Packet packet(sim::World& world, std::span<const std::byte> bytes) {
  Packet made{world.pool(), bytes.size()};
  made.append_copy(bytes);
  return made;
}

/// A frame of `size` bytes whose bytes 14-17 are `number`.
[[nodiscard]] inline Bytes numbered(std::uint32_t number, std::size_t size = 64) {
  Bytes frame(size);
  for (std::size_t i = 0; i < 4; ++i) frame[14 + i] = static_cast<std::byte>(number >> (8 * (3 - i)) & 0xffU);
  return frame;
}
[[nodiscard]] inline std::uint32_t number_of(const Bytes& frame) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8U | std::to_integer<std::uint32_t>(frame[14 + i]);
  return number;
}

/// A world with one cable and a listener at each end.
struct WirePair {
  explicit WirePair(const sim::CableConfig& config = {}, std::uint64_t seed = 1) : world{{.seed = seed}} {
    cable.emplace(world, config);
    left = cable->left();
    right = cable->right();
    left->attach(&at_left);
    right->attach(&at_right);
  }
  [[nodiscard]] std::vector<std::uint32_t> numbers_at_right() const {
    std::vector<std::uint32_t> numbers;
    for (const auto& frame : at_right.frames) numbers.push_back(number_of(frame));
    return numbers;
  }

  sim::World world;
  std::optional<sim::Cable> cable;
  Listener at_left{world};
  Listener at_right{world};
  std::unique_ptr<link::Link> left;
  std::unique_ptr<link::Link> right;
};

}  // namespace tapir::test
