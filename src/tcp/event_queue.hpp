#pragma once

#include <cstdint>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/scheduler.hpp>

#include "held.hpp"

namespace tapir::tcp {

class EventQueue;

/// Somebody with news for the user.
class Notifier {
 public:
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;
  /// Whoever ends has no news any more.
  virtual ~Notifier();
  /// Tells the user. That may end this, unless it holds itself meanwhile.
  virtual void dispatch() = 0;

 protected:
  Notifier() noexcept = default;
  /// It waits to be dispatched.
  [[nodiscard]] bool is_queued() const noexcept { return waits_in_ != nullptr; }

 private:
  friend class EventQueue;
  EventQueue* waits_in_ = nullptr;  ///< nullptr: in none
  Notifier* previous_ = nullptr;    ///< its neighbours there
  Notifier* next_ = nullptr;
  std::uint64_t turn_ = 0;  ///< the queue's latest when it was added
};

/// Calls the user's handlers after the input that caused them, never from inside it, and never from inside a call of the user's. It keeps nobody alive.
class EventQueue final : public ReadySource, public Counted<EventQueue> {
 public:
  explicit EventQueue(Scheduler& scheduler) noexcept : scheduler_{scheduler} {}
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  ~EventQueue() override { close(); }

  /// `notifier` is dispatched soon, once, unless it ends before.
  void add(Notifier& notifier) noexcept {
    if (unlikely(closed_) || unlikely(notifier.is_queued())) return;
    notifier.waits_in_ = this;
    notifier.turn_ = turn_;
    notifier.previous_ = std::exchange(last_, &notifier);
    (likely(notifier.previous_ == nullptr) ? first_ : notifier.previous_->next_) = &notifier;
    scheduler_.make_ready(*this);
  }
  [[nodiscard, gnu::hot]] Pulled pull() override {
    const Held<EventQueue> self{*this};  // a handler may destroy the stack
    // Those that are added meanwhile have their turn behind the packets that are ready now.
    const std::uint64_t turn = ++turn_;
    while (first_ != nullptr && likely(first_->turn_ < turn)) {
      Notifier& notifier = *first_;
      remove(notifier);
      if (unlikely(first_ != nullptr))
        scheduler_.make_ready(*this);  // a handler may throw, or have the stack go on until another one has run
      notifier.dispatch();
    }
    return first_ == nullptr ? Pulled::drained : Pulled::more;
  }
  /// The stack goes: nobody is dispatched any more.
  void close() noexcept {
    closed_ = true;
    while (first_ != nullptr) remove(*first_);
  }

 private:
  friend class Notifier;
  /// One that waits.
  void remove(Notifier& notifier) noexcept {
    Notifier* const next = std::exchange(notifier.next_, nullptr);
    Notifier* const previous = std::exchange(notifier.previous_, nullptr);
    (likely(next == nullptr) ? last_ : next->previous_) = previous;
    (likely(previous == nullptr) ? first_ : previous->next_) = next;
    notifier.waits_in_ = nullptr;
  }

  Scheduler& scheduler_;
  Notifier* first_ = nullptr;
  Notifier* last_ = nullptr;
  std::uint64_t turn_ = 0;  ///< how many there were
  bool closed_ = false;
};

inline Notifier::~Notifier() {
  if (unlikely(is_queued())) waits_in_->remove(*this);
}

}  // namespace tapir::tcp
