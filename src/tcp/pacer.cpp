#include "pacer.hpp"

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

std::uint32_t Pacer::quantum(std::uint32_t mss) const noexcept {
  if (likely(!rate_)) return kMostBytes;
  const std::uint64_t bytes = *rate_ / static_cast<std::uint64_t>(std::chrono::seconds{1} / kQuantum);
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(std::min<std::uint64_t>(bytes, kMostBytes), 2ULL * mss));
}

void Pacer::on_sent(std::uint32_t bytes, TimePoint now) noexcept {
  if (likely(!rate_)) return;
  if (burst_left_ > 0) {
    burst_left_ -= std::min(bytes, burst_left_);
    return;
  }
  const Duration time = time_of(bytes);
  const TimePoint due_now = due();
  // A timer that fires late is made up for, silence is not.
  const TimePoint begins = std::max(due_now, now - (like_fq_ ? time / 2 : kQuantum));
  if (due_now <= now) {
    began_ = begins;
    owed_ = 0;
  }
  owed_ += bytes;
  next_ = begins + time;
}

Duration Pacer::time_of(std::uint64_t bytes) const noexcept {
  return Duration{static_cast<Duration::rep>(static_cast<double>(bytes) * 1e9 / static_cast<double>(*rate_))};
}

}  // namespace tapir::tcp
