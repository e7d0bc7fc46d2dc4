#pragma once

#include <memory>

#include <tapir/core/random.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/link/delay_line.hpp>
#include <tapir/link/fault_model.hpp>
#include <tapir/link/link.hpp>

namespace tapir::link {

struct ImpairStats {
  std::uint64_t frames = 0;  ///< frames that came in
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t refused = 0;  ///< were due, but the link below was full or failed, or too many were on their way
};

/// Wraps any link and makes it a bad one: loss, duplication, reordering, corruption, delay and jitter, each way on its own. Every
/// frame suffers alone: super-segments are split and checksums completed before, so that no device repairs what was broken here.
/// Owns the link below; `scheduler` and `random` must outlive it. One thread.
class Impair final : public Link, private Demultiplexer<Received> {
 public:
  /// Without a link (nullptr) nothing is carried; a stack refuses it.
  Impair(std::unique_ptr<Link> below, Scheduler& scheduler, Random& random, const FaultConfig& outgoing, const FaultConfig& incoming);
  ~Impair() override;

  [[nodiscard]] std::string_view name() const noexcept override { return below_->name(); }
  [[nodiscard]] const Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& frame) override;
  [[nodiscard]] bool writable() const noexcept override { return below_->writable() && !out_.line.full(); }
  [[nodiscard]] std::optional<TimePoint> queued_until() const noexcept override { return below_->queued_until(); }
  void attach(Demultiplexer<Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t budget) override { return below_->drain(budget); }
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return below_->descriptor(); }
  void defer_to(Scheduler* scheduler) noexcept override { below_->defer_to(scheduler); }
  void set_writable() noexcept override { below_->set_writable(); }
  [[nodiscard]] std::vector<Counter> counters() const override;
  [[nodiscard]] DropCounters drop_counters() const noexcept override { return below_->drop_counters(); }

  /// Changes the faults from now on; frames on their way keep their fate.
  void set_faults(const FaultConfig& outgoing, const FaultConfig& incoming) noexcept;
  [[nodiscard]] const ImpairStats& outgoing() const noexcept { return out_.stats; }
  [[nodiscard]] const ImpairStats& incoming() const noexcept { return in_.stats; }

 private:
  struct Way {
    FaultModel model;
    DelayLine line;
    ImpairStats stats{};
    TimePoint last_due{};  ///< no later frame arrives before this, unless it or the earlier one is reordered
  };
  [[nodiscard]] Accepted demultiplex(Packet&& frame, const Received& from) override;
  /// Whether the frame went on, or was lost by design; false when there was no room for it.
  bool send_on(Way& way, Packet frame);
  void leave(Packet frame);
  void arrive(Packet frame);

  std::unique_ptr<Link> below_;
  Scheduler& scheduler_;
  Capabilities capabilities_;
  Demultiplexer<Received>* receiver_ = nullptr;
  Way out_;
  Way in_;
};

}  // namespace tapir::link
