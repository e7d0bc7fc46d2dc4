#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// HyStart as it was first described (Ha and Rhee, 2011), with the figures that Linux has: slow start is over as soon as the acknowledgments of a round trip
/// come in one train for half of the shortest round trip, or the round trips of one window are all well above the shortest. RFC 9406, which the Hystart class
/// has, waits and sees instead.
class AckTrain {
 public:
  static constexpr std::uint32_t kLeastWindow = 16;  ///< segments: below it nothing is judged
  static constexpr std::uint32_t kSamples = 8;
  static constexpr Duration kTrainGap = std::chrono::milliseconds{2};  ///< acknowledgments no farther apart are one train
  static constexpr Duration kLeastRise = std::chrono::milliseconds{4};
  static constexpr Duration kMostRise = std::chrono::milliseconds{16};

  struct Ack {
    TimePoint now{};
    SeqNum snd_una{};
    SeqNum snd_nxt{};
    std::uint32_t window = 0;  ///< segments
    Duration rtt{};
    Duration min_rtt{};
    bool paced = false;  ///< then a train may be as long as a round trip: it was sent so
  };

  /// An acknowledgment in slow start. Whether that is over.
  [[nodiscard]] bool on_ack(const Ack& ack) noexcept {
    if (!round_end_ || ack.snd_una > *round_end_) begin_round(ack);
    if (ack.window < kLeastWindow) return false;
    return train_is_long(ack) || delay_has_risen(ack);
  }

 private:
  void begin_round(const Ack& ack) noexcept {
    round_end_ = ack.snd_nxt;
    round_began_ = last_ack_ = ack.now;
    round_min_.reset();
    samples_ = 0;
  }
  [[nodiscard]] bool train_is_long(const Ack& ack) noexcept {
    if (ack.now - last_ack_ > kTrainGap) return false;
    last_ack_ = ack.now;
    return ack.now - round_began_ > (ack.paced ? ack.min_rtt : ack.min_rtt / 2);
  }
  [[nodiscard]] bool delay_has_risen(const Ack& ack) noexcept {
    round_min_ = round_min_ ? std::min(*round_min_, ack.rtt) : ack.rtt;
    if (samples_ < kSamples) {
      ++samples_;
      return false;
    }
    return *round_min_ > ack.min_rtt + std::clamp(ack.min_rtt / 8, kLeastRise, kMostRise);
  }

  std::optional<SeqNum> round_end_;
  TimePoint round_began_{};
  TimePoint last_ack_{};
  std::optional<Duration> round_min_;
  std::uint32_t samples_ = 0;
};

}  // namespace tapir::tcp
