#pragma once

#include <cstdint>
#include <optional>

#include "loss_based.hpp"

namespace tapir::tcp {

/// CUBIC (RFC 9438): the window is a cubic function of the time since the last congestion, with its plateau where that was met; never slower than Reno would be.
/// Names are the RFC's; windows are in segments, times in seconds, as its formulas want them.
class Cubic final : public LossBased {
 public:
  static constexpr double kBeta = 0.7;
  static constexpr double kC = 0.4;
  static constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);

  /// L = 8, with HyStart++ (RFC 9406 section 4.2).
  explicit Cubic(const CongestionParameters& parameters) noexcept : LossBased{parameters, true, 8} {}

  [[nodiscard]] std::string_view name() const noexcept override { return "cubic"; }
  [[nodiscard]] LossBased* copy_to(Room& room) const noexcept override { return LossBased::copy_to(room, *this); }

  [[nodiscard]] double w_max() const noexcept { return state_.w_max; }
  [[nodiscard]] double k() const noexcept { return state_.k; }
  [[nodiscard]] double w_est() const noexcept { return state_.w_est; }
  [[nodiscard]] double cwnd_prior() const noexcept { return state_.cwnd_prior; }

 private:
  struct State {
    double w_max = 0;       ///< W_max; 0: no congestion was met yet
    double cwnd_prior = 0;  ///< cwnd when ssthresh was last set
    double k = 0;           ///< seconds from the epoch's start to W_max
    double w_est = 0;       ///< what Reno's window would be
    double fraction = 0;    ///< bytes of growth less than one
    std::optional<TimePoint> epoch_start;
    bool after_timeout = false;  ///< the next epoch begins a plateau where it starts
  };

  [[nodiscard]] std::uint64_t reduced(std::uint32_t flight_size) const noexcept override;
  void avoid(const AckEvent& event, std::uint32_t acked_bytes) override;
  void congested(bool timeout) override;
  void slow_started() override;
  void save() override { former_ = state_; }
  void restore() override { state_ = former_; }
  void own_state(ImageTaker& image) override { each_of_own(image); }
  void own_state(ImageSetter& image) override { each_of_own(image); }
  template <class Visit>
  void each_of_own(Visit& visit) {
    const auto all = [&visit](auto&... parts) { (visit(parts), ...); };
    all(state_, former_, srtt_, grown_at_);
  }

  void begin_epoch(TimePoint now) noexcept;
  [[nodiscard]] double w_cubic(double seconds) const noexcept;
  [[nodiscard]] double segments() const noexcept { return static_cast<double>(cwnd()) / mss(); }
  void note_rtt(std::optional<Duration> rtt) noexcept;

  State state_;
  State former_;
  std::optional<Duration> srtt_;
  std::optional<TimePoint> grown_at_;  ///< the last acknowledgment that could have let the window grow
};

}  // namespace tapir::tcp
