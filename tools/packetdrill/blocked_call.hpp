#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <tapir/sim/world.hpp>

namespace tapir::packetdrill {

using Lock = std::unique_lock<std::mutex>;

/// The one system call of a script that may block at a time. packetdrill makes it on a thread of its own while its main thread goes on with
/// the script, and learns from the thread's state that the call blocks: so it sleeps on a condition variable and never spins. Virtual time
/// stands still from the moment at which what it waits for has happened until it has returned and its thread has looked at the clock, which is
/// how packetdrill learns when the call ended.
class BlockedCall {
 public:
  explicit BlockedCall(sim::World& world) noexcept : world_{world}, main_{std::this_thread::get_id()} {}

  [[nodiscard]] bool on_main_thread() const noexcept { return std::this_thread::get_id() == main_; }

  // ---- on the thread that blocks
  /// Sleeps until `done` or for `limit` of virtual time. Whether `done` was reached.
  bool wait(const std::function<bool()>& done, std::optional<Duration> limit, Lock& lock);
  /// The call returns.
  void returns();
  /// The thread has looked at the clock.
  void looked_at_clock();

  // ---- on the main thread
  /// What the call waits for has happened.
  [[nodiscard]] bool may_return() const;
  /// Whether one has returned since the last time.
  [[nodiscard]] bool take_returned() noexcept { return std::exchange(returned_, false); }
  /// Lets it return, or wait for something else, before anything more happens.
  void let_return(Lock& lock);

 private:
  enum class State { none, waiting, released, returning };

  sim::World& world_;
  std::thread::id main_;
  std::condition_variable changed_;
  State state_ = State::none;
  bool returned_ = false;
  std::function<bool()> done_;
  std::optional<TimePoint> deadline_;
};

}  // namespace tapir::packetdrill
