#include "wire.hpp"

#include <utility>

#include <tapir/link/segmentation.hpp>

namespace tapir::packetdrill {

Result<> Wire::encapsulate(Packet&& packet, const arp::Send&) {
  if (closed_) return fail(Error::no_buffer_space);
  link::split(std::move(packet), [this](Packet datagram) { left_.push_back({datagram.bytes(), scheduler_.now()}); });
  return {};
}

Wire::Datagram Wire::take() {
  Datagram first = std::move(left_.front());
  left_.pop_front();
  return first;
}

}  // namespace tapir::packetdrill
