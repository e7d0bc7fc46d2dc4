#include <utility>

#include <tapir/ipv4/ipv4.hpp>

namespace tapir::ipv4 {

Result<> Ipv4::Loopback::send(Packet packet, const Interface& interface) {
  if (full()) return fail(Error::would_block);
  // No wire can have damaged it, and a partial checksum is nobody's to complete.
  packet.meta().checksum = ChecksumState::verified;
  packet.meta().ingress = owner_.context_.now();
  queue_.push_back({std::move(packet), &interface});
  owner_.context_.scheduler.make_ready(*this);
  return {};
}

Pulled Ipv4::Loopback::pull() {
  if (queue_.empty()) return Pulled::drained;
  const bool was_full = full();
  Item item = std::move(queue_.front());
  queue_.pop_front();
  if (was_full) owner_.context_.scheduler.unblock();
  if (!queue_.empty()) owner_.context_.scheduler.make_ready(*this);  // even if the receiver throws
  (void)owner_.receive(std::move(item.packet), {.interface = item.interface, .cast = LinkCast::unicast, .local = true});
  return queue_.empty() ? Pulled::drained : Pulled::more;
}

}  // namespace tapir::ipv4
