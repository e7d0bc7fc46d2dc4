#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

/// A double-ended queue in one growing ring: no memory while it was never used, none allocated while it slides. std::deque does both.
template <class T>
class RingQueue {
 public:
  RingQueue() noexcept = default;
  RingQueue(RingQueue&& other) noexcept
      : cells_{std::move(other.cells_)},
        capacity_{std::exchange(other.capacity_, 0)},
        first_{std::exchange(other.first_, 0)},
        count_{std::exchange(other.count_, 0)} {}
  RingQueue& operator=(RingQueue&& other) noexcept {
    if (this == &other) return *this;
    cells_ = std::move(other.cells_);
    capacity_ = std::exchange(other.capacity_, 0);
    first_ = std::exchange(other.first_, 0);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  RingQueue(const RingQueue&) = delete;
  RingQueue& operator=(const RingQueue&) = delete;
  ~RingQueue() = default;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return cells_[cell(i)]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return cells_[cell(i)]; }
  [[nodiscard]] T& front() noexcept { return (*this)[0]; }
  [[nodiscard]] const T& front() const noexcept { return (*this)[0]; }
  [[nodiscard]] T& back() noexcept { return (*this)[count_ - 1]; }
  [[nodiscard]] const T& back() const noexcept { return (*this)[count_ - 1]; }

  void push_back(T value) {
    make_room();
    cells_[cell(count_)] = std::move(value);
    ++count_;
  }
  void push_front(T value) {
    make_room();
    first_ = cell(capacity_ - 1);
    cells_[first_] = std::move(value);
    ++count_;
  }
  void pop_front() noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) cells_[first_] = T{};
    first_ = cell(1);
    --count_;
  }
  void pop_back() noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) back() = T{};
    --count_;
  }
  /// Puts `value` before element `at`, moving those behind it or those before it, whichever are fewer.
  void insert(std::size_t at, T value) {
    if (at < count_ / 2) {
      push_front(std::move(value));
      for (std::size_t i = 0; i < at; ++i) std::swap((*this)[i], (*this)[i + 1]);
    } else {
      push_back(std::move(value));
      for (std::size_t i = count_ - 1; i > at; --i) std::swap((*this)[i], (*this)[i - 1]);
    }
  }
  /// Takes out elements [from, to), moving those behind them or those before them, whichever are fewer.
  void erase(std::size_t from, std::size_t to) noexcept {
    const std::size_t gone = to - from;
    if (gone == 0) return;
    if (from < count_ - to) {
      for (std::size_t i = from; i > 0; --i) (*this)[i - 1 + gone] = std::move((*this)[i - 1]);
      for (std::size_t left = gone; left > 0; --left) pop_front();
    } else {
      for (std::size_t i = to; i < count_; ++i) (*this)[i - gone] = std::move((*this)[i]);
      for (std::size_t left = gone; left > 0; --left) pop_back();
    }
  }
  /// Gives the memory back, too.
  void clear() noexcept { *this = RingQueue{}; }

 private:
  [[nodiscard]] std::size_t cell(std::size_t i) const noexcept { return (first_ + i) & (capacity_ - 1); }
  void make_room() {
    if (unlikely(count_ == capacity_)) grow();
  }
  [[gnu::noinline]] void grow() {
    const std::size_t larger = capacity_ == 0 ? 4 : 2 * capacity_;
    auto cells = std::make_unique<T[]>(larger);
    for (std::size_t i = 0; i < count_; ++i) cells[i] = std::move((*this)[i]);
    cells_ = std::move(cells);
    capacity_ = larger;
    first_ = 0;
  }

  std::unique_ptr<T[]> cells_;  // a vector would compute its size at every access
  std::size_t capacity_ = 0;    ///< of cells_: a power of two, or 0
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace tapir::tcp
