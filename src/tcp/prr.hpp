#pragma once

#include <cstdint>

namespace tapir::tcp {

/// Proportional rate reduction (RFC 9937, which replaces RFC 6937): spreads the reduction of the window over the recovery, sending in the proportion in which
/// data is delivered, and never by more than slow start would while the flight is below the goal. All sizes in bytes.
class Prr {
 public:
  /// A recovery begins: its goal, and RecoverFS: what may be in the network when it does.
  void begin(std::uint32_t ssthresh, std::uint32_t recover_fs) noexcept {
    *this = {};
    active_ = true;
    ssthresh_ = ssthresh;
    recover_fs_ = recover_fs > 0 ? recover_fs : 1;
  }
  void end() noexcept { active_ = false; }
  [[nodiscard]] bool active() const noexcept { return active_; }

  /// Something is sent during the recovery.
  void on_sent(std::uint32_t bytes) noexcept { out_ += bytes; }

  /// An acknowledgment that begins the recovery or comes in it. `delivered`: DeliveredData; `in_flight`: after it; `safe`: it advanced SND.UNA and showed no
  /// further loss (SafeACK). Returns how much may be sent because of it.
  [[nodiscard]] std::uint32_t on_ack(std::uint32_t delivered, std::uint32_t in_flight, bool safe, std::uint32_t mss) noexcept;

  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  [[nodiscard]] std::uint64_t out() const noexcept { return out_; }
  [[nodiscard]] std::uint32_t recover_fs() const noexcept { return recover_fs_; }

 private:
  bool active_ = false;
  std::uint32_t ssthresh_ = 0;
  std::uint32_t recover_fs_ = 1;
  std::uint64_t delivered_ = 0;  ///< prr_delivered
  std::uint64_t out_ = 0;        ///< prr_out
};

}  // namespace tapir::tcp
