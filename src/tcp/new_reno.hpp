#pragma once

#include <cstdint>

#include "loss_based.hpp"

namespace tapir::tcp {

/// Congestion avoidance of RFC 5681: a segment more each round trip, half the flight after congestion. Limited transmit does not pass through here: it leaves
/// cwnd as it is (RFC 5681 section 3.2 step 1).
class NewReno final : public LossBased {
 public:
  /// L = 1 (RFC 5681 section 3.1), and no HyStart++: slow start as the RFC has it.
  explicit NewReno(const CongestionParameters& parameters) noexcept : LossBased{parameters, false, 1} {}

  [[nodiscard]] std::string_view name() const noexcept override { return "newreno"; }
  [[nodiscard]] LossBased* copy_to(Room& room) const noexcept override { return LossBased::copy_to(room, *this); }

 private:
  [[nodiscard]] std::uint64_t reduced(std::uint32_t flight_size) const noexcept override { return flight_size / 2; }
  void avoid(const AckEvent& event, std::uint32_t acked_bytes) override;
  void congested(bool) override { acked_ = 0; }
  void slow_started() override { acked_ = 0; }
  void own_state(ImageTaker& image) override { each_of_own(image); }
  void own_state(ImageSetter& image) override { each_of_own(image); }
  template <class Visit>
  void each_of_own(Visit& visit) {
    visit(acked_);
  }

  std::uint64_t acked_ = 0;  ///< bytes acknowledged since cwnd last grew
};

}  // namespace tapir::tcp
