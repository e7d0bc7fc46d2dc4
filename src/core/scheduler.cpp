#include <tapir/core/scheduler.hpp>

#include <algorithm>
#include <bit>
#include <utility>

#include <tapir/core/branch.hpp>

namespace tapir {

[[gnu::hot]] void Timer::arm_at(TimePoint deadline) { scheduler_->arm(*this, deadline); }
void Timer::arm_after(Duration delay) { scheduler_->arm(*this, deadline_after(scheduler_->now(), delay)); }
void Timer::cancel() noexcept { scheduler_->disarm(*this); }

ReadySource::~ReadySource() {
  if (scheduler_ != nullptr) scheduler_->withdraw(*this);
}

Deferred::~Deferred() {
  if (scheduler_ != nullptr) scheduler_->withdraw(*this);
}

Scheduler::Scheduler(TimePoint start) noexcept : now_{start}, tick_{tick_of(start)} {}

Scheduler::~Scheduler() {
  // Timers and sources may outlive the scheduler in a careless teardown; they must not touch it then.
  const auto forget_list = [](Timer* timer) {
    for (; timer != nullptr; timer = timer->next_) timer->place_ = Timer::Place::nowhere;
  };
  for (Timer* timer : due_) timer->place_ = Timer::Place::nowhere;
  forget_list(next_turn_);
  for (const Level& level : wheel_) std::ranges::for_each(level.first, forget_list);
  for (List* list : {&ready_, &blocked_}) {
    while (list->first != nullptr) unlink(*list->first);
  }
}

std::uint64_t Scheduler::tick_of(TimePoint time) noexcept {
  const auto count = time.time_since_epoch().count();
  return count <= 0 ? 0 : static_cast<std::uint64_t>(count) >> tick_bits;
}

void Scheduler::arm(Timer& timer, TimePoint deadline) {
  timer.deadline_ = deadline;
  timer.order_ = ++order_;
  if (timer.armed()) {
    if (deadline >= timer.filed_deadline_) return;  // lazy: it is filed again when its old place comes up
    unfile(timer);
  } else {
    ++armed_;
  }
  file(timer);
}

void Scheduler::disarm(Timer& timer) noexcept {
  if (!timer.armed()) return;
  unfile(timer);
  --armed_;
}

void Scheduler::file(Timer& timer) {
  timer.filed_deadline_ = timer.deadline_;
  timer.filed_order_ = timer.order_;
  if (timer.order_ > turn_order_ && timer.deadline_ <= now_) {
    timer.place_ = Timer::Place::next_turn;
    link_first(next_turn_, timer);
    return;
  }
  const std::uint64_t tick = tick_of(timer.deadline_);
  if (tick <= tick_) {
    push_due(timer);
    return;
  }
  // The level is that of the highest digit in which the deadline differs from the wheel's position.
  const auto top_bit = static_cast<unsigned>(std::bit_width(tick ^ tick_)) - 1;
  timer.level_ = static_cast<std::uint8_t>(top_bit / slot_bits);
  timer.slot_ = static_cast<std::uint8_t>(tick >> (timer.level_ * slot_bits) & (slots - 1));
  timer.place_ = Timer::Place::wheel;
  Level& level = wheel_[timer.level_];
  link_first(level.first[timer.slot_], timer);
  level.occupied |= std::uint64_t{1} << timer.slot_;
}

void Scheduler::link_first(Timer*& first, Timer& timer) noexcept {
  timer.previous_ = nullptr;
  timer.next_ = std::exchange(first, &timer);
  if (timer.next_ != nullptr) timer.next_->previous_ = &timer;
}

void Scheduler::unfile(Timer& timer) noexcept {
  if (timer.place_ == Timer::Place::due) {
    remove_due(timer.due_index_);
  } else {
    const bool in_wheel = timer.place_ == Timer::Place::wheel;
    Timer*& first = in_wheel ? wheel_[timer.level_].first[timer.slot_] : next_turn_;
    if (timer.next_ != nullptr) timer.next_->previous_ = timer.previous_;
    (timer.previous_ != nullptr ? timer.previous_->next_ : first) = timer.next_;
    if (in_wheel && first == nullptr) wheel_[timer.level_].occupied &= ~(std::uint64_t{1} << timer.slot_);
  }
  timer.place_ = Timer::Place::nowhere;
}

/// The first tick of the nearest occupied slot. Slots of a level lie after the wheel's position and before the next level's.
std::optional<std::uint64_t> Scheduler::next_slot_tick() const noexcept {
  for (std::size_t level = 0; level < levels; ++level) {
    if (wheel_[level].occupied == 0) continue;
    const auto shift = static_cast<unsigned>(level * slot_bits);
    const auto slot = static_cast<std::uint64_t>(std::countr_zero(wheel_[level].occupied));
    const std::uint64_t above = shift + slot_bits >= 64 ? 0 : tick_ >> (shift + slot_bits) << (shift + slot_bits);
    return above | slot << shift;
  }
  return std::nullopt;
}

/// Moves the wheel to `tick`, the start of an occupied slot, and files that slot's timers anew: nearer, or as due.
void Scheduler::cascade(std::uint64_t tick) {
  for (std::size_t i = 0; i < levels; ++i) {
    Level& level = wheel_[i];
    if (level.occupied == 0) continue;
    const auto slot = static_cast<std::size_t>(std::countr_zero(level.occupied));
    tick_ = tick;
    level.occupied &= ~(std::uint64_t{1} << slot);
    Timer* timer = std::exchange(level.first[slot], nullptr);
    while (timer != nullptr) {
      Timer& moved = *std::exchange(timer, timer->next_);
      moved.place_ = Timer::Place::nowhere;
      file(moved);
    }
    return;
  }
}

[[gnu::hot]] void Scheduler::advance(TimePoint now) {
  now_ = std::max(now_, now);
  const std::uint64_t target = tick_of(now_);
  const bool nothing_due = due_.empty() || due_.front()->filed_deadline_ > now_;
  if (target == tick_ && nothing_due && next_turn_ == nullptr) return;
  while (unlikely(next_turn_ != nullptr)) {
    Timer& timer = *std::exchange(next_turn_, next_turn_->next_);
    push_due(timer);
  }
  // A handler may throw, or have a turn of its own run.
  const struct Turn {
    std::uint64_t& order;
    std::uint64_t outer;
    ~Turn() { order = outer; }
  } turn{turn_order_, std::exchange(turn_order_, order_)};
  for (;;) {
    expire_due();
    const auto next = next_slot_tick();
    if (likely(!next) || likely(*next > target)) break;
    cascade(*next);
  }
  tick_ = std::max(tick_, target);
}

[[gnu::hot]] void Scheduler::expire_due() {
  while (unlikely(!due_.empty()) && due_.front()->filed_deadline_ <= now_) {
    Timer& timer = *due_.front();
    remove_due(0);
    timer.place_ = Timer::Place::nowhere;
    if (timer.filed_order_ != timer.order_) {
      file(timer);  // it was moved later since it was filed
      continue;
    }
    --armed_;
    timer.expired_(timer.owner_);  // the timer may be gone afterwards
  }
}

[[gnu::hot]] std::optional<TimePoint> Scheduler::next_wakeup() const noexcept {
  if (next_turn_ != nullptr) return now_;
  if (!due_.empty()) return due_.front()->filed_deadline_;
  if (wheel_[0].occupied != 0) {
    const Timer* timer = wheel_[0].first[static_cast<std::size_t>(std::countr_zero(wheel_[0].occupied))];
    TimePoint earliest = timer->filed_deadline_;
    for (; timer != nullptr; timer = timer->next_) earliest = std::min(earliest, timer->filed_deadline_);
    return earliest;
  }
  const auto tick = next_slot_tick();
  if (!tick) return std::nullopt;
  return TimePoint{Duration{static_cast<Duration::rep>(*tick << tick_bits)}};
}

bool Scheduler::earlier(const Timer& a, const Timer& b) noexcept {
  return std::pair{a.filed_deadline_, a.filed_order_} < std::pair{b.filed_deadline_, b.filed_order_};
}

void Scheduler::push_due(Timer& timer) {
  timer.place_ = Timer::Place::due;
  due_.push_back(&timer);
  timer.due_index_ = static_cast<std::uint32_t>(due_.size() - 1);
  sift_up(due_.size() - 1);
}

void Scheduler::remove_due(std::size_t index) noexcept {
  Timer* last = due_.back();
  due_.pop_back();
  if (index == due_.size()) return;
  due_[index] = last;
  last->due_index_ = static_cast<std::uint32_t>(index);
  sift_up(index);
  sift_down(last->due_index_);
}

void Scheduler::sift_up(std::size_t index) noexcept {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (!earlier(*due_[index], *due_[parent])) return;
    std::swap(due_[index], due_[parent]);
    std::swap(due_[index]->due_index_, due_[parent]->due_index_);
    index = parent;
  }
}

