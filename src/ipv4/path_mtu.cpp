#include <tapir/ipv4/path_mtu.hpp>

#include <algorithm>
#include <array>

#include <tapir/core/branch.hpp>
#include <tapir/ipv4/header.hpp>

namespace tapir::ipv4 {

namespace {
constexpr std::array<std::size_t, 11> kPlateaus{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, min_mtu};
/// RFC 1191 section 6.3: an increase must not be tried sooner after a decrease.
constexpr Duration kLeastLifetime = std::chrono::minutes{5};
}  // namespace

std::size_t plateau_below(std::size_t size) noexcept {
  const auto* const below = std::ranges::find_if(kPlateaus, [&](std::size_t plateau) { return plateau < size; });
  return below == kPlateaus.end() ? min_mtu : *below;
}

PathMtuCache::PathMtuCache(Limits limits) noexcept : limits_{limits} {
  limits_.lifetime = std::max(limits_.lifetime, kLeastLifetime);
  limits_.max_entries = std::max(limits_.max_entries, std::size_t{1});
}

std::size_t PathMtuCache::estimate(Ipv4Address destination, std::size_t link_mtu, TimePoint now) const noexcept {
  if (likely(entries_.empty())) return link_mtu;
  const auto entry = entries_.find(destination);
  if (entry == entries_.end() || now - entry->second.lowered >= limits_.lifetime) return link_mtu;
  return std::min(entry->second.mtu, link_mtu);
}

std::optional<std::size_t> PathMtuCache::too_big(Ipv4Address destination, std::size_t link_mtu, const TooBig& message, TimePoint now) {
  const std::size_t current = estimate(destination, link_mtu, now);
  std::size_t told = message.next_hop_mtu;
  if (told == 0) {
    std::size_t size = message.quoted_size == 0 ? current : message.quoted_size;
    // Routers derived from 4.2BSD return a total length to which they added the header's (RFC 1191 section 5): no datagram as large as
    // that was sent, so the header is taken off.
    if (message.quoted_size >= current && size > message.quoted_header_size) size -= message.quoted_header_size;
    told = plateau_below(size);
  }
  told = std::max(told, min_mtu);
  if (told >= current) return std::nullopt;
  if (!entries_.contains(destination)) make_room(now);
  entries_[destination] = Entry{told, now};
  return told;
}

void PathMtuCache::make_room(TimePoint now) {
  if (entries_.size() < limits_.max_entries) return;
  std::erase_if(entries_, [&](const auto& entry) { return now - entry.second.lowered >= limits_.lifetime; });
  if (entries_.size() < limits_.max_entries) return;
  entries_.erase(std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.lowered; }));
}

}  // namespace tapir::ipv4
