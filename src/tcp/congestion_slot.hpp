#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/tcp/congestion_control.hpp>

#include "loss_based.hpp"

namespace tapir::tcp {

/// The congestion control of one connection. What is asked for every segment is asked of the built-in algorithms directly: a dozen virtual calls a segment
/// that lead into code which the processor has forgotten meanwhile cost more than what they do.
class CongestionSlot {
 public:
  CongestionSlot() noexcept = default;
  CongestionSlot(const CongestionSlot&) = delete;
  CongestionSlot& operator=(const CongestionSlot&) = delete;
  ~CongestionSlot() { clear(); }

  /// Any other than those that are loss_based().
  CongestionSlot& operator=(std::unique_ptr<CongestionControl> algorithm) noexcept {
    clear();
    own_ = std::move(algorithm);
    return *this;
  }
  template <class Algorithm>
    requires std::derived_from<Algorithm, LossBased>
  void emplace(const CongestionParameters& parameters) noexcept {
    static_assert(sizeof(Algorithm) <= sizeof(room_) && alignof(Algorithm) <= alignof(LossBased::Room));
    clear();
    loss_based_ = new (room_.bytes.data()) Algorithm{parameters};
  }
  /// One in the same state.
  void copy(const LossBased& algorithm) noexcept {
    clear();
    loss_based_ = algorithm.copy_to(room_);
  }
  /// Takes it out. Not for what is loss_based().
  [[nodiscard]] std::unique_ptr<CongestionControl> take() noexcept { return std::move(own_); }
  [[nodiscard]] bool empty() const noexcept { return own_ == nullptr && loss_based_ == nullptr; }
  /// The built-in algorithm that takes loss for congestion; nullptr when it is another one.
  [[nodiscard]] LossBased* loss_based() noexcept { return loss_based_; }
  [[nodiscard]] const LossBased* loss_based() const noexcept { return loss_based_; }
  [[nodiscard]] CongestionControl* operator->() const noexcept { return loss_based_ != nullptr ? loss_based_ : own_.get(); }

  [[nodiscard]] std::uint32_t cwnd() const noexcept { return likely(loss_based_ != nullptr) ? loss_based_->cwnd() : own_->cwnd(); }
  [[nodiscard]] std::uint32_t ssthresh() const noexcept {
    return likely(loss_based_ != nullptr) ? loss_based_->ssthresh() : own_->ssthresh();
  }
  [[nodiscard]] bool in_slow_start() const noexcept { return cwnd() < ssthresh(); }
  [[nodiscard]] std::optional<std::uint64_t> pacing_rate() const noexcept {
    return likely(loss_based_ != nullptr) ? loss_based_->pacing_rate() : own_->pacing_rate();
  }
  [[nodiscard]] bool holds_back() const noexcept { return likely(loss_based_ != nullptr) ? loss_based_->holds_back() : own_->holds_back(); }
  void on_sent(const SentEvent& event) { likely(loss_based_ != nullptr) ? loss_based_->on_sent(event) : own_->on_sent(event); }
  void on_ack(const AckEvent& event) { likely(loss_based_ != nullptr) ? loss_based_->on_ack(event) : own_->on_ack(event); }
  void on_idle(const IdleEvent& event) { likely(loss_based_ != nullptr) ? loss_based_->on_idle(event) : own_->on_idle(event); }

 private:
  void clear() noexcept {
    own_.reset();
    if (loss_based_ != nullptr) std::exchange(loss_based_, nullptr)->~LossBased();
  }

  std::unique_ptr<CongestionControl> own_;  ///< any other
  LossBased* loss_based_ = nullptr;         ///< in the room: most connections have one, and need no second piece of memory for it
  LossBased::Room room_;
};

}  // namespace tapir::tcp
