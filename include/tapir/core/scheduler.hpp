#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tapir/core/time.hpp>

namespace tapir {

class Scheduler;

/// One deadline of one owner. It calls a member function of its owner when the deadline has come; the owner may destroy itself (and so the
/// timer) in that call. Destroying a timer disarms it. Arming costs no memory.
///
///     Timer retransmit_ = Timer::calling<&Connection::on_retransmit>(scheduler, *this);
class Timer {
 public:
  template <auto Method, class Owner>
  [[nodiscard]] static Timer calling(Scheduler& scheduler, Owner& owner) {
    return Timer{scheduler, &owner, [](void* object) { (static_cast<Owner*>(object)->*Method)(); }};
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  /// Expires at `deadline`, or at the scheduler's next turn when that has passed: never within the turn in which it was armed, so that a timer
  /// that arms itself at once cannot keep others from running. Replaces an earlier deadline.
  void arm_at(TimePoint deadline);
  /// Expires `delay` from now; with Duration::max() never.
  void arm_after(Duration delay);
  void cancel() noexcept;
  [[nodiscard]] bool armed() const noexcept { return place_ != Place::nowhere; }
  /// When it expires; meaningful while armed().
  [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }

 private:
  friend class Scheduler;
  enum class Place : std::uint8_t { nowhere, wheel, due, next_turn };

  Timer(Scheduler& scheduler, void* owner, void (*expired)(void*)) noexcept : scheduler_{&scheduler}, owner_{owner}, expired_{expired} {}

  Scheduler* scheduler_;
  void* owner_;
  void (*expired_)(void*);
  TimePoint deadline_{};        ///< when to expire
  std::uint64_t order_ = 0;     ///< arming order: breaks ties, so that a run repeats exactly
  TimePoint filed_deadline_{};  ///< the deadline it is filed under; earlier than deadline_ after a lazy move
  std::uint64_t filed_order_ = 0;
  Timer* previous_ = nullptr;  ///< neighbours in a slot of the wheel, or in the next turn's list
  Timer* next_ = nullptr;
  std::uint32_t due_index_ = 0;  ///< index in the heap of near deadlines
  Place place_ = Place::nowhere;
  std::uint8_t level_ = 0;
  std::uint8_t slot_ = 0;
};

/// What one pull() did.
enum class Pulled : std::uint8_t {
  more,     ///< one packet left, more are waiting
  drained,  ///< nothing is left to send
  blocked,  ///< the link takes no more for now
};

/// Something with packets to send (a connection, a queue). It puts itself on the scheduler's ready list once and is asked for one packet
/// at a time while the link accepts. Destroying it takes it off the list.
class ReadySource {
 public:
  ReadySource() noexcept = default;
  ReadySource(const ReadySource&) = delete;
  ReadySource& operator=(const ReadySource&) = delete;
  virtual ~ReadySource();

  /// Sends at most one packet (or one super-segment). May destroy this source, if it then returns Pulled::drained.
  [[nodiscard]] virtual Pulled pull() = 0;
  /// Whether it waits for its turn.
  [[nodiscard]] bool is_listed() const noexcept { return list_ != List::none; }
  /// Likewise, until a link takes more.
  [[nodiscard]] bool is_blocked() const noexcept { return list_ == List::blocked; }

 private:
  friend class Scheduler;
  enum class List : std::uint8_t { none, ready, blocked };
  Scheduler* scheduler_ = nullptr;
  ReadySource* previous_ = nullptr;
  ReadySource* next_ = nullptr;
  List list_ = List::none;
};

/// Something that is left to do when the source that is pulled now has returned: see Scheduler::Deferral. Destroying it takes it off the list.
class Deferred {
 public:
  Deferred() noexcept = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

 protected:
  ~Deferred();
  /// The pull is over.
  virtual void run_deferred() noexcept = 0;

 private:
  friend class Scheduler;
  Scheduler* scheduler_ = nullptr;  ///< on whose list it is
  Deferred* next_ = nullptr;
};

/// Time, timers and the ready list of everything on one thread. It is driven from outside: Runtime tells it the real time, sim::World a
/// virtual one. Timers expire in the order (deadline, order of arming), never early.
class Scheduler {
 public:
  explicit Scheduler(TimePoint start = TimePoint{}) noexcept;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  /// The current time: constant while one batch of input is processed.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }

  /// Moves the clock to `now` (never back) and expires nothing yet: input that has waited is handled before the timers it may stop.
  void set_time(TimePoint now) noexcept { now_ = now > now_ ? now : now_; }
  /// One turn: moves the clock to `now` (never back) and expires what is due, in order. now() is the given time throughout. What is armed
  /// meanwhile for a moment that has come waits for the next turn.
  void advance(TimePoint now);
  /// No timer expires before this; nullopt when none is armed. It may be early (by less than a slot of the wheel), never late.
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const noexcept;
  [[nodiscard]] std::size_t armed_timers() const noexcept { return armed_; }

