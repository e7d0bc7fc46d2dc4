#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>

namespace tapir::tcp {

/// Spreads segments over time (draft-ietf-ccwg-bbr section 5.6): says when the next one may leave, and how much in one piece.
class Pacer {
 public:
  static constexpr Duration kQuantum =
      std::chrono::milliseconds{1};                   ///< what leaves in one piece is at most what the rate gives in this time
  static constexpr std::uint32_t kMostBytes = 65536;  ///< of one piece

  Pacer() noexcept = default;
  /// As the queue discipline fq of Linux does it: the first `burst` bytes leave as they come, and a segment that is late makes up for up to half of its own
  /// time. 0: neither.
  explicit Pacer(std::uint32_t burst) noexcept : burst_left_{burst}, like_fq_{burst > 0} {}

  /// Bytes per second, positive; empty: no pacing.
  void set_rate(std::optional<std::uint64_t> rate) noexcept {
    rate_ = rate ? std::optional{std::max<std::uint64_t>(*rate, 1)} : std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint64_t> rate() const noexcept { return rate_; }
  /// Nothing leaves before.
  void hold(TimePoint until) noexcept { held_ = std::max(held_, until); }

  /// When the next segment may leave; in the past: now. A rate that has risen since the last one left shortens the wait, one that has fallen does not
  /// lengthen it.
  [[nodiscard]] TimePoint next() const noexcept { return rate_ ? std::max(due(), held_) : held_; }
  [[nodiscard]] bool may_send(TimePoint now) const noexcept { return next() <= now; }
  /// How many bytes may leave in one piece: two segments at least.
  [[nodiscard]] std::uint32_t quantum(std::uint32_t mss) const noexcept;
  /// `bytes` leave.
  void on_sent(std::uint32_t bytes, TimePoint now) noexcept;

 private:
  [[nodiscard]] Duration time_of(std::uint64_t bytes) const noexcept;
  [[nodiscard]] TimePoint due() const noexcept { return owed_ == 0 ? next_ : std::min(next_, began_ + time_of(owed_)); }

  std::optional<std::uint64_t> rate_;
  TimePoint next_ = TimePoint::min();   ///< by the rates that there were when the bytes left
  TimePoint began_ = TimePoint::min();  ///< from here on the present rate spreads ...
  std::uint64_t owed_ = 0;              ///< ... so many bytes: those sent since nothing had to wait
  TimePoint held_ = TimePoint::min();
  std::uint32_t burst_left_ = 0;
  bool like_fq_ = false;
};

}  // namespace tapir::tcp
