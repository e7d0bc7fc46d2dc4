#include <tapir/ipv4/hole_list.hpp>

#include <algorithm>
#include <iterator>

namespace tapir::ipv4 {

namespace {

/// The first hole that ends after `begin`: the first one that a fragment from there on can touch.
template <class Holes>
auto first_after(Holes& holes, std::size_t begin) {
  return std::ranges::upper_bound(holes, begin, {}, &HoleList::Hole::end);
}

}  // namespace

HoleList::Fit HoleList::fit(std::size_t begin, std::size_t end) const noexcept {
  const auto hole = first_after(holes_, begin);
  if (hole == holes_.end() || hole->begin >= end) return Fit::present;
  return hole->begin <= begin && end <= hole->end ? Fit::missing : Fit::partly_missing;
}

void HoleList::fill(std::size_t begin, std::size_t end, bool last) {
  if (last) {
    // Nothing exists behind the last fragment, so nothing is missing there (RFC 815 section 3, step 6).
    while (!holes_.empty() && holes_.back().begin >= end) holes_.pop_back();
    if (!holes_.empty()) holes_.back().end = std::min(holes_.back().end, end);
  }
  auto hole = first_after(holes_, begin);
  while (hole != holes_.end() && hole->begin < end) {
    const Hole before{hole->begin, begin};
    const Hole after{end, hole->end};
    const bool keeps_before = before.begin < before.end;
    const bool keeps_after = after.begin < after.end;
    if (keeps_before && keeps_after) {
      *hole = before;
      holes_.insert(std::next(hole), after);
      return;
    }
    if (keeps_before || keeps_after) {
      *hole = keeps_before ? before : after;
      ++hole;
    } else {
      hole = holes_.erase(hole);
    }
  }
}

}  // namespace tapir::ipv4
