#pragma once

#include <cstddef>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

/// How many bytes all connections of a stack hold in their queues, against a limit.
class MemoryBudget {
 public:
  /// `limit`: bytes.
  explicit constexpr MemoryBudget(std::size_t limit) noexcept : limit_{limit} {}

  constexpr void set_limit(std::size_t bytes) noexcept { limit_ = bytes; }
  [[nodiscard]] constexpr std::size_t used() const noexcept { return used_; }
  /// Of these, bytes beyond gaps: they can be given up, since the peer must keep them until they are acknowledged.
  [[nodiscard]] constexpr std::size_t out_of_order() const noexcept { return out_of_order_; }
  /// Memory gets scarce, from three quarters on: nothing grows, and data beyond a gap is not kept.
  [[nodiscard]] constexpr bool scarce() const noexcept { return used_ >= limit_ - limit_ / 4; }
  /// There is none left.
  [[nodiscard]] constexpr bool exhausted() const noexcept { return used_ >= limit_; }

 private:
  friend class MemoryShare;

  std::size_t limit_;
  std::size_t used_ = 0;
  std::size_t out_of_order_ = 0;
};

/// The part of it that one connection holds.
class MemoryShare {
 public:
  static constexpr std::size_t kAlways = 4096;  ///< bytes that every connection may hold in each direction, so that it makes progress

  explicit constexpr MemoryShare(MemoryBudget& budget) noexcept : budget_{&budget} {}
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;
  constexpr ~MemoryShare() { leave(); }

  /// It now holds `total` bytes, `out_of_order` of them beyond gaps.
  constexpr void update(std::size_t total, std::size_t out_of_order) noexcept {
    if (unlikely(budget_ == nullptr)) return;
    budget_->used_ += total;
    budget_->used_ -= total_;
    budget_->out_of_order_ += out_of_order;
    budget_->out_of_order_ -= out_of_order_;
    total_ = total;
    out_of_order_ = out_of_order;
  }
  /// The budget ends, or the connection does.
  constexpr void leave() noexcept {
    update(0, 0);
    budget_ = nullptr;
  }
  [[nodiscard]] constexpr bool scarce() const noexcept { return budget_ != nullptr && budget_->scarce(); }
  [[nodiscard]] constexpr bool exhausted() const noexcept { return likely(budget_ != nullptr) && unlikely(budget_->exhausted()); }

 private:
  MemoryBudget* budget_;
  std::size_t total_ = 0;
  std::size_t out_of_order_ = 0;
};

}  // namespace tapir::tcp
