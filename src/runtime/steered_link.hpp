#pragma once

#include <memory>
#include <span>
#include <vector>

#include <tapir/core/packet_pool.hpp>
#include <tapir/link/fragment_owners.hpp>
#include <tapir/link/link.hpp>
#include <tapir/link/steering.hpp>

#include "inboxes.hpp"

namespace tapir {

/// A shard's link: of what its queue brings it hands up what is the shard's, and the rest over to the shards whose it is. The shard's thread.
class Shards::SteeredLink final : public link::Link, private Demultiplexer<link::Received> {
 public:
  SteeredLink(std::size_t index, const link::Steering& steering, std::unique_ptr<link::Link> below, Inboxes& inboxes);
  SteeredLink(const SteeredLink&) = delete;
  SteeredLink& operator=(const SteeredLink&) = delete;
  ~SteeredLink() override;

  [[nodiscard]] std::string_view name() const noexcept override { return below_->name(); }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return below_->capabilities(); }
  /// Only the first shard answers ARP requests: all have seen them.
  [[nodiscard]] Result<> transmit(Packet&& frame) override;
  [[nodiscard]] bool writable() const noexcept override { return below_->writable(); }
  [[nodiscard]] std::optional<TimePoint> queued_until() const noexcept override { return below_->queued_until(); }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t budget) override;
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return below_->descriptor(); }
  void defer_to(Scheduler* scheduler) noexcept override { below_->defer_to(scheduler); }
  void set_writable() noexcept override { below_->set_writable(); }
  [[nodiscard]] std::vector<link::Counter> counters() const override;
  [[nodiscard]] DropCounters drop_counters() const noexcept override { return below_->drop_counters(); }

  /// Frames that other shards' queues brought.
  void take(std::span<const HandedFrame> frames);

 private:
  [[nodiscard]] Accepted demultiplex(Packet&& frame, const link::Received& from) override;
  [[nodiscard]] Accepted up(Packet frame);
  void take(const HandedFrame& handed);
  void hand_over(std::size_t shard, const Packet& frame);
  void follow_fragment(Packet frame);
  void flush();

  std::size_t index_;
  link::Steering steering_;
  std::unique_ptr<link::Link> below_;
  Inboxes& inboxes_;
  PacketPool pool_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
  std::vector<std::vector<HandedFrame>> outgoing_;  ///< by shard; sent off at the end of a batch
  bool holds_outgoing_ = false;
  link::FragmentOwners fragments_;  ///< shard 0's knows them all
  std::uint64_t handed_over_ = 0;
  std::uint64_t not_handed_over_ = 0;  ///< too many waited there
  std::uint64_t taken_over_ = 0;
};

}  // namespace tapir
