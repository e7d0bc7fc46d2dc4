#include "mtu_probing.hpp"

#include <chrono>

namespace tapir::tcp {

namespace {
constexpr Duration kLeastInterval = std::chrono::minutes{5};  // RFC 4821 section 7.3
}

void MtuSearch::begin(const MtuProbing& config, std::uint32_t most, TimePoint now) noexcept {
  most_ = most;
  if (config.mode == MtuProbingMode::always) start(config, now);
}

void MtuSearch::change(const MtuProbing& config, TimePoint now) noexcept {
  if (config.mode == MtuProbingMode::off) {
    searching_ = false;
    probe_size_.reset();
  } else if (config.mode == MtuProbingMode::always && !searching_ && most_ > 0) {
    start(config, now);
  }
}

void MtuSearch::start(const MtuProbing& config, TimePoint now) noexcept {
  searching_ = true;
  search_high_ = most_;
  search_low_ = std::min(config.base, most_);
  news_at_ = now;
}

std::optional<std::uint32_t> MtuSearch::next(const MtuProbing& config, std::uint32_t path, TimePoint now) noexcept {
  if (!searching_ || probe_size_) return std::nullopt;
  if (now - news_at_ >= std::max(config.interval, kLeastInterval)) {
    search_high_ = most_;
    news_at_ = now;
  }
  const std::uint32_t high = std::min(search_high_, path);
  if (high <= search_low_ || high - search_low_ < std::max(config.threshold, 2U)) return std::nullopt;
  return search_low_ + (high - search_low_) / 2;
}

void MtuSearch::on_arrived(TimePoint now) noexcept {
  if (!probe_size_) return;
  news_at_ = now;
  search_low_ = std::max(search_low_, *probe_size_);
  probe_size_.reset();
}

void MtuSearch::on_lost(TimePoint now) noexcept {
  if (!probe_size_) return;
  news_at_ = now;
  search_high_ = std::max(*probe_size_ - 1, search_low_);
  probe_size_.reset();
}

void MtuSearch::on_full_stop(const MtuProbing& config, std::uint32_t path, TimePoint now) noexcept {
  probe_size_.reset();
  if (config.mode == MtuProbingMode::off || most_ == 0) return;
  const std::uint32_t former = std::min(effective(path), most_);
  if (!searching_) start(config, now);
  // To what usually arrives first, then to half as much each time.
  const std::uint32_t next = former > config.base ? config.base : former / 2;
  news_at_ = now;
  search_low_ = std::min(std::max(next, config.floor), most_);
}

}  // namespace tapir::tcp
