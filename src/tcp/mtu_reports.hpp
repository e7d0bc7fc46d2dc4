#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <tapir/core/branch.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// What routers say of the path's MTU, held against what has arrived by it (RFC 5927 section 7.2). A report of less than that is not true of the path as it
/// was; it may be true now, and then what it quotes is not acknowledged. Sizes are payloads of segments in bytes.
class MtuReports {
 public:
  enum class Verdict : std::uint8_t { believed, held };
  /// What is kept of a report, for as long as it is held.
  struct Held {
    SeqNum sequence{};                ///< of the octet that it quotes
    std::uint16_t next_hop_mtu = 0;   ///< bytes, 0: not said
    std::uint16_t quoted_length = 0;  ///< bytes
  };

  /// New octets leave as one segment, or several of this size; the first of them ends before `end`.
  void on_sent(SeqNum end, std::uint32_t payload) noexcept {
    if (likely(payload <= largest_acked_) || trying_ > 0) return;
    trying_ = payload;
    trying_end_ = end;
  }
  void on_acked(SeqNum snd_una) noexcept {
    if (unlikely(trying_ > 0) && snd_una >= trying_end_) on_arrived(trying_);
    if (unlikely(held_.has_value()) && held_->sequence < snd_una) held_.reset();
  }
  /// A segment of that size is known to have arrived.
  void on_arrived(std::uint32_t payload) noexcept {
    largest_acked_ = std::max(largest_acked_, payload);
    trying_ = 0;
  }
  /// Segments carry no more than that from now on.
  void on_narrowed(std::uint32_t payload) noexcept {
    largest_acked_ = std::min(largest_acked_, payload);
    trying_ = 0;
  }

  /// About a router's word that segments carry no more than `claimed` (0: less than before), when the connection has waited for progress in vain `timeouts`
  /// times, and it takes `needed` of those.
  [[nodiscard]] Verdict judge(std::uint32_t claimed, std::uint32_t timeouts, std::uint32_t needed) const noexcept {
    return timeouts < needed && claimed < largest_acked_ ? Verdict::held : Verdict::believed;
  }
  void hold(const Held& report) noexcept { held_ = report; }
  [[nodiscard]] const std::optional<Held>& held() const noexcept { return held_; }
  void release() noexcept { held_.reset(); }

 private:
  std::uint32_t largest_acked_ = 0;  ///< maxsizeacked
  std::uint32_t trying_ = 0;         ///< a larger one is under way; 0: none
  SeqNum trying_end_{};
  std::optional<Held> held_;
};

}  // namespace tapir::tcp
