#include <tapir/link/impair.hpp>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include <tapir/link/segmentation.hpp>

#include "absent_link.hpp"

namespace tapir::link {

namespace {
constexpr std::size_t kLongestLinkHeaders = 14 + 4 + 4;  ///< Ethernet, an 802.1Q tag, FCS
}

Impair::Impair(std::unique_ptr<Link> below, Scheduler& scheduler, Random& random, const FaultConfig& outgoing, const FaultConfig& incoming)
    : below_{or_absent(std::move(below))},
      scheduler_{scheduler},
      capabilities_{below_->capabilities()},
      out_{FaultModel{random, outgoing}, DelayLine{scheduler, [this](Packet frame) { leave(std::move(frame)); }}},
      in_{FaultModel{random, incoming}, DelayLine{scheduler, [this](Packet frame) { arrive(std::move(frame)); }}} {
  capabilities_.completes_checksums = false;
  capabilities_.max_super_segment = 0;
  below_->attach(this);
}

Impair::~Impair() { below_->attach(nullptr); }

void Impair::set_faults(const FaultConfig& outgoing, const FaultConfig& incoming) noexcept {
  out_.model.set_config(outgoing);
  in_.model.set_config(incoming);
}

std::vector<Counter> Impair::counters() const {
  std::vector<Counter> all{{"outLost", out_.stats.lost},           {"outDuplicated", out_.stats.duplicated},
                           {"outReordered", out_.stats.reordered}, {"outCorrupted", out_.stats.corrupted},
                           {"outRefused", out_.stats.refused},     {"inLost", in_.stats.lost},
                           {"inDuplicated", in_.stats.duplicated}, {"inReordered", in_.stats.reordered},
                           {"inCorrupted", in_.stats.corrupted},   {"inRefused", in_.stats.refused}};
  std::ranges::copy(below_->counters(), std::back_inserter(all));
  return all;
}

Result<> Impair::transmit(Packet&& frame) {
  if (frame.size() > capabilities_.mtu + kLongestLinkHeaders) return fail(Error::message_too_large);
  if (!writable()) return fail(Error::would_block);
  if (!send_on(out_, std::move(frame))) ++out_.stats.refused;
  return {};
}

Accepted Impair::demultiplex(Packet&& frame, const Received&) {
  Accepted accepted{};
  split(std::move(frame), [&](Packet single) {
    // What the device vouched for is no longer so behind this link.
    if (single.meta().checksum == ChecksumState::verified) single.meta().checksum = ChecksumState::unverified;
    if (send_on(in_, std::move(single))) return;
    ++in_.stats.refused;
    accepted = std::unexpected{Drop::queue_full};
  });
  return accepted;
}

bool Impair::send_on(Way& way, Packet frame) {
  ++way.stats.frames;
  const Fate fate = way.model.decide(frame.size());
  if (fate.lost()) ++way.stats.lost;
  if (fate.arrivals().size() > 1) ++way.stats.duplicated;
  bool room = true;
  for (const Arrival& arrival : fate.arrivals()) {
    Packet copy = frame.share();
    if (arrival.flipped_bit) {
      ++way.stats.corrupted;
      flip_bit(copy, *arrival.flipped_bit);
    }
    TimePoint due = deadline_after(scheduler_.now(), arrival.delay);
    if (arrival.reordered) {
      ++way.stats.reordered;
    } else {
      due = way.last_due = std::max(due, way.last_due);
    }
    if (due <= scheduler_.now() && way.line.size() == 0) {
      &way == &out_ ? leave(std::move(copy)) : arrive(std::move(copy));
    } else {
      room = way.line.put(std::move(copy), due) && room;
    }
  }
  return room;
}

void Impair::leave(Packet frame) {
  const bool was_full = out_.line.size() + 1 >= out_.line.limit();
  if (!below_->transmit(std::move(frame))) ++out_.stats.refused;
  if (was_full) scheduler_.unblock();
}

void Impair::arrive(Packet frame) {
  frame.meta().ingress = scheduler_.now();
  // The layer that refuses a frame counts it by name.
  if (receiver_ != nullptr) std::ignore = receiver_->demultiplex(std::move(frame), {});
}

}  // namespace tapir::link
