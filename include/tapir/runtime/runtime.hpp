#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <tapir/link/habit.hpp>
#include <tapir/runtime/descriptor_user.hpp>
#include <tapir/runtime/driver.hpp>
#include <tapir/runtime/system_random.hpp>

namespace tapir {

struct RuntimeOptions {
  bool busy_poll = false;  ///< never sleep: lowest latency, one processor kept busy
  /// For so long after a frame came the links are read again and again before the loop sleeps: what comes meanwhile is answered without a wake-up. Where
  /// frames mostly do not come within that time it sleeps at once, but for a try now and then. 0: it sleeps when there is nothing to do.
  Duration spin = {};
  std::size_t batch = 64;    ///< frames read from one link before the others, timers and senders get their turn
  Random* random = nullptr;  ///< where random numbers come from, in the place of the system; outlives the runtime. For tests that repeat
};

/// Real time: waits on the links' descriptors with epoll, keeps the scheduler at CLOCK_MONOTONIC, and lets senders send. One thread,
/// except post().
class Runtime final : public Driver {
 public:
  explicit Runtime(RuntimeOptions options = {});
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  /// Signals taken by stop_on_signals() are let through again.
  ~Runtime() override;

  [[nodiscard]] Scheduler& scheduler() noexcept override { return scheduler_; }
  [[nodiscard]] PacketPool& pool() noexcept override { return pool_; }
  [[nodiscard]] Random& random() noexcept override { return options_.random != nullptr ? *options_.random : random_; }

  /// Fails with the system's error when the descriptor cannot be waited on. A link without one is drained at every turn of the loop.
  [[nodiscard]] Result<> watch(link::Link& link) override;
  void forget(link::Link& link) noexcept override;

  /// What a descriptor is waited on for.
  struct Interest {
    bool input = false;
    bool output = false;
  };
  /// Waits on a descriptor of `user`'s, which has one at a time, until forget(). Fails with the system's error.
  [[nodiscard]] Result<> watch(int fd, DescriptorUser& user, Interest interest);
  void change_interest(DescriptorUser& user, Interest interest) noexcept;
  void forget(DescriptorUser& user) noexcept;

  /// 1 also when the system refused what the loop needs (see status()).
  [[nodiscard]] int run() override;
  bool run_until(const std::function<bool()>& done, Duration limit) override;
  [[nodiscard]] Duration time_of_day_offset() const override;

  /// For a program with an event loop of its own, instead of run(): readable when poll() has something to do. Owned by the runtime.
  [[nodiscard]] int descriptor() const noexcept;
  /// How long that program may wait for descriptor() to become readable before it calls poll(); empty: as long as it takes.
  [[nodiscard]] std::optional<Duration> patience() const noexcept;
  /// Does what can be done now, and does not wait.
  void poll();

  /// Has `task` called on the loop's thread. The one call that any thread may make; the runtime must outlive it. Tasks run in order;
  /// those still waiting when the runtime goes are destroyed uncalled.
  void post(std::move_only_function<void()> task);

  /// From now on each of `signals` (SIGINT, SIGTERM, ...) means stop(code) instead of death. Call it before other threads start: they inherit
  /// that the signal is blocked. Fails with the system's error.
  [[nodiscard]] Result<> stop_on_signals(std::initializer_list<int> signals, int code = 0);

  /// Called when a link's descriptor reports an error and nothing can be read: the device is gone. It is not waited on any more.
  void on_link_lost(std::function<void(link::Link&)> handler) { link_lost_ = std::move(handler); }

  /// Whether the system gave what the loop needs; otherwise its error.
  [[nodiscard]] Result<> status() const noexcept;

 private:
  struct Watched;
  class Kernel;

  inline void turn(std::optional<TimePoint> latest);
  inline void wait(std::optional<TimePoint> latest);
  [[nodiscard]] bool busy_turn_asks() noexcept;
  [[gnu::noinline]] void ask_kernel(std::optional<TimePoint> latest, bool more);
  void drain();
  void drain_link(Watched& watched);
  static void tell(Watched& watched);
  void ask_again() noexcept;
  void run_posted();
  void refresh_interest();
  /// Whether the links are read without waiting: always in a busy poll, else for a while after a frame.
  [[nodiscard]] bool spins() const noexcept { return options_.busy_poll || spinning_; }
  void begin_spin();
  void end_spin() noexcept;
  void sweep();
  void set_time();

  RuntimeOptions options_;
  bool forgotten_ = false;  ///< an entry of watched_ is of no more use
  PacketPool pool_;
  SystemRandom random_;
  Scheduler scheduler_;
  std::unique_ptr<Kernel> kernel_;                 ///< the descriptors
  std::vector<std::unique_ptr<Watched>> watched_;  ///< forgotten ones stay until the outermost turn ends
  std::size_t users_ = 0;                          ///< of descriptors, among them
  std::function<void(link::Link&)> link_lost_;
  int signal_code_ = 0;
  bool more_to_do_ = false;  ///< do not sleep in the next turn
  bool spinning_ = false;    ///< for options_.spin
  TimePoint spin_until_{};   ///< while spinning_
  link::Habit spin_pays_;    ///< whether a frame comes while it spins
  unsigned busy_turns_ = 0;  ///< of a busy poll; 0: the next one looks at every descriptor
  bool read_again_ = false;  ///< a link is to be read in the next turn, which need not wait
  TimePoint asked_{};        ///< when every descriptor was looked at last
  int depth_ = 0;            ///< turns under way: run_until() may be called from within one

  std::mutex posted_mutex_;
  std::deque<std::move_only_function<void()>> posted_;
  std::atomic<bool> task_posted_ = false;  ///< and not taken yet: for a busy poll, which does not wait for the wake-up
  bool posted_wait_ = false;               ///< tasks were left behind that no wake-up will come for
};

}  // namespace tapir
