#pragma once

namespace tapir::posix::detail {

/// An eventfd that is readable while it is raised.
class EventSignal {
 public:
  EventSignal() noexcept;
  EventSignal(const EventSignal&) = delete;
  EventSignal& operator=(const EventSignal&) = delete;
  ~EventSignal();

  /// Negative when the system gave none.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  void raise(bool on) noexcept;

 private:
  int descriptor_;
  bool raised_ = false;
};

}  // namespace tapir::posix::detail
