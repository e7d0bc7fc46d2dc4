#include <tapir/link/fault_model.hpp>

#include <algorithm>

#include <tapir/core/byte_order.hpp>

namespace tapir::link {

Fate FaultModel::decide(std::size_t size) {
  Fate fate;
  if (happens(config_.loss)) return fate;
  fate.add(arrival(size));
  if (happens(config_.duplication)) fate.add(arrival(size));
  return fate;
}

Arrival FaultModel::arrival(std::size_t size) {
  Arrival arrival;
  arrival.delay = std::max(config_.delay, Duration{});
  if (config_.jitter > Duration{}) arrival.delay += Duration{random_->below(static_cast<std::uint64_t>(config_.jitter.count()) + 1)};
  if (happens(config_.reordering)) {
    arrival.reordered = true;
    arrival.delay += std::max(config_.reordering_delay, Duration{});
  }
  if (happens(config_.corruption) && size > 0) arrival.flipped_bit = random_->below(std::uint64_t{size} * 8);
  return arrival;
}

void flip_bit(Packet& frame, std::size_t bit) {
  const auto octet = frame.peek<be8>(bit / 8);
  if (!octet) return;
  frame.overwrite(bit / 8, be8{static_cast<std::uint8_t>(octet->get() ^ (0x80U >> bit % 8))});
}

}  // namespace tapir::link
