#pragma once

#include <memory>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/scheduler.hpp>

#include "ring_queue.hpp"

namespace tapir::tcp {

/// Somebody with news for the user.
class Notifier {
 public:
  virtual ~Notifier() = default;
  virtual void dispatch() = 0;
};

/// Calls the user's handlers after the input that caused them, never from inside it, and never from inside a call of the user's.
class EventQueue final : public ReadySource, public std::enable_shared_from_this<EventQueue> {
 public:
  explicit EventQueue(Scheduler& scheduler) noexcept : scheduler_{scheduler} {}

  /// `notifier` is dispatched soon, once. It is kept alive until then.
  void add(std::shared_ptr<Notifier> notifier) {
    if (unlikely(closed_)) return;
    waiting_.push_back(std::move(notifier));
    scheduler_.make_ready(*this);
  }
  [[nodiscard]] Pulled pull() override {
    const auto self = shared_from_this();  // a handler may destroy the stack
    // Those that are added meanwhile have their turn behind the packets that are ready now.
    for (auto left = waiting_.size(); left > 0 && !waiting_.empty(); --left) {
      const auto notifier = std::move(waiting_.front());
      waiting_.pop_front();
      if (unlikely(!waiting_.empty()))
        scheduler_.make_ready(*this);  // a handler may throw, or have the stack go on until another one has run
      notifier->dispatch();
    }
    return waiting_.empty() ? Pulled::drained : Pulled::more;
  }
  /// The stack goes: nobody is dispatched any more.
  void close() noexcept {
    closed_ = true;
    waiting_.clear();
  }

 private:
  Scheduler& scheduler_;
  RingQueue<std::shared_ptr<Notifier>> waiting_;
  bool closed_ = false;
};

}  // namespace tapir::tcp