void Scheduler::sift_down(std::size_t index) noexcept {
  for (;;) {
    std::size_t least = index;
    for (const std::size_t child : {2 * index + 1, 2 * index + 2}) {
      if (child < due_.size() && earlier(*due_[child], *due_[least])) least = child;
    }
    if (least == index) return;
    std::swap(due_[index], due_[least]);
    std::swap(due_[index]->due_index_, due_[least]->due_index_);
    index = least;
  }
}

[[gnu::hot]] void Scheduler::make_ready(ReadySource& source) {
  if (unlikely(source.list_ != ReadySource::List::none)) return;
  source.scheduler_ = this;
  link_last(ready_, source, ReadySource::List::ready);
}

void Scheduler::withdraw(ReadySource& source) noexcept {
  if (source.list_ != ReadySource::List::none) unlink(source);
}

[[gnu::hot]] bool Scheduler::pull_ready(std::size_t budget) {
  while (ready_.first != nullptr && budget > 0) {
    if (unlikely(deferred_ != nullptr)) run_deferred();  // before somebody else has the turn
    ReadySource& source = *ready_.first;
    unlink(source);
    switch (source.pull()) {
      case Pulled::more:
        --budget;
        make_ready(source);
        break;
      case Pulled::blocked:
        if (source.list_ != ReadySource::List::none) unlink(source);
        source.scheduler_ = this;
        link_last(blocked_, source, ReadySource::List::blocked);
        break;
      case Pulled::drained: --budget; break;
    }
  }
  return ready_.first != nullptr;
}

