#include <tapir/runtime/runtime.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <tapir/core/branch.hpp>

#include "kernel.hpp"
#include "rhythm.hpp"

namespace tapir {

namespace {
constexpr std::size_t kSendBatch = 256;  ///< packets sent before the links are looked at again: their ACKs may be there
/// A busy poll reads the links at every turn, and asks for all else (signals, other descriptors, room in a device) once in so many: each question is a
/// system call, which costs as much as the read that finds a frame.
constexpr unsigned kBusyTurnsAWait = 16;
/// While there are no other descriptors, and nobody waits for room in a device.
constexpr unsigned kBusyTurnsAWaitAlone = 256;
/// How long turns may do without a question: those of a busy poll, and those that read a link which was just read instead of waiting.
constexpr Duration kLongestUnasked = std::chrono::microseconds{500};
/// A wait that is over sooner has found what was there before it.
constexpr Duration kShortestSleep = std::chrono::microseconds{2};
}  // namespace

/// A link, or a user of a descriptor, and what is known of the descriptor. Neither: forgotten.
struct Runtime::Watched {
  link::Link* link = nullptr;
  DescriptorUser* user = nullptr;
  int fd = -1;  ///< -1: none, or not waited on any more
  bool lost = false;
  bool awaits_output = false;
  bool readable = false;
  bool writable = false;
  bool failed = false;       ///< epoll reported an error
  bool again = false;        ///< read it in the next turn without asking whether there is anything
  bool passed_over = false;  ///< it was read, and is not to be read again before that
  Rhythm refilled{};         ///< whether a link that was read has frames again when the turn is over
};

Runtime::Runtime(RuntimeOptions options) : options_{options}, scheduler_{monotonic_now()}, kernel_{std::make_unique<Kernel>()} {
  options_.batch = std::max<std::size_t>(options_.batch, 1);
}

Runtime::~Runtime() = default;

Result<> Runtime::status() const noexcept {
  if (kernel_->error()) return fail(kernel_->error());
  return {};
}

Result<> Runtime::watch(link::Link& link) {
  if (const auto usable = status(); !usable) return usable;
  for (const auto& watched : watched_) {
    if (watched->link == &link) return {};
  }
  auto watched = std::make_unique<Watched>(Watched{.link = &link, .fd = link.descriptor().value_or(-1)});
  if (watched->fd >= 0) {
    if (auto added = kernel_->add(watched->fd, watched.get(), EPOLLIN); !added) return added;
  }
  watched_.push_back(std::move(watched));
  // Who spins has a processor of its own, and wants the frame to leave first.
  link.defer_to(options_.busy_poll || options_.spin > Duration{} ? nullptr : &scheduler_);
  return {};
}

void Runtime::forget(link::Link& link) noexcept {
  for (const auto& watched : watched_) {
    if (watched->link != &link) continue;
    if (watched->fd >= 0) kernel_->remove(watched->fd);
    watched->link = nullptr;
    link.defer_to(nullptr);
    forgotten_ = true;
  }
  sweep();
}

namespace {
std::uint32_t events_of(Runtime::Interest interest) noexcept { return (interest.input ? EPOLLIN : 0U) | (interest.output ? EPOLLOUT : 0U); }
}  // namespace

Result<> Runtime::watch(int fd, DescriptorUser& user, Interest interest) {
  if (const auto usable = status(); !usable) return usable;
  auto watched = std::make_unique<Watched>(Watched{.user = &user, .fd = fd});
  if (auto added = kernel_->add(fd, watched.get(), events_of(interest)); !added) return added;
  watched_.push_back(std::move(watched));
  ++users_;
  return {};
}

void Runtime::change_interest(DescriptorUser& user, Interest interest) noexcept {
  for (const auto& watched : watched_) {
    if (watched->user == &user) kernel_->change(watched->fd, watched.get(), events_of(interest));
  }
}

void Runtime::forget(DescriptorUser& user) noexcept {
  for (const auto& watched : watched_) {
    if (watched->user != &user) continue;
    kernel_->remove(watched->fd);
    watched->user = nullptr;
    --users_;
    forgotten_ = true;
  }
  sweep();
}

[[gnu::always_inline]] inline void Runtime::wait(std::optional<TimePoint> latest) {
  if (unlikely(spinning_) && scheduler_.now() >= spin_until_) end_spin();
  const bool more = std::exchange(more_to_do_, false);
  if (unlikely(spins()) && !busy_turn_asks()) return set_time();
  if (std::exchange(read_again_, false) && likely(scheduler_.now() - asked_ < kLongestUnasked)) return set_time();
  ask_kernel(latest, more);
}

/// Input first, then the timers that it may have stopped, then the senders whom it may have let send. Not a call: behind the system call that sends the
/// processor does not know where to return to.
[[gnu::always_inline]] inline void Runtime::turn(std::optional<TimePoint> latest) {
  ++depth_;
  try {
    wait(latest);
    drain();
    scheduler_.advance(scheduler_.now());
    scheduler_.run_ready(kSendBatch);
  } catch (...) {
    ask_again();
    --depth_;
    sweep();
    throw;
  }
  --depth_;
  if (unlikely(forgotten_)) sweep();
}

[[gnu::hot]] int Runtime::run() {
  if (!status()) return 1;
  while (!stopping()) turn(std::nullopt);
  return take_stop_code();
}

bool Runtime::run_until(const std::function<bool()>& done, Duration limit) {
  set_time();
  const TimePoint start = scheduler_.now();
  const TimePoint end = deadline_after(start, limit);
  while (!done()) {
    if (stopping() || scheduler_.now() >= end || !status()) return false;
    turn(end);
  }
  return true;
}

int Runtime::descriptor() const noexcept { return kernel_->descriptor(); }

[[gnu::hot]] std::optional<Duration> Runtime::patience() const noexcept {
  if (more_to_do_ || posted_wait_ || spins() || scheduler_.has_ready()) return Duration{};
  const auto wakeup = scheduler_.next_wakeup();
  if (!wakeup) return std::nullopt;
  return std::max(*wakeup - monotonic_now(), Duration{});
}

void Runtime::poll() {
  if (!status()) return;
  busy_turns_ = 0;
  read_again_ = false;
  turn(scheduler_.now());
  // The next wait is somebody else's, and tells nothing of what was there before it.
  refresh_interest();
  for (const auto& watched : watched_) watched->again = watched->passed_over = false;
}

void Runtime::post(std::move_only_function<void()> task) {
  {
    const std::lock_guard lock{posted_mutex_};
    posted_.push_back(std::move(task));
    task_posted_.store(true, std::memory_order_relaxed);
  }
  kernel_->wake();
}

Result<> Runtime::stop_on_signals(std::initializer_list<int> signals, int code) {
  if (const auto usable = status(); !usable) return usable;
  signal_code_ = code;
  return kernel_->take_signals(signals);
}

Duration Runtime::time_of_day_offset() const { return time_of_day() - monotonic_now().time_since_epoch(); }

void Runtime::set_time() { scheduler_.set_time(monotonic_now()); }

/// A handler threw: what this turn has left undone is the next one's, which does not sleep. A link may hold frames that it has read.
void Runtime::ask_again() noexcept {
  more_to_do_ = true;
  for (const auto& watched : watched_) watched->readable = watched->readable || watched->link != nullptr;
}

/// Whether a turn that spins is one that asks.
bool Runtime::busy_turn_asks() noexcept {
  const bool alone = users_ == 0 && !scheduler_.has_blocked();
  if (busy_turns_++ % (alone ? kBusyTurnsAWaitAlone : kBusyTurnsAWait) == 0) return true;
  return task_posted_.load(std::memory_order_relaxed) || scheduler_.now() - asked_ >= kLongestUnasked;
}

/// What there is to do, and, when there is nothing, sleeps until there is. `more`: something is left to do in any case.
[[gnu::flatten]] void Runtime::ask_kernel(std::optional<TimePoint> latest, bool more) {
  refresh_interest();
  auto timeout = more ? Duration{} : patience();
  if (latest) timeout = std::min(timeout.value_or(Duration::max()), *latest - monotonic_now());
  std::array<epoll_event, 64> events;
  const TimePoint began = monotonic_now();
  const auto happened = kernel_->wait(events, timeout);
  set_time();
  asked_ = scheduler_.now();
  const bool at_once = asked_ - began < kShortestSleep;
  bool woken = false;
  for (const epoll_event& event : happened) {
    if (kernel_->is_wake(event)) {
      kernel_->take_wake();
      woken = true;
    } else if (kernel_->is_signal(event)) {
      if (kernel_->take_signal()) stop(signal_code_);
    } else {
      // It may be forgotten by now, but its entry stays until the turn ends.
      auto& watched = *static_cast<Watched*>(event.data.ptr);
      watched.readable = watched.readable || (event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
      watched.failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
      watched.writable = (event.events & EPOLLOUT) != 0;
      if ((event.events & EPOLLOUT) != 0 && watched.link != nullptr) {
        watched.link->set_writable();
        scheduler_.unblock();
      }
    }
  }
  for (const auto& watched : watched_) {
    if (std::exchange(watched->passed_over, false)) watched->refilled.learn(at_once && watched->readable);
  }
  if (woken || posted_wait_) run_posted();
}

/// Those that are posted meanwhile have their turn in the next one, and so have the others when a task throws or has turns of its own run.
void Runtime::run_posted() {
  std::size_t left = std::numeric_limits<std::size_t>::max();
  do {
    std::move_only_function<void()> task;
    {
      const std::lock_guard lock{posted_mutex_};
      left = std::min(left, posted_.size());
      task_posted_.store(posted_.size() > 1, std::memory_order_relaxed);
      posted_wait_ = left > 1;
      if (left == 0) return;
      task = std::move(posted_.front());
      posted_.pop_front();
    }
    task();
  } while (--left > 0);
}

void Runtime::drain() {
  // By index: links may be watched while frames are handed up. Entries of forgotten ones stay where they are until the turn ends.
  // NOLINTNEXTLINE(modernize-loop-convert)
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    Watched& watched = *watched_[i];
    if (watched.link != nullptr) {
      drain_link(watched);
    } else {
      tell(watched);
    }
  }
}

void Runtime::drain_link(Watched& watched) {
  const bool readable = std::exchange(watched.readable, false);
  const bool again = std::exchange(watched.again, false);
  if (watched.lost || (watched.fd >= 0 && !readable && !again && !spins())) return;
  const std::size_t frames = watched.link->drain(options_.batch);
  if (frames > 0 && options_.spin > Duration{} && watched.fd >= 0) begin_spin();
  if (again && !readable) watched.refilled.learn(frames > 0);
  if (likely(frames > 0) && likely(watched.fd >= 0) && likely(!spins())) {
    // Who waits for room has to ask for it.
    if (watched.refilled.expects_yes() && likely(watched.link != nullptr) && likely(watched.link->writable())) {
      read_again_ = watched.again = true;
    } else {
      watched.passed_over = true;
    }
  }
  if (watched.fd < 0) {
    more_to_do_ = more_to_do_ || frames > 0;
  } else if (std::exchange(watched.failed, false) && frames == 0 && watched.link != nullptr) {
    watched.lost = true;
    kernel_->remove(std::exchange(watched.fd, -1));
    if (link_lost_) link_lost_(*watched.link);
  }
}

/// A frame came: it pays to spin for the next one if one mostly comes in time.
void Runtime::begin_spin() {
  if (std::exchange(spinning_, false)) spin_pays_.learn(true);
  if (!spin_pays_.worth_asking()) return;
  spinning_ = true;
  spin_until_ = deadline_after(scheduler_.now(), options_.spin);
}

void Runtime::end_spin() noexcept {
  spinning_ = false;
  spin_pays_.learn(false);
}

void Runtime::tell(Watched& watched) {
  const bool input = std::exchange(watched.readable, false);
  const bool output = std::exchange(watched.writable, false);
  const bool failed = std::exchange(watched.failed, false);
  if (watched.user != nullptr && (input || output || failed)) watched.user->on_ready(input, output, failed);
}

/// Waits for room in exactly those devices that have none.
[[gnu::hot]] void Runtime::refresh_interest() {
  for (const auto& watched : watched_) {
    if (watched->link == nullptr || watched->fd < 0 || watched->link->writable() != watched->awaits_output) continue;
    watched->awaits_output = !watched->awaits_output;
    kernel_->change(watched->fd, watched.get(), watched->awaits_output ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

void Runtime::sweep() {
  if (depth_ > 0 || !std::exchange(forgotten_, false)) return;
  std::erase_if(watched_, [](const auto& watched) { return watched->link == nullptr && watched->user == nullptr; });
}

}  // namespace tapir
