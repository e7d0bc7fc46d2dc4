#include <tapir/ipv4/path_mtu.hpp>

#include <algorithm>
#include <array>

namespace tapir::ipv4 {

std::size_t plateau_below(std::size_t size) noexcept {
  constexpr std::array<std::size_t, 11> kPlateaus{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};
  const auto found = std::ranges::find_if(kPlateaus, [size](std::size_t plateau) { return plateau < size; });
  return found == kPlateaus.end() ? PathMtu::minimum : *found;
}

std::size_t PathMtu::get(Ipv4Address destination, std::size_t link_mtu, TimePoint now) const noexcept {
  const auto found = estimates_.find(destination);
  if (found == estimates_.end() || now >= found->second.expires) return link_mtu;
  return std::min(found->second.mtu, link_mtu);
}

bool PathMtu::too_big(Ipv4Address destination, std::size_t next_hop_mtu, std::size_t datagram_size, std::size_t link_mtu, TimePoint now) {
  const std::size_t current = get(destination, link_mtu, now);
  std::size_t mtu = next_hop_mtu;
  if (mtu == 0) {
    // Old routers quote the length with the header counted twice (RFC 1191 section 5): no datagram above the estimate can have been sent.
    if (datagram_size >= current && datagram_size >= 20) datagram_size -= 20;
    mtu = plateau_below(datagram_size);
  }
  mtu = std::max(mtu, minimum);
  if (mtu >= current) return false;
  if (estimates_.size() >= max_entries && !estimates_.contains(destination)) {
    std::erase_if(estimates_, [now](const auto& entry) { return now >= entry.second.expires; });
    if (estimates_.size() >= max_entries) estimates_.erase(estimates_.begin());
  }
  estimates_.insert_or_assign(destination, Estimate{mtu, now + lifetime_});
  return true;
}

}  // namespace tapir::ipv4
