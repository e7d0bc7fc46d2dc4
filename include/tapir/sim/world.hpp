#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <tapir/runtime/driver.hpp>
#include <tapir/sim/seeded_random.hpp>

namespace tapir::sim {

struct WorldConfig {
  std::uint64_t seed = 1;                      ///< all randomness follows from it
  TimePoint start{};                           ///< the time at which the world begins
  std::size_t rounds_at_one_moment = 100'000;  ///< a world that goes round more often than this without time passing is stuck
};

/// Virtual time: jumps from one event to the next, as fast as the machine can. The same seed and the same program give the same
/// run to the byte. Nothing here sleeps or reads a clock. One thread.
class World final : public Driver {
 public:
  explicit World(WorldConfig config = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() override;

  [[nodiscard]] Scheduler& scheduler() noexcept override { return scheduler_; }
  [[nodiscard]] PacketPool& pool() noexcept override { return pool_; }
  [[nodiscard]] Random& random() noexcept override { return random_; }
  [[nodiscard]] TimePoint now() const noexcept { return scheduler_.now(); }

  /// Drains `link` at every moment at which something happens. Error::not_supported for a link with a descriptor: real devices do not live
  /// in virtual time.
  [[nodiscard]] Result<> watch(link::Link& link) override;
  void forget(link::Link& link) noexcept override;

  /// Calls `action` once at `when`, or at the current moment when that has passed. Those of one moment run in the order of their at().
  void at(TimePoint when, std::move_only_function<void()> action);
  /// Calls `action` once `delay` from now.
  void after(Duration delay, std::move_only_function<void()> action) { at(now() + delay, std::move(action)); }

  /// 1 also when nothing is left that could happen, or the world is stuck: virtual time would stand still for ever.
  [[nodiscard]] int run() override;
  /// Lets `time` pass; everything due by its end has happened when this returns, unless stop() was called.
  void run_for(Duration time);
  /// Lets time pass until `done` returns true, asked at the start and after every moment at which something happened, or `limit` has
  /// passed. Whether `done` was reached.
  bool run_until(const std::function<bool()>& done, Duration limit) override;

  /// The moment at which the world was found going round without time passing. Nothing runs any more then.
  [[nodiscard]] std::optional<TimePoint> stuck_at() const noexcept { return stuck_at_; }

 private:
  [[nodiscard]] std::optional<TimePoint> next_event() const noexcept;
  /// Lets everything happen that can without time passing.
  void settle();
  bool run_actions();
  bool drain_links();

  WorldConfig config_;
  PacketPool pool_;
  SeededRandom random_;
  Scheduler scheduler_;
  std::map<std::pair<TimePoint, std::uint64_t>, std::move_only_function<void()>> actions_;
  std::uint64_t action_order_ = 0;
  std::vector<link::Link*> links_;  ///< nullptr: forgotten
  std::optional<TimePoint> stuck_at_;
};

}  // namespace tapir::sim
