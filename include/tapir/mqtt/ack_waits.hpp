#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tapir/core/time.hpp>
#include <tapir/mqtt/types.hpp>

namespace tapir::mqtt {

/// The packets of a connection that wait for an acknowledgment, in the order in which they were put into its output. The wait begins when
/// the transport's peer has the packet: one behind a long other one is not late.
class AckWaits {
 public:
  struct Wait {
    PacketId id;
    std::uint64_t order = 0;  ///< of the exchange: another step of it has another one
    std::uint64_t end = 0;    ///< the packet ends before this byte of the connection's output
    TimePoint since;
  };

  void clear() noexcept {
    waits_.clear();
    first_ = there_ = 0;
    bytes_ = 0;
    progress_ = {};
  }
  void add(const Wait& wait) { waits_.push_back(wait); }
  /// The peer has the first `bytes` of the output.
  void arrived(std::uint64_t bytes, TimePoint now) {
    if (bytes <= bytes_) return;
    bytes_ = bytes;
    progress_ = now;
    for (; there_ < waits_.size() && waits_[there_].end <= bytes; ++there_) waits_[there_].since = now;
  }
  /// Forgets those for which `is_over(id, order)`, perhaps not all of them at once. `open`: how many are not over at most.
  template <class F>
  void drop(std::size_t open, F is_over) {
    while (first_ < waits_.size() && is_over(waits_[first_].id, waits_[first_].order)) ++first_;
    if (first_ < waits_.size() && waits_.size() <= 2 * open + kSlack) return;
    std::erase_if(waits_, [&is_over](const Wait& wait) { return is_over(wait.id, wait.order); });
    first_ = 0;
    there_ = static_cast<std::size_t>(std::ranges::count_if(waits_, [this](const Wait& wait) { return wait.end <= bytes_; }));
  }
  /// How many are kept, those included that are over and not yet forgotten.
  [[nodiscard]] std::size_t size() const noexcept { return waits_.size(); }
  /// Since when the oldest one waits. While the peer does not have its packet, that is counted anew with every byte that moves.
  [[nodiscard]] std::optional<TimePoint> since() const noexcept {
    if (first_ == waits_.size()) return std::nullopt;
    const Wait& oldest = waits_[first_];
    return first_ < there_ ? oldest.since : std::max(oldest.since, progress_);
  }

 private:
  static constexpr std::size_t kSlack = 64;

  std::vector<Wait> waits_;
  std::size_t first_ = 0;    ///< those before are over
  std::size_t there_ = 0;    ///< those before have arrived
  std::uint64_t bytes_ = 0;  ///< that have arrived
  TimePoint progress_{};     ///< when bytes arrived last
};

}  // namespace tapir::mqtt
