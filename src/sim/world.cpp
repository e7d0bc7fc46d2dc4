#include <tapir/sim/world.hpp>

#include <algorithm>

namespace tapir::sim {

namespace {
constexpr std::size_t kDrainBatch = 64;   ///< frames from one link before the others get their turn
constexpr std::size_t kSendBatch = 1024;  ///< packets sent in one round
}  // namespace

World::World(WorldConfig config) : config_{config}, random_{config.seed}, scheduler_{config.start} {}

World::~World() = default;

Result<> World::watch(link::Link& link) {
  if (link.descriptor()) return fail(Error::not_supported);
  if (std::ranges::find(links_, &link) == links_.end()) links_.push_back(&link);
  return {};
}

void World::forget(link::Link& link) noexcept { std::ranges::replace(links_, &link, nullptr); }

void World::at(TimePoint when, std::move_only_function<void()> action) {
  actions_.emplace(std::pair{std::max(when, now()), ++action_order_}, std::move(action));
}

int World::run() {
  while (!stopping() && !stuck_at_) {
    settle();
    const auto next = next_event();
    if (stopping() || stuck_at_ || !next) break;
    scheduler_.set_time(*next);
  }
  return take_stop_code();
}

void World::run_for(Duration time) {
  (void)run_until([] { return false; }, time);
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = deadline_after(now(), limit);
  if (done()) return true;
  while (!stuck_at_ && !stopping()) {
    settle();
    if (done()) return true;
    if (stuck_at_ || stopping()) break;
    const auto next = next_event();
    if (!next || *next > end) {
      scheduler_.set_time(end);
      return done();
    }
    scheduler_.set_time(*next);
  }
  return false;
}

std::optional<TimePoint> World::next_event() const noexcept {
  auto next = scheduler_.next_wakeup();
  if (!actions_.empty()) next = std::min(next.value_or(TimePoint::max()), actions_.begin()->first.first);
  if (next == TimePoint::max()) next.reset();  // what waits for ever never happens
  return next;
}

void World::settle() {
  for (std::size_t round = 0; round < config_.rounds_at_one_moment; ++round) {
    bool busy = run_actions();
    busy = drain_links() || busy;
    if (const auto next = scheduler_.next_wakeup(); next && *next <= now()) {
      scheduler_.advance(now());
      busy = true;
    }
    if (scheduler_.has_ready()) {
      scheduler_.run_ready(kSendBatch);
      busy = true;
    }
    if (!busy || stopping()) return;
  }
  stuck_at_ = now();
}

/// Runs what is due now. What those actions add for this moment waits for the next round.
bool World::run_actions() {
  const std::uint64_t last = action_order_;
  bool busy = false;
  for (auto next = actions_.begin(); next != actions_.end() && next->first.first <= now(); next = actions_.begin()) {
    if (next->first.second > last) break;
    auto action = actions_.extract(next);
    action.mapped()();
    busy = true;
  }
  return busy;
}

bool World::drain_links() {
  std::size_t frames = 0;
  // By index: a link may be watched or forgotten while frames are handed up.
  // NOLINTNEXTLINE(modernize-loop-convert)
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i] != nullptr) frames += links_[i]->drain(kDrainBatch);
  }
  std::erase(links_, nullptr);
  return frames > 0;
}

}  // namespace tapir::sim
