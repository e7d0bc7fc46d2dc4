#pragma once

#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>

#include <sys/epoll.h>

#include <tapir/core/error.hpp>
#include <tapir/core/time.hpp>
#include <tapir/runtime/runtime.hpp>

namespace tapir {

/// The descriptors that a loop waits on, and the system calls about them. Owns epoll, eventfd and signalfd.
class Runtime::Kernel {
 public:
  Kernel() noexcept;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  ~Kernel();

  /// What the constructor could not get; no error otherwise.
  [[nodiscard]] std::error_code error() const noexcept { return error_; }

  /// epoll's own: readable when wait() has something to report.
  [[nodiscard]] int descriptor() const noexcept { return epoll_; }

  [[nodiscard]] Result<> add(int fd, void* tag, std::uint32_t wanted) const noexcept;
  void change(int fd, void* tag, std::uint32_t wanted) const noexcept;
  void remove(int fd) const noexcept;

  /// Waits until a descriptor has something or `timeout` has passed; nullopt: for ever. What happened, in `events`.
  [[nodiscard]] std::span<epoll_event> wait(std::span<epoll_event> events, std::optional<Duration> timeout) const noexcept;

  /// Makes wait() return. Any thread.
  void wake() const noexcept;
  void take_wake() const noexcept;
  [[nodiscard]] bool is_wake(const epoll_event& event) const noexcept { return event.data.ptr == &wake_; }

  [[nodiscard]] Result<> take_signals(std::initializer_list<int> signals) noexcept;
  /// Whether a signal came; it is consumed.
  [[nodiscard]] bool take_signal() const noexcept;
  [[nodiscard]] bool is_signal(const epoll_event& event) const noexcept { return event.data.ptr == &signals_; }

 private:
  std::error_code error_;
  int epoll_;
  int wake_;
  int signals_ = -1;
  sigset_t taken_{};    ///< what signals_ reports
  sigset_t blocked_{};  ///< those of them that were not blocked before
};

/// CLOCK_MONOTONIC.
[[nodiscard]] TimePoint monotonic_now() noexcept;
/// Since 1970, UTC.
[[nodiscard]] Duration time_of_day() noexcept;

}  // namespace tapir
