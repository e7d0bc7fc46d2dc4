#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <tapir/core/packet.hpp>
#include <tapir/core/random.hpp>
#include <tapir/core/time.hpp>

namespace tapir::link {

/// What goes wrong on a line. Probabilities are in [0, 1] and are drawn independently for each frame; all zero is a perfect line.
struct FaultConfig {
  double loss = 0;         ///< the frame never arrives
  double duplication = 0;  ///< it arrives twice
  double corruption = 0;   ///< one of its bits is flipped
  double reordering = 0;   ///< it is held back by `reordering_delay`, so that later frames overtake it
  Duration reordering_delay = std::chrono::milliseconds{2};
  Duration delay{};   ///< added to every frame
  Duration jitter{};  ///< a random part of this is added as well; it never reorders
};

/// One arrival of a frame.
struct Arrival {
  Duration delay{};                        ///< after it would have arrived on a perfect line
  bool reordered = false;                  ///< others may overtake it
  std::optional<std::size_t> flipped_bit;  ///< counted from the first byte's most significant bit
};

/// What becomes of one frame: no arrival when it is lost, two when it is duplicated.
class Fate {
 public:
  void add(const Arrival& arrival) noexcept {
    if (count_ < arrivals_.size()) arrivals_[count_++] = arrival;
  }
  [[nodiscard]] std::span<const Arrival> arrivals() const& noexcept { return std::span{arrivals_}.first(count_); }
  std::span<const Arrival> arrivals() && = delete;  // it would look into a fate that is gone
  [[nodiscard]] bool lost() const noexcept { return count_ == 0; }

 private:
  std::array<Arrival, 2> arrivals_{};
  std::size_t count_ = 0;
};

/// Decides what becomes of each frame, from random numbers alone: the same numbers give the same decisions. Holds no frame and no clock.
/// `random` must outlive it. One thread.
class FaultModel {
 public:
  explicit FaultModel(Random& random, FaultConfig config = {}) noexcept : random_{&random}, config_{config} {}

  /// The fate of a frame of `size` bytes.
  [[nodiscard]] Fate decide(std::size_t size);

  [[nodiscard]] const FaultConfig& config() const noexcept { return config_; }
  void set_config(const FaultConfig& config) noexcept { config_ = config; }

 private:
  [[nodiscard]] bool happens(double probability) { return probability > 0 && random_->fraction() < probability; }
  [[nodiscard]] Arrival arrival(std::size_t size);

  Random* random_;
  FaultConfig config_;
};

/// Flips one bit of `frame`; bytes that others share are copied first. Does nothing beyond the frame's end.
void flip_bit(Packet& frame, std::size_t bit);

}  // namespace tapir::link
