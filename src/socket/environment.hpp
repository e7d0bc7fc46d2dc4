#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include <tapir/core/scheduler.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

#include "lingering_closes.hpp"
#include "orphans.hpp"
#include "port_book.hpp"

namespace tapir::posix::detail {

class File;
class RawTap;

/// Calls the users' handlers of Sockets::on_event(), each in a turn of the scheduler's own.
class Announcer final : public ReadySource {
 public:
  explicit Announcer(Scheduler& scheduler) noexcept : scheduler_{scheduler} {}
  void add(std::weak_ptr<File> file);
  [[nodiscard]] Pulled pull() override;

 private:
  Scheduler& scheduler_;
  std::deque<std::weak_ptr<File>> waiting_;
};

/// What all files of one Sockets share.
class Environment {
 public:
  Environment(Stack& stack, SocketsConfig config);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();

  [[nodiscard]] Stack& stack() noexcept { return stack_; }
  [[nodiscard]] const SocketsConfig& config() const noexcept { return config_; }
  [[nodiscard]] PortBook& tcp_ports() noexcept { return tcp_ports_; }
  [[nodiscard]] PortBook& udp_ports() noexcept { return udp_ports_; }
  [[nodiscard]] Orphans& orphans() noexcept { return orphans_; }
  [[nodiscard]] LingeringCloses& lingering() noexcept { return lingering_; }
  [[nodiscard]] Announcer& announcer() noexcept { return announcer_; }
  [[nodiscard]] RawTap& raw_tap();
  /// 1 and up: a number for each socket that is asked for one.
  [[nodiscard]] std::uint64_t next_cookie() noexcept { return ++cookies_; }

  /// Since 1970 (Driver::time_of_day_offset()).
  [[nodiscard]] Duration time_of_day(TimePoint at) const { return at.time_since_epoch() + stack_.driver().time_of_day_offset(); }
  /// Lets the stack go until `done`. EAGAIN when `limit` has passed before, EINTR when the driver was stopped.
  [[nodiscard]] Result<> wait(const std::function<bool()>& done, std::optional<Duration> limit);
  /// Whether so many calls wait within each other, by handlers that run meanwhile, that what need not wait must not: the stack would not hold for ever.
  [[nodiscard]] bool waits_deeply() const noexcept { return waiting_ >= kDeepestWait; }

 private:
  Stack& stack_;
  SocketsConfig config_;
  PortBook tcp_ports_;
  PortBook udp_ports_;
  Orphans orphans_;
  Announcer announcer_;
  LingeringCloses lingering_;  ///< its sockets hold ports
  std::unique_ptr<RawTap> raw_tap_;

  static constexpr std::size_t kDeepestWait = 16;
  std::uint64_t cookies_ = 0;
  std::size_t waiting_ = 0;  ///< calls of wait() under way
};

}  // namespace tapir::posix::detail