  /// Puts `source` at the end of the ready list; does nothing when it is listed already.
  void make_ready(ReadySource& source);
  /// Takes `source` off the list.
  void withdraw(ReadySource& source) noexcept;
  /// Pulls packets round robin until the list is empty, all are blocked, or `budget` packets have left. True when work is left.
  bool run_ready(std::size_t budget = static_cast<std::size_t>(-1)) {
    // Here, where there is little to return from, of the last pull; also when that throws.
    const struct Last {
      Scheduler& scheduler;
      ~Last() { scheduler.run_deferred(); }
    } last{*this};
    return pull_ready(budget);
  }
  /// A link accepts again: all blocked sources are ready once more.
  void unblock();
  /// Lives in a pull() that returns soon: what it sends may leave when it has returned. Where two programs share a processor the other one mostly runs within
  /// the system call that sends, and afterwards the processor has forgotten where each function returns to, and what its caches held: the less is left then
  /// the better.
  class Deferral {
   public:
    explicit Deferral(Scheduler& scheduler) noexcept : scheduler_{scheduler} { scheduler_.defers_ = true; }
    Deferral(const Deferral&) = delete;
    Deferral& operator=(const Deferral&) = delete;
    ~Deferral() { scheduler_.defers_ = false; }

   private:
    Scheduler& scheduler_;
  };
  /// Whether a Deferral lives.
  [[nodiscard]] bool defers() const noexcept { return defers_; }
  /// While one does: has `deferred` run when the pull is over, before any other; once, however often it is asked for.
  void defer(Deferred& deferred) noexcept;

  [[nodiscard]] bool has_ready() const noexcept { return ready_.first != nullptr; }
  [[nodiscard]] bool has_blocked() const noexcept { return blocked_.first != nullptr; }

 private:
  friend class Timer;
  friend class Deferred;
  static constexpr std::uint64_t no_turn = ~std::uint64_t{0};
  static constexpr unsigned tick_bits = 16;  ///< a tick is 2^16 ns, 65.5 microseconds
  static constexpr unsigned slot_bits = 6;
  static constexpr std::size_t slots = 1U << slot_bits;
  static constexpr std::size_t levels = 8;  ///< 8 * 6 + 16 = 64 bits: every deadline has a slot

  struct Level {
    std::uint64_t occupied = 0;  ///< a bit for each slot
    std::array<Timer*, slots> first{};
  };
  struct List {
    ReadySource* first = nullptr;
    ReadySource* last = nullptr;
  };

  [[nodiscard]] static std::uint64_t tick_of(TimePoint time) noexcept;
  void arm(Timer& timer, TimePoint deadline);
  void disarm(Timer& timer) noexcept;
  void file(Timer& timer);
  static void link_first(Timer*& first, Timer& timer) noexcept;
  void unfile(Timer& timer) noexcept;
  [[nodiscard]] std::optional<std::uint64_t> next_slot_tick() const noexcept;
  void cascade(std::uint64_t tick);
  void expire_due();

  void push_due(Timer& timer);
  void remove_due(std::size_t index) noexcept;
  void sift_up(std::size_t index) noexcept;
  void sift_down(std::size_t index) noexcept;
  [[nodiscard]] static bool earlier(const Timer& a, const Timer& b) noexcept;

  void withdraw(Deferred& deferred) noexcept;
  bool pull_ready(std::size_t budget);
  void run_deferred() noexcept {
    while (deferred_ != nullptr) {
      Deferred& deferred = *deferred_;
      deferred_ = deferred.next_;
      deferred.scheduler_ = nullptr;
      deferred.run_deferred();
    }
  }
  void link_last(List& list, ReadySource& source, ReadySource::List name) noexcept;
  void unlink(ReadySource& source) noexcept;

  TimePoint now_;
  std::uint64_t tick_ = 0;  ///< the wheel's position: everything filed at or before it is in due_
  std::uint64_t order_ = 0;
  std::size_t armed_ = 0;
  std::array<Level, levels> wheel_{};
  std::vector<Timer*> due_;             ///< binary heap of the nearest deadlines, exact order
  Timer* next_turn_ = nullptr;          ///< armed within a turn for a moment that had come, in no order
  std::uint64_t turn_order_ = no_turn;  ///< the last arming before the turn under way; outside a turn no arming comes after it
  List ready_;
  List blocked_;
  Deferred* deferred_ = nullptr;
  bool defers_ = false;
};

}  // namespace tapir
