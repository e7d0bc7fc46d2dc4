#include "cache.hpp"

#include <iterator>

#include <tapir/core/branch.hpp>

namespace tapir::arp {

Entry* Cache::find(Ipv4Address address) noexcept {
  if (likely(last_ != nullptr) && likely(last_->address == address)) return last_;
  const auto found = index_.find(address);
  return found == index_.end() ? nullptr : last_ = found->second;
}

const Entry* Cache::find(Ipv4Address address) const noexcept {
  const auto found = index_.find(address);
  return found == index_.end() ? nullptr : found->second;
}

Cache::List& Cache::list_of(NeighbourState state) noexcept {
  switch (state) {
    case NeighbourState::resolved: return resolved_;
    case NeighbourState::permanent: return permanent_;
    case NeighbourState::incomplete:
    case NeighbourState::failed: break;
  }
  return pending_;
}

Entry& Cache::insert(Arp& arp, Scheduler& scheduler, Ipv4Address address) {
  Entry& entry = pending_.emplace_back(arp, scheduler, address);
  entry.self = std::prev(pending_.end());
  index_.emplace(address, &entry);
  return entry;
}

void Cache::enter(Entry& entry, NeighbourState state) {
  List& to = list_of(state);
  to.splice(to.end(), list_of(entry.state), entry.self);
  entry.state = state;
}

void Cache::erase(Entry& entry) {
  last_ = nullptr;
  index_.erase(entry.address);
  list_of(entry.state).erase(entry.self);
}

Entry& Cache::victim(std::size_t limit) {
  const bool many_pending = pending_.size() > limit / 4;
  return many_pending || resolved_.empty() ? pending_.front() : resolved_.front();
}

Entry* Cache::any_dynamic() noexcept {
  if (!pending_.empty()) return &pending_.front();
  return resolved_.empty() ? nullptr : &resolved_.front();
}

}  // namespace tapir::arp
