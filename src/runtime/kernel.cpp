#include "kernel.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>

#include <tapir/link/system_error.hpp>

namespace tapir {

namespace {
using link::system_error;

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

Duration read_clock(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds{now.tv_sec} + Duration{now.tv_nsec};
}
}  // namespace

TimePoint monotonic_now() noexcept { return TimePoint{read_clock(CLOCK_MONOTONIC)}; }
Duration time_of_day() noexcept { return read_clock(CLOCK_REALTIME); }

Runtime::Kernel::Kernel() noexcept : epoll_{::epoll_create1(EPOLL_CLOEXEC)}, wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  if (epoll_ < 0 || wake_ < 0) {
    error_ = system_error();
  } else if (const auto added = add(wake_, &wake_, EPOLLIN); !added) {
    error_ = added.error();
  }
  sigemptyset(&taken_);
  sigemptyset(&blocked_);
}

Runtime::Kernel::~Kernel() {
  if (signals_ >= 0) {
    // A second Ctrl-C that nobody has taken must not kill the program when the signals are let through.
    while (take_signal()) {}
    ::pthread_sigmask(SIG_UNBLOCK, &blocked_, nullptr);
    ::close(signals_);
  }
  if (wake_ >= 0) ::close(wake_);
  if (epoll_ >= 0) ::close(epoll_);
}

Result<> Runtime::Kernel::add(int fd, void* tag, std::uint32_t wanted) const noexcept {
  epoll_event event{.events = wanted, .data = {.ptr = tag}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) return fail(system_error());
  return {};
}

void Runtime::Kernel::change(int fd, void* tag, std::uint32_t wanted) const noexcept {
  epoll_event event{.events = wanted, .data = {.ptr = tag}};
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Runtime::Kernel::remove(int fd) const noexcept { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

[[gnu::hot]] std::span<epoll_event> Runtime::Kernel::wait(std::span<epoll_event> events, std::optional<Duration> timeout) const noexcept {
  timespec span{};
  if (timeout) {
    const std::int64_t count = std::max(*timeout, Duration{}).count();
    span = {.tv_sec = count / kNanosecondsPerSecond, .tv_nsec = count % kNanosecondsPerSecond};
  }
  int happened = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), timeout ? &span : nullptr, nullptr);
  if (happened < 0 && errno == ENOSYS) {  // before Linux 5.11: whole milliseconds, rounded up so that no timer is early
    int milliseconds = -1;
    if (timeout) {
      const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(std::max(*timeout, Duration{})).count();
      milliseconds = static_cast<int>(std::min<std::int64_t>(rounded, std::numeric_limits<int>::max()));
    }
    happened = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
  }
  return events.first(static_cast<std::size_t>(std::max(happened, 0)));
}

void Runtime::Kernel::wake() const noexcept {
  const std::uint64_t one = 1;
  // It fails only when 2^64 - 1 wake-ups wait: then one more is not needed.
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof(one));
}

void Runtime::Kernel::take_wake() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_, &count, sizeof(count));
}

Result<> Runtime::Kernel::take_signals(std::initializer_list<int> signals) noexcept {
  sigset_t before;
  sigset_t wanted = taken_;
  for (const int signal : signals) {
    if (sigaddset(&wanted, signal) < 0) return fail(system_error());
  }
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, &before); error != 0) return fail({error, std::system_category()});
  for (const int signal : signals) {
    if (sigismember(&before, signal) == 0) sigaddset(&blocked_, signal);
  }
  const int fd = ::signalfd(signals_, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return fail(system_error());
  taken_ = wanted;
  if (signals_ >= 0) return {};
  signals_ = fd;
  return add(signals_, &signals_, EPOLLIN);
}

bool Runtime::Kernel::take_signal() const noexcept {
  signalfd_siginfo info{};
  return ::read(signals_, &info, sizeof(info)) == sizeof(info);
}

}  // namespace tapir
