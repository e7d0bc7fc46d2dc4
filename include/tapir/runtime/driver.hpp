#pragma once

#include <functional>
#include <optional>
#include <utility>

#include <tapir/core/error.hpp>
#include <tapir/core/packet_pool.hpp>
#include <tapir/core/random.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/core/time.hpp>
#include <tapir/link/link.hpp>

namespace tapir {

/// What makes stacks go: Runtime in real time, sim::World in virtual time. It owns the scheduler, the packet memory and the source of
/// random numbers that its stacks share, and outlives them. One thread.
class Driver {
 public:
  virtual ~Driver() = default;

  [[nodiscard]] virtual Scheduler& scheduler() noexcept = 0;
  [[nodiscard]] virtual PacketPool& pool() noexcept = 0;
  [[nodiscard]] virtual Random& random() noexcept = 0;

  /// Drains `link` whenever it has frames, until forget(), which comes before the end of the link and of this.
  [[nodiscard]] virtual Result<> watch(link::Link& link) = 0;
  virtual void forget(link::Link& link) noexcept = 0;

  /// Runs until stop(); the code given there. 1 when nothing can happen any more.
  [[nodiscard]] virtual int run() = 0;
  /// Lets everything happen until `done` returns true (asked after every batch of events) or `limit` has passed. Whether `done` was reached.
  /// Also returns, with false, when stop() was called; run() then returns at once.
  virtual bool run_until(const std::function<bool()>& done, Duration limit) = 0;
  /// What has to be added to a time of the scheduler's clock to have the time of day, seconds since 1970 in UTC. 0 in virtual time, which has no other.
  [[nodiscard]] virtual Duration time_of_day_offset() const { return {}; }
  /// Makes run() return `code` after the current turn.
  void stop(int code = 0) noexcept { stop_code_ = code; }
  /// Whether stop() was called and run() has not returned since.
  [[nodiscard]] bool stopping() const noexcept { return stop_code_.has_value(); }

 protected:
  /// The code given to stop(), which is over with this.
  [[nodiscard]] int take_stop_code() noexcept { return std::exchange(stop_code_, std::nullopt).value_or(1); }

 private:
  std::optional<int> stop_code_;
};

}  // namespace tapir
