#include "pipe_ack.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tapir::tcp {

Duration PipeAck::sampling_period(std::optional<Duration> srtt) noexcept {
  return std::max<Duration>(3 * srtt.value_or(Duration::zero()), std::chrono::seconds{1});
}

void PipeAck::on_ack(const Acked& acked, Duration period) noexcept {
  acked_ += acked.bytes;
  if (!round_end_) round_end_ = acked.snd_nxt;
  if (acked.snd_una < *round_end_) return;
  take({.at = acked.now, .bytes = std::exchange(acked_, 0)}, period);
  round_end_.reset();
  if (acked.snd_una < acked.snd_nxt) round_end_ = acked.snd_nxt;
}

void PipeAck::take(const Sample& sample, Duration period) noexcept {
  const auto end = samples_.begin() + count_;
  const auto fresh = std::ranges::find_if(samples_.begin(), end, [&](const Sample& kept) { return sample.at - kept.at < period; });
  auto place = fresh == samples_.begin() ? end : std::ranges::move(fresh, end, samples_.begin()).out;
  while (place != samples_.begin() && (place - 1)->bytes <= sample.bytes) --place;
  if (place == samples_.end()) --place;  // a few will do: one that is forgotten is larger than this only
  *place = sample;
  count_ = static_cast<std::uint32_t>(place + 1 - samples_.begin());
  defined_ = true;
  last_sample_at_ = sample.at;
}

std::optional<std::uint32_t> PipeAck::value(TimePoint now, Duration period) const noexcept {
  if (!defined_) return std::nullopt;
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (now - samples_[i].at < period) return samples_[i].bytes;
  }
  return 0;
}

}  // namespace tapir::tcp
