#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// When to acknowledge what was received (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2). It holds no timer: deadline() tells when one is needed.
class DelayedAck {
 public:
  struct Config {
    Duration delay = std::chrono::milliseconds{40};  ///< below 0.5 s (MUST-40); 0 acknowledges everything at once
    std::uint32_t quick_acks = 0;  ///< segments acknowledged at once after the handshake, so that a slow start is not slowed
  };

  DelayedAck() noexcept : DelayedAck{Config{}} {}
  explicit DelayedAck(const Config& config) noexcept;

  /// In-order data arrived: `bytes` of it, in `segments` segments (a super-segment counts as the ones it was merged from). `mss` is the peer's full size.
  void on_data(TimePoint now, std::uint32_t bytes, std::uint32_t segments, std::uint32_t mss) noexcept;
  /// Something must be answered without delay: out-of-order data, a gap filled, FIN, an unacceptable segment, a window that opened.
  void on_urgent() noexcept { now_ = true; }
  /// The next segments are acknowledged at once, and what is owed now; false: as the configuration has it, after the quick ones.
  void set_quick(bool on) noexcept {
    quick_left_ = on ? kQuickSegments : 0;
    if (on && deadline_) now_ = true;
  }
  /// Every segment with ACK acknowledges all.
  void on_ack_sent() noexcept;

  /// An acknowledgment is owed, at once or later.
  [[nodiscard]] bool pending() const noexcept { return now_ || deadline_.has_value(); }
  /// It must leave now.
  [[nodiscard]] bool due(TimePoint now) const noexcept { return now_ || (deadline_ && *deadline_ <= now); }
  /// When it must leave at the latest; empty when none is owed or it is due at once.
  [[nodiscard]] std::optional<TimePoint> deadline() const noexcept { return now_ ? std::nullopt : deadline_; }

 private:
  static constexpr std::uint32_t kQuickSegments = 16;  ///< as many as Linux acknowledges at once after TCP_QUICKACK

  Config config_;
  std::uint32_t quick_left_;
  std::uint64_t unacknowledged_bytes_ = 0;
  std::optional<TimePoint> deadline_;
  bool now_ = false;
};

}  // namespace tapir::tcp
