#include "port_book.hpp"

#include <algorithm>

#include "error_number.hpp"

namespace tapir::posix::detail {

namespace {
/// Whether one who shares as `wanted` says may have an address and port beside `other`.
bool shared(Sharing wanted, const Claim& other) noexcept {
  return (wanted.address && other.sharing.address && !other.listening) || (wanted.port && other.sharing.port);
}
}  // namespace

Claim::Claim(PortBook& book, const Endpoint& local, Sharing with) noexcept : sharing{with}, book_{book}, local_{local} {
  book_.claims_.emplace(local.port, this);
}

Claim::~Claim() {
  const auto [first, last] = book_.claims_.equal_range(local_.port);
  const auto own = std::find_if(first, last, [this](const auto& entry) { return entry.second == this; });
  if (own != last) book_.claims_.erase(own);
}

bool PortBook::conflicts(const Endpoint& wanted, Sharing sharing) const {
  const auto [first, last] = claims_.equal_range(wanted.port);
  return std::any_of(first, last, [&](const auto& entry) {
    const Claim& other = *entry.second;
    return overlap(other.local().address, wanted.address) && !shared(sharing, other);
  });
}

bool PortBook::may_listen(const Claim& claim) const {
  const auto [first, last] = claims_.equal_range(claim.local().port);
  return std::none_of(first, last, [&](const auto& entry) {
    const Claim& other = *entry.second;
    return &other != &claim && overlap(other.local().address, claim.local().address) && !shared(claim.sharing, other);
  });
}

Result<std::unique_ptr<Claim>> PortBook::claim(const Endpoint& wanted, Sharing sharing, Random& random, const Busy& busy) {
  if (wanted.port != Port{}) {
    if (conflicts(wanted, sharing) || busy(wanted, sharing)) return error(EADDRINUSE);
    return std::make_unique<Claim>(*this, wanted, sharing);
  }
  // RFC 6056 section 3.3.1: a random start, then the next free one. A port chosen for the caller is shared with nobody.
  const std::uint32_t first = std::max<std::uint32_t>(first_.value(), 1);
  const std::uint32_t range = last_.value() < first ? 0 : last_.value() - first + 1;
  const auto start = static_cast<std::uint32_t>(random.below(range));
  for (std::uint32_t i = 0; i < range; ++i) {
    const Endpoint candidate{wanted.address, Port{static_cast<std::uint16_t>(first + (start + i) % range)}};
    if (!claims_.contains(candidate.port) && !busy(candidate, {})) return std::make_unique<Claim>(*this, candidate, sharing);
  }
  return error(EADDRINUSE);
}

}  // namespace tapir::posix::detail
