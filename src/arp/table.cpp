// The part of Arp that its owner sees: own addresses, entries by hand, advice, snapshots.
#include <algorithm>
#include <utility>

#include <tapir/arp/arp.hpp>

#include "cache.hpp"

namespace tapir::arp {

void Arp::set_addresses(std::span<const Ipv4Address> addresses) {
  addresses_.clear();
  for (const Ipv4Address address : addresses) add_address(address);
}

void Arp::add_address(Ipv4Address address) {
  constexpr std::uint8_t kLinkLocalLength = 16;  // RFC 3927 section 2.8: never subnetted
  add_address(Ipv4Prefix{address, address.is_link_local() ? kLinkLocalLength : std::uint8_t{32}});
}

void Arp::add_address(Ipv4Prefix address) {
  if (is_own(address.address())) return;
  remove(address.address());  // nobody else's any more
  addresses_.push_back(address);
}

void Arp::remove_address(Ipv4Address address) {
  std::erase_if(addresses_, [address](const Ipv4Prefix& own) { return own.address() == address; });
}

bool Arp::is_own(Ipv4Address address) const noexcept {
  return std::ranges::find(addresses_, address, &Ipv4Prefix::address) != addresses_.end();
}

Ipv4Address Arp::sender_for(Ipv4Address source) const noexcept { return is_own(source) ? source : addresses_.front().address(); }

Result<> Arp::add_static(Ipv4Address address, MacAddress hardware) {
  if (hardware.is_group() || hardware.is_zero() || address.is_multicast() || address.is_unspecified()) return fail(Error::invalid_argument);
  Entry* entry = cache_->find(address);
  if (entry == nullptr || entry->state != NeighbourState::permanent) {
    if (cache_->permanent_size() >= config_.static_limit) return fail(Error::no_buffer_space);
    if (entry == nullptr) entry = &cache_->insert(*this, context_.scheduler, address);
    cache_->enter(*entry, NeighbourState::permanent);
  }
  learn(*entry, hardware);
  return {};
}

bool Arp::remove(Ipv4Address address) {
  Entry* entry = cache_->find(address);
  if (entry == nullptr) return false;
  discard_waiting(*entry, Drop::unresolved);
  cache_->erase(*entry);
  return true;
}

void Arp::flush() {
  while (Entry* entry = cache_->any_dynamic()) remove(entry->address);
}

std::optional<MacAddress> Arp::lookup(Ipv4Address address) const {
  const Entry* entry = std::as_const(*cache_).find(address);
  if (entry == nullptr || entry->state == NeighbourState::failed || !live(*entry)) return std::nullopt;
  return entry->hardware;
}

std::vector<Neighbour> Arp::entries() const {
  std::vector<Neighbour> all;
  cache_->for_each([&](const Entry& entry) {
    const bool incomplete = entry.state == NeighbourState::incomplete;
    if (!incomplete && !live(entry)) return;
    Neighbour neighbour{.address = entry.address, .hardware = {}, .state = entry.state, .remaining = {}, .waiting = entry.waiting.size()};
    if (!incomplete && entry.state != NeighbourState::failed) neighbour.hardware = entry.hardware;
    if (!incomplete && entry.state != NeighbourState::permanent) neighbour.remaining = entry.until - context_.now();
    all.push_back(neighbour);
  });
  std::ranges::sort(all, {}, &Neighbour::address);
  return all;
}

void Arp::confirm(Ipv4Address address) {
  Entry* entry = cache_->find(address);
  if (entry == nullptr || entry->state != NeighbourState::resolved || !live(*entry)) return;
  learn(*entry, entry->hardware);
}

void Arp::suspect(Ipv4Address address) {
  Entry* entry = cache_->find(address);
  if (entry != nullptr && entry->state == NeighbourState::resolved) entry->until = context_.now();
}

}  // namespace tapir::arp
