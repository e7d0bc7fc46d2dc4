#pragma once

#include <cstdint>
#include <optional>

#include "ack_train.hpp"
#include "loss_based.hpp"

namespace tapir::tcp {

/// CUBIC as Linux reckons it: in whole segments, with a count of acknowledged segments for each by which the window grows, that is worked out anew only every
/// so often; with the first HyStart. The function is that of RFC 9438, the rounding is not, so that the window is another one for a while: for programs and
/// tests that were made for Linux' figures.
class SegmentCubic final : public LossBased {
 public:
  explicit SegmentCubic(const CongestionParameters& parameters) noexcept
      : LossBased{parameters, false, 8}, watched_{parameters.hystart && !parameters.cwnd}, paced_{parameters.paced} {
    watch_segments();
  }

  [[nodiscard]] std::string_view name() const noexcept override { return "cubic"; }
  [[nodiscard]] LossBased* copy_to(Room& room) const noexcept override { return LossBased::copy_to(room, *this); }

 private:
  [[nodiscard]] std::uint64_t reduced(std::uint32_t flight_size) const noexcept override;
  void avoid(const AckEvent& event, std::uint32_t acked_bytes) override;
  void congested(bool timeout) override;
  [[nodiscard]] bool slow_start_over(const AckEvent& event) override;
  void resumed(TimePoint now, Duration idle) override;
  void own_state(ImageTaker& image) override { each_of_own(image); }
  void own_state(ImageSetter& image) override { each_of_own(image); }
  template <class Visit>
  void each_of_own(Visit& visit) {
    const auto all = [&visit](auto&... parts) { (visit(parts), ...); };
    all(w_max_, origin_, k_, reno_, reno_acked_, acks_wanted_, acked_, acked_rest_, updated_window_, updated_at_, epoch_start_);
    all(resumed_at_, min_rtt_, train_, watched_, paced_);
  }

  void begin_epoch(TimePoint now, std::uint32_t window, std::uint32_t acked) noexcept;
  void update(TimePoint now, std::uint32_t acked) noexcept;
  [[nodiscard]] std::uint32_t acks_for_target(TimePoint now) const noexcept;
  [[nodiscard]] std::uint32_t segments() const noexcept { return cwnd() / mss(); }

  // Windows in segments.
  std::uint32_t w_max_ = 0;   ///< 0: no congestion was met yet, or a timeout has made it void
  std::uint32_t origin_ = 0;  ///< where the plateau lies
  double k_ = 0;              ///< seconds from the epoch's start to it
  std::uint32_t reno_ = 0;    ///< what Reno's window would be
  std::uint32_t reno_acked_ = 0;
  std::uint32_t acks_wanted_ = 0;  ///< for each segment by which the window grows
  std::uint32_t acked_ = 0;        ///< segments acknowledged since it grew last
  std::uint32_t acked_rest_ = 0;   ///< bytes, less than a segment
  std::uint32_t updated_window_ = 0;
  std::optional<TimePoint> updated_at_;
  std::optional<TimePoint> epoch_start_;
  std::optional<TimePoint> resumed_at_;  ///< silence until then has been left out of the function's time
  std::optional<Duration> min_rtt_;
  AckTrain train_;
  bool watched_;  ///< slow start is
  bool paced_;
};

}  // namespace tapir::tcp
