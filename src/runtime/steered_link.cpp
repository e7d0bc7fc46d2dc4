#include "steered_link.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include <tapir/core/byte_order.hpp>

#include "kernel.hpp"

namespace tapir {

namespace {
using Kind = link::Steering::Target::Kind;

bool is_arp_reply(const Packet& frame) noexcept {
  constexpr std::uint16_t kArp = 0x0806, kReply = 2;
  const auto type = frame.peek<be16>(12), operation = frame.peek<be16>(20);  // RFC 826: the fourth field
  return type && operation && type->get() == kArp && operation->get() == kReply;
}
}  // namespace

Shards::SteeredLink::SteeredLink(std::size_t index, const link::Steering& steering, std::unique_ptr<link::Link> below, Inboxes& inboxes)
    : index_{index}, steering_{steering}, below_{std::move(below)}, inboxes_{inboxes}, outgoing_(steering.shards()), fragments_{steering} {
  below_->attach(this);
  inboxes_.attach(index_, this);
}

Shards::SteeredLink::~SteeredLink() {
  inboxes_.attach(index_, nullptr);
  below_->attach(nullptr);
}

Result<> Shards::SteeredLink::transmit(Packet&& frame) {
  if (index_ != 0 && is_arp_reply(frame)) return {};
  return below_->transmit(std::move(frame));
}

std::size_t Shards::SteeredLink::drain(std::size_t budget) {
  const std::size_t frames = below_->drain(budget);
  flush();
  return frames;
}

Accepted Shards::SteeredLink::demultiplex(Packet&& frame, const link::Received&) {
  const auto target = steering_.target(frame);
  switch (target.kind) {
    case Kind::one:
      if (target.shard == index_) return up(std::move(frame));
      hand_over(target.shard, frame);
      return {};
    case Kind::all:
      for (std::size_t shard = 0; shard < steering_.shards(); ++shard) {
        if (shard != index_) hand_over(shard, frame);
      }
      return up(std::move(frame));
    case Kind::fragment: break;
  }
  if (index_ == 0) {
    follow_fragment(std::move(frame));
  } else {
    hand_over(0, frame);
  }
  return {};
}

void Shards::SteeredLink::follow_fragment(Packet frame) {
  fragments_.take(std::move(frame), monotonic_now(), [this](std::size_t owner, Packet fragment) {
    if (owner == index_) {
      std::ignore = up(std::move(fragment));  // a layer that refuses it counts it by name
    } else {
      hand_over(owner, fragment);
    }
  });
}

Accepted Shards::SteeredLink::up(Packet frame) {
  if (receiver_ == nullptr) return std::unexpected{Drop::not_handled};
  return receiver_->demultiplex(std::move(frame), {});
}

void Shards::SteeredLink::hand_over(std::size_t shard, const Packet& frame) {
  outgoing_[shard].push_back({frame.bytes(), frame.meta()});
  holds_outgoing_ = true;
}

void Shards::SteeredLink::flush() {
  if (!std::exchange(holds_outgoing_, false)) return;
  for (std::size_t shard = 0; shard < outgoing_.size(); ++shard) {
    auto frames = std::exchange(outgoing_[shard], {});
    const std::size_t count = frames.size();
    if (count == 0) continue;
    if (inboxes_.put(shard, std::move(frames))) {
      handed_over_ += count;
    } else {
      not_handed_over_ += count;
    }
  }
}

void Shards::SteeredLink::take(std::span<const HandedFrame> frames) {
  try {
    while (!frames.empty()) {
      const HandedFrame& handed = frames.front();
      frames = frames.subspan(1);
      take(handed);
    }
  } catch (...) {
    if (!frames.empty()) std::ignore = inboxes_.put(index_, {frames.begin(), frames.end()});  // the others come later
    flush();
    throw;
  }
  flush();
}

void Shards::SteeredLink::take(const HandedFrame& handed) {
  ++taken_over_;
  SlabRef slab = pool_.slab(Packet::headroom + handed.bytes.size());
  std::ranges::copy(handed.bytes, slab.bytes().subspan(Packet::headroom).begin());
  Packet frame{pool_, std::move(slab), Packet::headroom, handed.bytes.size()};
  frame.meta() = handed.meta;
  // The owner of a fragment is found out here; whatever else comes is this shard's.
  if (index_ == 0 && steering_.target(frame).kind == Kind::fragment) {
    follow_fragment(std::move(frame));
  } else {
    std::ignore = up(std::move(frame));
  }
}

std::vector<link::Counter> Shards::SteeredLink::counters() const {
  std::vector<link::Counter> all{{"handedOver", handed_over_},
                                 {"notHandedOver", not_handed_over_},
                                 {"takenOver", taken_over_},
                                 {"fragmentsForgotten", fragments_.drops().total()}};
  std::ranges::copy(below_->counters(), std::back_inserter(all));
  return all;
}

}  // namespace tapir
