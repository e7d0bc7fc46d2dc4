#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <tapir/tcp/congestion_control.hpp>

#include "loss_based.hpp"

namespace tapir::tcp {

/// The congestion control of one connection. What is asked for every segment is asked of the built-in algorithms directly: a dozen virtual calls a segment
/// that lead into code which the processor has forgotten meanwhile cost more than what they do.
class CongestionSlot {
 public:
  CongestionSlot() noexcept = default;
  CongestionSlot& operator=(std::unique_ptr<CongestionControl> algorithm) noexcept {
    algorithm_ = std::move(algorithm);
    loss_based_ = dynamic_cast<LossBased*>(algorithm_.get());
    return *this;
  }
  /// Takes it out.
  [[nodiscard]] std::unique_ptr<CongestionControl> take() noexcept {
    loss_based_ = nullptr;
    return std::move(algorithm_);
  }
  [[nodiscard]] bool empty() const noexcept { return algorithm_ == nullptr; }
  /// nullptr when it is none of those.
  [[nodiscard]] LossBased* loss_based() const noexcept { return loss_based_; }
  [[nodiscard]] CongestionControl* operator->() const noexcept { return algorithm_.get(); }

  [[nodiscard]] std::uint32_t cwnd() const noexcept { return loss_based_ != nullptr ? loss_based_->cwnd() : algorithm_->cwnd(); }
  [[nodiscard]] std::uint32_t ssthresh() const noexcept {
    return loss_based_ != nullptr ? loss_based_->ssthresh() : algorithm_->ssthresh();
  }
  [[nodiscard]] bool in_slow_start() const noexcept { return cwnd() < ssthresh(); }
  [[nodiscard]] std::optional<std::uint64_t> pacing_rate() const noexcept {
    return loss_based_ != nullptr ? loss_based_->pacing_rate() : algorithm_->pacing_rate();
  }
  [[nodiscard]] bool holds_back() const noexcept { return loss_based_ != nullptr ? loss_based_->holds_back() : algorithm_->holds_back(); }
  void on_sent(const SentEvent& event) { loss_based_ != nullptr ? loss_based_->on_sent(event) : algorithm_->on_sent(event); }
  void on_ack(const AckEvent& event) { loss_based_ != nullptr ? loss_based_->on_ack(event) : algorithm_->on_ack(event); }
  void on_idle(const IdleEvent& event) { loss_based_ != nullptr ? loss_based_->on_idle(event) : algorithm_->on_idle(event); }

 private:
  std::unique_ptr<CongestionControl> algorithm_;  ///< never empty in use
  LossBased* loss_based_ = nullptr;               ///< the same, if it is one
};

}  // namespace tapir::tcp
