#pragma once

#include <functional>

#include <tapir/core/error.hpp>
#include <tapir/core/packet_pool.hpp>
#include <tapir/core/random.hpp>
#include <tapir/core/scheduler.hpp>
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

  /// Drains `link` whenever it has frames, until forget().
  [[nodiscard]] virtual Result<> watch(link::Link& link) = 0;
  virtual void forget(link::Link& link) noexcept = 0;

  /// Lets everything happen until `done` returns true (asked after every batch of events) or `limit` has passed. Whether `done` was reached.
  virtual bool run_until(const std::function<bool()>& done, Duration limit) = 0;
};

}  // namespace tapir
