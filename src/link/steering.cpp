#include <tapir/link/steering.hpp>

#include <algorithm>
#include <optional>

#include <tapir/core/byte_order.hpp>

#include "frame_view.hpp"

namespace tapir::link {

namespace {

using Target = Steering::Target;
using Kind = Target::Kind;

constexpr std::uint32_t kDynamicPorts = 65536 - 32768;
constexpr Target kEverybody{.kind = Kind::all};
constexpr Target kFirst{};

/// ICMP's errors quote the datagram that they are about (RFC 792): of one of ours the source is this end.
Target target_of_icmp(const Steering& steering, const Packet& frame, std::size_t at) noexcept {
  constexpr std::uint8_t kUnreachable = 3, kQuench = 4, kRedirect = 5, kEchoRequest = 8, kTimeExceeded = 11, kParameter = 12,
                         kTimestamp = 13;
  constexpr std::size_t kHeader = 8;
  const auto type = frame.peek<be8>(at);
  if (!type || type->get() == kEchoRequest || type->get() == kTimestamp) return kFirst;
  switch (type->get()) {
    case kUnreachable:
    case kQuench:
    case kRedirect:
    case kTimeExceeded:
    case kParameter: break;
    default: return kEverybody;
  }
  const auto quoted = Ipv4View::at(frame, at + kHeader);
  // Of a fragment that is not the first no ports are quoted, and of ICMP there are none.
  if (!quoted || quoted->is_later_fragment() || !quoted->has_ports()) return kEverybody;
  const auto ours = frame.peek<be16>(quoted->payload), peers = frame.peek<be16>(quoted->payload + 2);
  if (!ours || !peers) return kEverybody;
  return {.shard = steering.owner(Port{ours->get()}, Ipv4Address{quoted->destination}, Port{peers->get()})};
}

}  // namespace

Steering::Steering(std::size_t shards, std::uint32_t key) noexcept : shards_{std::clamp<std::size_t>(shards, 1, most_shards)}, key_{key} {}

Steering::Target Steering::target(const Packet& frame) const noexcept {
  constexpr std::uint8_t kIcmp = 1, kGroupBit = 1;
  const auto group = frame.peek<be8>(0);
  const auto view = FrameView::of(frame);
  if (!view) return kFirst;
  if (view->ether_type == kEtherTypeArp || (group->get() & kGroupBit) != 0) return kEverybody;
  if (view->ether_type != kEtherTypeIpv4) return kFirst;
  const auto datagram = Ipv4View::at(frame, view->network);
  if (!datagram) return kFirst;
  if (datagram->is_fragment()) return {.kind = Kind::fragment};
  if (datagram->protocol == kIcmp) return target_of_icmp(*this, frame, datagram->payload);
  return {.shard = owner_of(*this, frame, *datagram)};
}

/// The last steps are those of MurmurHash3's finalizer: every bit of the input reaches the high bits, which choose.
std::size_t Steering::owner(Port ours, Ipv4Address peer, Port peers) const noexcept {
  if (ours >= first_dynamic) return static_cast<std::uint32_t>(ours.value() - first_dynamic.value()) * shards_ / kDynamicPorts;
  std::uint32_t hash = peer.value() ^ key_ ^ (std::uint32_t{peers.value()} << 16U | ours.value());
  hash *= kSteeringMultiplier1;
  hash ^= hash >> 13U;
  hash *= kSteeringMultiplier2;
  hash ^= hash >> 16U;
  return static_cast<std::size_t>(std::uint64_t{hash} * shards_ >> 32U);
}

Steering::Ports Steering::ports(std::size_t shard) const noexcept {
  // The ports for which owner() says `shard`: from the least product that reaches it on.
  const auto begin = [this](std::size_t of) {
    return static_cast<std::uint32_t>((of * kDynamicPorts + shards_ - 1) / shards_ + first_dynamic.value());
  };
  return {Port{static_cast<std::uint16_t>(begin(shard))}, Port{static_cast<std::uint16_t>(begin(shard + 1) - 1)}};
}

}  // namespace tapir::link
