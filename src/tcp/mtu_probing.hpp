#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/settings.hpp>

namespace tapir::tcp {

/// The search for the largest datagram that a path carries (RFC 4821): what is known to arrive, what is known not to, and the size that is being tried. It
/// knows no segment and no clock; sizes are those of datagrams in bytes. The names are the RFC's.
class MtuSearch {
 public:
  /// The handshake is over. `most`: no datagram is larger than what both ends take, whatever the path does.
  void begin(const MtuProbing& config, std::uint32_t most, TimePoint now) noexcept;
  /// The settings have changed.
  void change(const MtuProbing& config, TimePoint now) noexcept;

  /// eff_pmtu: the largest datagram to send, where the network layer would let `path` through.
  [[nodiscard]] std::uint32_t effective(std::uint32_t path) const noexcept { return searching_ ? std::min(path, search_low_) : path; }
  /// The size to try next, empty while there is nothing to find out. A search that ended long enough ago begins anew (section 7.3).
  [[nodiscard]] std::optional<std::uint32_t> next(const MtuProbing& config, std::uint32_t path, TimePoint now) noexcept;
  [[nodiscard]] std::optional<std::uint32_t> outstanding() const noexcept { return probe_size_; }

  void on_sent(std::uint32_t size) noexcept { probe_size_ = size; }
  /// Section 7.6.1: the probe has arrived.
  void on_arrived(TimePoint now) noexcept;
  /// Section 7.6.2: nothing but the probe was lost.
  void on_lost(TimePoint now) noexcept;
  /// Section 7.6.4: it cannot be told from other losses what became of the probe.
  void on_undecided() noexcept { probe_size_.reset(); }
  /// Section 7.7: full-sized segments vanish, and no router says why.
  void on_full_stop(const MtuProbing& config, std::uint32_t path, TimePoint now) noexcept;

 private:
  void start(const MtuProbing& config, TimePoint now) noexcept;

  bool searching_ = false;
  std::uint32_t most_ = 0;
  std::uint32_t search_low_ = 0;   ///< arrives
  std::uint32_t search_high_ = 0;  ///< what is larger does not
  std::optional<std::uint32_t> probe_size_;
  TimePoint news_at_{};  ///< when the search began, or learned something last
};

/// Whether every member is inside its documented range.
[[nodiscard]] constexpr bool in_range(const MtuProbing& config) noexcept {
  return config.mode <= MtuProbingMode::always && config.floor >= 68 && config.base >= config.floor && config.base <= 65535;
}

}  // namespace tapir::tcp
