#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>

#include "deadline.hpp"

namespace tapir::tcp {

/// In-order data that arrived, and what is known of the connection then.
struct DataArrival {
  TimePoint now{};
  std::uint32_t bytes = 0;
  std::uint32_t mss = 1;            ///< the peer's full segment, at least 1
  std::uint32_t window = 0;         ///< that the peer may still fill, in bytes
  Duration rto{};                   ///< our own retransmission timeout: how long a sender that lost something waits
  Duration srtt = Duration::max();  ///< the smoothed round-trip time; max(): nothing is known of it
};

/// When to acknowledge what was received (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2), with the heuristics that Linux has: segments that begin a
/// burst are acknowledged at once so that the sender's slow start is fast; a connection that answers what it gets waits, for the answer takes the
/// acknowledgment along; the wait follows the pace of the data. It holds no timer: deadline() tells when one is needed.
class DelayedAck {
 public:
  struct Config {
    Duration delay = std::chrono::milliseconds{40};       ///< the shortest; below 0.5 s (MUST-40); 0 acknowledges everything at once
    Duration max_delay = std::chrono::milliseconds{200};  ///< the longest; below 0.5 s
    std::uint32_t quick_acks = 0;  ///< acknowledgments without delay at the start and after a pause, at most; 0: none
  };

  DelayedAck() noexcept : DelayedAck{Config{}} {}
  explicit DelayedAck(const Config& config) noexcept;

  void on_data(const DataArrival& arrival) noexcept;
  /// Something must be answered without delay: out-of-order data, a gap filled, FIN, an unacceptable segment, a window that opened.
  void on_urgent() noexcept { now_ = true; }
  /// The next segments are acknowledged at once, and what is owed now; false: acknowledgments wait for data of ours, as in an exchange.
  void set_quick(bool on) noexcept {
    quick_left_ = on ? config_.quick_acks : 0;
    interactive_ = !on;
    if (on && deadline_) now_ = true;
  }
  /// Data of ours leaves: soon after data of the peer's it is the answer to it.
  void on_data_sent(TimePoint now) noexcept;
  /// Every segment with ACK acknowledges all.
  void on_ack_sent(TimePoint now) noexcept;

  /// An acknowledgment is owed, at once or later.
  [[nodiscard]] bool pending() const noexcept { return now_ || deadline_; }
  /// It must leave now.
  [[nodiscard]] bool due(TimePoint now) const noexcept { return now_ || deadline_.passed(now); }
  /// When it must leave at the latest; empty when none is owed or it is due at once.
  [[nodiscard]] Deadline deadline() const noexcept { return now_ ? Deadline{} : deadline_; }

 private:
  void be_quick(const DataArrival& arrival) noexcept;
  void follow_pace(const DataArrival& arrival) noexcept;
  [[nodiscard]] Duration wait(const DataArrival& arrival) const noexcept;

  Config config_;
  Duration pace_{};  ///< how long to wait for more, as the last data suggests
  Duration rto_{};
  std::optional<TimePoint> last_data_;
  std::uint32_t quick_left_ = 0;
  std::uint64_t unacknowledged_bytes_ = 0;
  Deadline deadline_;
  bool interactive_ = false;  ///< our data answers the peer's
  bool now_ = false;
};

}  // namespace tapir::tcp
