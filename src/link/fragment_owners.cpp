#include <tapir/link/fragment_owners.hpp>

#include <algorithm>
#include <utility>

#include "frame_view.hpp"

namespace tapir::link {

void FragmentOwners::take(Packet frame, TimePoint now, const Pass& pass) {
  give_up(now);
  const auto view = FrameView::of(frame);
  const auto datagram = view ? Ipv4View::at(frame, view->network) : std::nullopt;
  if (!datagram) return drops_.count(Drop::truncated);
  Datagram key{.source = datagram->source,
               .destination = datagram->destination,
               .identification = datagram->identification,
               .protocol = datagram->protocol,
               .seen = now};
  if (datagram->is_later_fragment()) {
    if (const Datagram* known = find(key)) return pass(known->owner, std::move(frame));
    if (waiting_.size() == most_waiting) {
      waiting_.pop_front();
      drops_.count(Drop::queue_full);
    }
    waiting_.push_back({key, std::move(frame)});
    return;
  }
  key.owner = static_cast<std::uint8_t>(owner_of(steering_, frame, *datagram));
  remember(key);
  pass(key.owner, std::move(frame));
  // Whoever takes one may have others taken meanwhile.
  for (std::size_t left = waiting_.size(); left > 0 && !waiting_.empty(); --left) {
    Waiting one = std::move(waiting_.front());
    waiting_.pop_front();
    if (one.of == key) {
      pass(key.owner, std::move(one.frame));
    } else {
      waiting_.push_back(std::move(one));
    }
  }
}

void FragmentOwners::give_up(TimePoint now) {
  for (; !waiting_.empty() && now - waiting_.front().of.seen > longest; waiting_.pop_front()) drops_.count(Drop::reassembly_timeout);
}

/// The newest with that key: identifications are used again.
const FragmentOwners::Datagram* FragmentOwners::find(const Datagram& key) const noexcept {
  const std::size_t count = std::min(remembered_, most_datagrams);
  for (std::size_t back = 1; back <= count; ++back) {
    const Datagram& known = known_[(remembered_ - back) % most_datagrams];
    if (known == key) return key.seen - known.seen > longest ? nullptr : &known;
  }
  return nullptr;
}

void FragmentOwners::remember(const Datagram& datagram) noexcept { known_[remembered_++ % most_datagrams] = datagram; }

}  // namespace tapir::link
