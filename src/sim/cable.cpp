#include <tapir/sim/cable.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include <tapir/ethernet/wire_view.hpp>
#include <tapir/link/delay_line.hpp>
#include <tapir/sim/seeded_random.hpp>

namespace tapir::sim {

namespace {
constexpr std::size_t kFcs = 4;
constexpr std::size_t kEthernetHeaders = 14 + 4;                        ///< with an 802.1Q tag
constexpr std::size_t kLongestQueue = std::size_t{1024} * 1024 * 1024;  ///< keeps line times within 64 bits
constexpr Duration kShortestTrip{1};  ///< nothing arrives in the moment in which it was sent, so that time always goes on
}  // namespace

/// What cable and ends share; it lives as long as one of them.
class Cable::State : public std::enable_shared_from_this<Cable::State> {
 public:
  State(Driver& driver, const CableConfig& config)
      : scheduler_{driver.scheduler()},
        random_{driver.random().next()},
        config_{config},
        capabilities_{.mtu = config.mtu, .carries_fcs = config.carries_fcs, .tells_queue = true},
        ways_{Way{*this, End::left}, Way{*this, End::right}} {}

  [[nodiscard]] const CableConfig& config() const noexcept { return config_; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept { return capabilities_; }
  [[nodiscard]] const CableStats& stats(End from) const noexcept { return way(from).stats; }

  void attach(End end, Demultiplexer<link::Received>* receiver) noexcept { receivers_[index(end)] = receiver; }
  [[nodiscard]] Demultiplexer<link::Received>* receiver(End end) const noexcept { return receivers_[index(end)]; }

  [[nodiscard]] bool writable(End from) const noexcept {
    const Way& sending = way(from);
    return !sending.line.full() && (sending.busy_until <= scheduler_.now() || room_at(sending) <= scheduler_.now());
  }

  [[nodiscard]] std::optional<TimePoint> queued_until(End from) const noexcept {
    const TimePoint until = way(from).busy_until;
    return until > scheduler_.now() ? std::optional{until} : std::nullopt;
  }

  [[nodiscard]] Result<> transmit(End from, Packet frame) {
    Way& sending = way(from);
    if (frame.size() > largest_frame()) return fail(Error::message_too_large);
    if (!writable(from)) {
      ++sending.stats.queue_full;
      return fail(Error::would_block);
    }
    ++sending.stats.frames;
    sending.stats.bytes += frame.size();
    sending.busy_until = std::max(sending.busy_until, scheduler_.now()) + line_time(octets(frame.size()));
    if (!writable(from)) sending.room.arm_at(std::min(room_at(sending), sending.busy_until));
    put_on_line(sending, from, std::move(frame));
    return {};
  }

  void set_faults(End from, const link::FaultConfig& faults) noexcept { way(from).model.set_config(faults); }
  void cut(bool unplugged) noexcept {
    cut_ = unplugged;
    if (!cut_) return;
    for (Way& each : ways_) {
      each.stats.unplugged += each.line.size();
      each.line.clear();
    }
  }

  std::function<void(End, std::span<const std::byte>)> observer;
  std::function<Verdict(End, std::span<const std::byte>)> filter;

 private:
  /// One direction, named by the end that sends.
  struct Way {
    Way(State& state, End from)
        : model{state.random_, state.config_.faults},
          line{state.scheduler_, [&state, from](Packet frame) { state.deliver(from, std::move(frame)); }},
          room{Timer::calling<&Scheduler::unblock>(state.scheduler_, state.scheduler_)} {}

    link::FaultModel model;
    link::DelayLine line;
    Timer room;              ///< expires when the queue takes frames again
    TimePoint busy_until{};  ///< when the last octet of what was sent so far is on the line
    TimePoint last_due{};    ///< no later frame arrives before this, unless reordered
    CableStats stats{};
  };

  [[nodiscard]] static std::size_t index(End end) noexcept { return end == End::left ? 0 : 1; }
  [[nodiscard]] Way& way(End from) noexcept { return ways_[index(from)]; }
  [[nodiscard]] const Way& way(End from) const noexcept { return ways_[index(from)]; }

  [[nodiscard]] std::size_t largest_frame() const noexcept { return config_.mtu + kEthernetHeaders + (config_.carries_fcs ? kFcs : 0); }
  /// Octet times that a frame as handed to transmit() takes.
  [[nodiscard]] std::size_t octets(std::size_t frame_size) const noexcept {
    const std::size_t fcs = config_.carries_fcs ? std::min(kFcs, frame_size) : 0;
    return ethernet::line_octets(frame_size - fcs);
  }
  [[nodiscard]] Duration line_time(std::size_t octet_count) const noexcept {
    if (config_.rate_bits_per_second == 0) return {};
    constexpr std::uint64_t kBitsPerOctetAndSecond = 8'000'000'000;
    const std::uint64_t scaled = std::uint64_t{octet_count} * kBitsPerOctetAndSecond;
    return Duration{(scaled + config_.rate_bits_per_second - 1) / config_.rate_bits_per_second};
  }
  /// When the queue has room for another frame of the largest size.
  [[nodiscard]] TimePoint room_at(const Way& sending) const noexcept {
    const std::size_t queue = std::min(config_.queue_bytes, kLongestQueue);
    return sending.busy_until + line_time(octets(largest_frame())) - line_time(queue);
  }

  void put_on_line(Way& sending, End from, Packet frame) {
    if (observer || filter) {
      const auto bytes = frame.bytes();
      if (observer) observer(from, bytes);
      if (filter && filter(from, bytes) == Verdict::drop) {
        ++sending.stats.filtered;
        return;
      }
    }
    if (cut_) {
      ++sending.stats.unplugged;
      return;
    }
    const link::Fate fate = sending.model.decide(frame.size());
    if (fate.lost()) ++sending.stats.lost;
    if (fate.arrivals().size() > 1) ++sending.stats.duplicated;
    for (const link::Arrival& arrival : fate.arrivals()) {
      Packet copy = frame.share();
      if (arrival.flipped_bit) {
        ++sending.stats.corrupted;
        link::flip_bit(copy, *arrival.flipped_bit);
      }
      const TimePoint sent = std::max(sending.busy_until, scheduler_.now() + kShortestTrip);
      TimePoint due = sent + std::max(config_.delay, Duration{}) + arrival.delay;
      if (arrival.reordered) {
        ++sending.stats.reordered;
      } else {
        due = sending.last_due = std::max(due, sending.last_due);
      }
      if (!sending.line.put(std::move(copy), due)) ++sending.stats.queue_full;
    }
  }

  void deliver(End from, Packet frame) {
    const auto keep = shared_from_this();  // the receiver may let go of cable and ends
    Way& sending = way(from);
    ++sending.stats.delivered;
    if (sending.line.size() + 1 >= sending.line.limit())
      scheduler_.unblock();                                  // now: the receiver may throw, or wait for what is sent then
    frame.meta() = PacketMeta{.ingress = scheduler_.now()};  // a wire carries bytes and nothing else
    // The layer that refuses a frame counts it by name.
    if (auto* receiver = receivers_[index(opposite(from))]; receiver != nullptr) std::ignore = receiver->demultiplex(std::move(frame), {});
  }

  Scheduler& scheduler_;
  SeededRandom random_;
  CableConfig config_;
  link::Capabilities capabilities_;
  std::array<Demultiplexer<link::Received>*, 2> receivers_{};
  bool cut_ = false;
  std::array<Way, 2> ways_;
};

/// The link at one end.
class Cable::Plug final : public link::Link {
 public:
  Plug(std::shared_ptr<State> state, End end)
      : state_{std::move(state)}, end_{end}, name_{state_->config().name + (end == End::left ? ".left" : ".right")} {}
  Plug(const Plug&) = delete;
  Plug& operator=(const Plug&) = delete;
  ~Plug() override {
    if (state_->receiver(end_) == receiver_) state_->attach(end_, nullptr);
  }

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return state_->capabilities(); }
  [[nodiscard]] Result<> transmit(Packet&& frame) override { return state_->transmit(end_, std::move(frame)); }
  [[nodiscard]] bool writable() const noexcept override { return state_->writable(end_); }
  [[nodiscard]] std::optional<TimePoint> queued_until() const noexcept override { return state_->queued_until(end_); }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override {
    receiver_ = receiver;
    state_->attach(end_, receiver);
  }
  std::size_t drain(std::size_t /*budget*/) override { return 0; }

 private:
  std::shared_ptr<State> state_;
  End end_;
  std::string name_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
};

Cable::Cable(Driver& driver, const CableConfig& config) : state_{std::make_shared<State>(driver, config)} {}
Cable::Cable(Cable&&) noexcept = default;
Cable& Cable::operator=(Cable&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Cable::~Cable() {
  if (state_ == nullptr) return;
  state_->cut(true);
  state_->observer = nullptr;
  state_->filter = nullptr;
}

std::unique_ptr<link::Link> Cable::end(End end) { return std::make_unique<Plug>(state_, end); }

void Cable::set_faults(const link::FaultConfig& faults) {
  set_faults(End::left, faults);
  set_faults(End::right, faults);
}
void Cable::set_faults(End from, const link::FaultConfig& faults) { state_->set_faults(from, faults); }
void Cable::cut(bool unplugged) { state_->cut(unplugged); }
void Cable::observe(std::function<void(End, std::span<const std::byte>)> observer) { state_->observer = std::move(observer); }
void Cable::filter(std::function<Verdict(End, std::span<const std::byte>)> filter) { state_->filter = std::move(filter); }
const CableStats& Cable::stats(End from) const noexcept { return state_->stats(from); }

}  // namespace tapir::sim
