#include "arrival_times.hpp"

#include <algorithm>
#include <iterator>

namespace tapir::tcp {

void ArrivalTimes::note(std::uint64_t begin, std::uint64_t end, TimePoint at) {
  if (begin >= end) return;
  const bool at_the_end = runs_.empty() || runs_.back().end <= begin;
  if (!at_the_end) return insert({begin, end, at});
  const bool continues = !runs_.empty() && runs_.back().end == begin && runs_.back().at == at;
  if (continues || runs_.size() >= kMost) {
    runs_.back().end = end;
    runs_.back().at = at;
  } else {
    runs_.push_back({begin, end, at});
  }
}

/// In the midst of what is there: a gap is filled, or octets come again.
void ArrivalTimes::insert(const Run& run) {
  const auto first = std::ranges::partition_point(runs_, [&run](const Run& each) { return each.end <= run.begin; });
  const auto last = std::ranges::partition_point(runs_, [&run](const Run& each) { return each.begin < run.end; });
  std::deque<Run> left;
  if (first != last && first->begin < run.begin) left.push_back({first->begin, run.begin, first->at});
  left.push_back(run);
  if (first != last && std::prev(last)->end > run.end) left.push_back({run.end, std::prev(last)->end, std::prev(last)->at});
  const auto kept = std::distance(first, last);
  if (runs_.size() + left.size() > kMost + static_cast<std::size_t>(kept)) return;
  runs_.insert(runs_.erase(first, last), left.begin(), left.end());
}

void ArrivalTimes::forget_before(std::uint64_t octet) noexcept {
  while (!runs_.empty() && runs_.front().end <= octet) runs_.pop_front();
}

std::optional<TimePoint> ArrivalTimes::of(std::uint64_t octet) const noexcept {
  const auto run = std::ranges::partition_point(runs_, [octet](const Run& each) { return each.end <= octet; });
  if (run == runs_.end() || run->begin > octet) return std::nullopt;
  return run->at;
}

}  // namespace tapir::tcp
