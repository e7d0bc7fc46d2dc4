#pragma once

#include <cstdint>
#include <string_view>

#include <tapir/tcp/congestion_control.hpp>

namespace tapir::test {

/// Always the same window, whatever happens: for a line of one's own.
class FixedWindow : public tcp::CongestionControl {
 public:
  explicit FixedWindow(std::uint32_t bytes) : bytes_{bytes} {}
  [[nodiscard]] std::string_view name() const noexcept override { return "fixed"; }
  void on_sent(const tcp::SentEvent&) override {}
  void on_ack(const tcp::AckEvent&) override {}
  void on_loss(const tcp::LossEvent&) override {}
  void on_duplicate_ack(const tcp::DuplicateAckEvent&) override {}
  void on_partial_ack(const tcp::PartialAckEvent&) override {}
  void on_recovered(const tcp::RecoveredEvent&) override {}
  void on_rto(const tcp::RtoEvent&) override {}
  void on_undo(const tcp::UndoEvent&) override {}
  void on_idle(const tcp::IdleEvent&) override {}
  void on_mss_change(const tcp::MssChangeEvent&) override {}
  void on_established(std::uint32_t) override {}
  [[nodiscard]] std::uint32_t cwnd() const noexcept override { return bytes_; }
  [[nodiscard]] std::uint32_t ssthresh() const noexcept override { return bytes_; }

 private:
  std::uint32_t bytes_;
};

}  // namespace tapir::test
