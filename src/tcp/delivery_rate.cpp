#include "delivery_rate.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

DeliveryStamp DeliveryRate::on_sent(TimePoint now, std::uint32_t in_flight, bool flight_begins) noexcept {
  if (flight_begins) first_sent_at_ = delivered_at_ = now;
  return {.delivered = delivered_,
          .lost = lost_,
          .delivered_at = delivered_at_,
          .first_sent_at = first_sent_at_,
          .in_flight = in_flight,
          .app_limited = app_limited_until_ != 0};
}

void DeliveryRate::on_delivered(TimePoint now, std::uint32_t bytes, TimePoint sent, const DeliveryStamp& stamp) noexcept {
  delivered_ += bytes;
  delivered_at_ = now;
  if (unlikely(newest_.has_value()) && (sent < newest_->sent || (sent == newest_->sent && stamp.delivered < newest_->stamp.delivered)))
    return;
  newest_ = Newest{.sent = sent, .stamp = stamp};
}

void DeliveryRate::on_app_limited(std::uint32_t in_flight) noexcept {
  app_limited_until_ = std::max<std::uint64_t>(delivered_ + in_flight, 1);
}

std::optional<RateSample> DeliveryRate::take_sample(std::optional<Duration> min_rtt) noexcept {
  if (app_limited_until_ != 0 && delivered_ > app_limited_until_) app_limited_until_ = 0;
  const auto newest = std::exchange(newest_, std::nullopt);
  if (unlikely(!newest)) return std::nullopt;
  first_sent_at_ = newest->sent;
  const DeliveryStamp& stamp = newest->stamp;
  // Acknowledgments may be compressed, sending may be: the slower of the two phases tells of the path.
  const Duration interval = std::max(newest->sent - stamp.first_sent_at, delivered_at_ - stamp.delivered_at);
  if (unlikely(interval <= Duration::zero()) || (min_rtt && unlikely(interval < *min_rtt))) return std::nullopt;
  const RateSample sample{.delivered_bytes = delivered_ - stamp.delivered,
                          .interval = interval,
                          .prior_delivered_bytes = stamp.delivered,
                          .total_delivered_bytes = delivered_,
                          .in_flight_at_send = stamp.in_flight,
                          .lost_bytes = lost_ - stamp.lost,
                          .app_limited = stamp.app_limited};
  note(sample);
  return sample;
}

/// An application that sends little says nothing of the path, unless it is more than was known.
void DeliveryRate::note(const RateSample& sample) noexcept {
  const double seconds = std::chrono::duration<double>(sample.interval).count();
  const Rate rate{.bytes_per_second = static_cast<std::uint64_t>(static_cast<double>(sample.delivered_bytes) / seconds),
                  .app_limited = sample.app_limited};
  const bool slower = likely(best_.has_value()) && rate.bytes_per_second < best_->bytes_per_second;
  if (!(slower & rate.app_limited)) best_ = rate;
}

}  // namespace tapir::tcp