void Scheduler::defer(Deferred& deferred) noexcept {
  if (unlikely(std::exchange(deferred.scheduler_, this) != nullptr)) return;
  deferred.next_ = std::exchange(deferred_, &deferred);
}

void Scheduler::withdraw(Deferred& deferred) noexcept {
  for (Deferred** place = &deferred_; *place != nullptr; place = &(*place)->next_) {
    if (*place != &deferred) continue;
    *place = deferred.next_;
    break;
  }
  deferred.scheduler_ = nullptr;
}

void Scheduler::unblock() {
  while (blocked_.first != nullptr) {
    ReadySource& source = *blocked_.first;
    unlink(source);
    link_last(ready_, source, ReadySource::List::ready);
  }
}

void Scheduler::link_last(List& list, ReadySource& source, ReadySource::List name) noexcept {
  source.list_ = name;
  source.next_ = nullptr;
  source.previous_ = std::exchange(list.last, &source);
  (unlikely(source.previous_ != nullptr) ? source.previous_->next_ : list.first) = &source;
}

void Scheduler::unlink(ReadySource& source) noexcept {
  List& list = source.list_ == ReadySource::List::ready ? ready_ : blocked_;
  (unlikely(source.previous_ != nullptr) ? source.previous_->next_ : list.first) = source.next_;
  (unlikely(source.next_ != nullptr) ? source.next_->previous_ : list.last) = source.previous_;
  source.previous_ = source.next_ = nullptr;
  source.list_ = ReadySource::List::none;
}

}  // namespace tapir
