#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/branch.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// Where TSval comes from: a clock of 1 ms ticks (RFC 7323 section 5.4) that starts somewhere else for every connection (section 7.1), so that it tells
/// nobody how long the host is up.
class TimestampClock {
 public:
  using Tick = std::chrono::milliseconds;

  /// `offset`: ticks; no outsider can guess it, and it is the same for every incarnation of a pair of endpoints, whose clock so never goes back.
  explicit constexpr TimestampClock(std::uint32_t offset) noexcept : offset_{offset} {}

  /// TSval of a segment that leaves now.
  [[nodiscard]] constexpr std::uint32_t value(TimePoint now) const noexcept {
    return offset_ + static_cast<std::uint32_t>(std::chrono::floor<Tick>(now.time_since_epoch()).count());
  }
  /// How long ago the segment left whose TSval comes back as `echo_reply`, to the tick. Empty for 0, which stacks send that have nothing to echo, and for
  /// a value that this clock has not shown yet.
  [[nodiscard]] constexpr std::optional<Duration> since(std::uint32_t echo_reply, TimePoint now) const noexcept {
    const auto ticks = static_cast<std::int32_t>(value(now) - echo_reply);
    if (unlikely(echo_reply == 0) || unlikely(ticks < 0)) return std::nullopt;
    return Tick{ticks};
  }
  /// The first moment at which the clock shows more than now.
  [[nodiscard]] static constexpr TimePoint end_of_tick(TimePoint now) noexcept { return std::chrono::floor<Tick>(now) + Tick{1}; }
  [[nodiscard]] constexpr std::uint32_t offset() const noexcept { return offset_; }

 private:
  std::uint32_t offset_;
};

/// TS.Recent and Last.ACK.sent: which TSval to echo (RFC 7323 section 4.3), and which ones are too old to be true (PAWS, section 5).
class RecentTimestamp {
 public:
  /// The peer's SYN carried `value`.
  constexpr void start(std::uint32_t value, TimePoint now) noexcept {
    value_ = value;
    taken_ = now;
  }
  /// An ACK for everything before `ack` leaves.
  constexpr void on_ack_sent(SeqNum ack) noexcept { last_ack_sent_ = ack; }
  /// Whether a segment that carries `value` comes from an earlier round of the sequence numbers (section 5.3 R1). After 24 days without news TS.Recent
  /// says nothing any more (section 5.5).
  [[nodiscard]] constexpr bool is_old(std::uint32_t value, TimePoint now) const noexcept {
    return static_cast<std::int32_t>(value - value_) < 0 && now - taken_ <= kLongestValid;
  }
  /// An acceptable segment (section 4.3 (2), 5.3 R3). A segment beyond what was acknowledged last is not the one that the next ACK answers first.
  constexpr void on_segment(SeqNum seq, std::uint32_t value, TimePoint now) noexcept {
    if (likely(seq <= last_ack_sent_) && likely(!is_old(value, now))) start(value, now);
  }
  /// TSecr of the next segment with ACK.
  [[nodiscard]] constexpr std::uint32_t value() const noexcept { return value_; }

 private:
  static constexpr Duration kLongestValid = std::chrono::days{24};

  std::uint32_t value_ = 0;
  SeqNum last_ack_sent_;
  TimePoint taken_{};
};

}  // namespace tapir::tcp
