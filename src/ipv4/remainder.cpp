#include <algorithm>
#include <utility>

#include <tapir/ipv4/ipv4.hpp>

namespace tapir::ipv4 {

bool Ipv4::Remainder::holds(const Interface& interface) const noexcept {
  return std::ranges::any_of(queue_, [&](const Item& item) { return item.egress.interface == &interface; });
}

void Ipv4::Remainder::add(Packet fragment, const Header& header, const Egress& egress) {
  queue_.push_back(
      {std::move(fragment), header, {.interface = egress.interface, .next_hop = egress.next_hop, .broadcast = egress.broadcast}});
  owner_.context_.scheduler.make_ready(*this);
}

Pulled Ipv4::Remainder::pull() {
  if (queue_.empty()) return Pulled::drained;
  const auto next = std::ranges::find_if(queue_, [](const Item& item) { return item.egress.interface->takes_frames(); });
  if (next == queue_.end()) return Pulled::blocked;
  Item item = std::move(*next);
  queue_.erase(next);
  Packet kept = item.fragment.share();
  if (const auto sent = owner_.hand_down(std::move(item.fragment), item.header, item.egress); !sent && sent.error() == Error::would_block) {
    item.fragment = std::move(kept);
    queue_.push_front(std::move(item));
    return Pulled::blocked;
  }
  if (!waits_for(*item.egress.interface)) owner_.context_.scheduler.unblock();  // those who wait behind it
  return queue_.empty() ? Pulled::drained : Pulled::more;
}

}  // namespace tapir::ipv4
