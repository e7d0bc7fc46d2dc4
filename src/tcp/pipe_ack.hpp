#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// pipeACK of RFC 7661 section 4.2: how much of the path was in use lately, by what was acknowledged in one round trip. The largest sample of the sampling
/// period counts; there is none at the start and after a recovery.
class PipeAck {
 public:
  struct Acked {
    TimePoint now{};
    std::uint32_t bytes = 0;  ///< newly acknowledged in order
    SeqNum snd_una{};         ///< after that
    SeqNum snd_nxt{};
  };

  /// An acknowledgment outside of fast recovery. `period`: see sampling_period().
  void on_ack(const Acked& acked, Duration period) noexcept;
  /// Bytes; nullopt: undefined. 0 when nothing was acknowledged for a sampling period.
  [[nodiscard]] std::optional<std::uint32_t> value(TimePoint now, Duration period) const noexcept;
  /// When the last sample was taken; meaningful while value() is defined.
  [[nodiscard]] TimePoint last_sample_at() const noexcept { return last_sample_at_; }
  /// It becomes undefined.
  void forget() noexcept { *this = PipeAck{}; }

  /// Three round trips, a second at least.
  [[nodiscard]] static Duration sampling_period(std::optional<Duration> srtt) noexcept;

 private:
  struct Sample {
    TimePoint at{};
    std::uint32_t bytes = 0;
  };
  void take(const Sample& sample, Duration period) noexcept;

  std::array<Sample, 4> samples_{};  ///< the first `count_`, from the oldest to the latest: each is larger than those behind it
  std::uint32_t count_ = 0;
  bool defined_ = false;
  TimePoint last_sample_at_{};
  std::optional<SeqNum>
      round_end_;            ///< SND.NXT when the round trip began that is measured now; empty: it begins with the next acknowledgment
  std::uint32_t acked_ = 0;  ///< bytes acknowledged since
};

}  // namespace tapir::tcp
