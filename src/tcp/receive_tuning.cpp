#include "receive_tuning.hpp"

#include <algorithm>
#include <chrono>

#include <tapir/core/branch.hpp>

namespace tapir::tcp {

namespace {
constexpr Duration kLeastRtt = std::chrono::milliseconds{1};  // a tick of the timestamps: less cannot be told from nothing
}

void ReceiveTuning::on_echo(std::uint32_t echo_reply, Duration since) noexcept {
  if (echoed_ && echo_reply == last_echo_) return;
  last_echo_ = echo_reply;
  since = std::max(since, kLeastRtt);
  rtt_ = echoed_ && rtt_ ? (7 * *rtt_ + since) / 8 : since;
  echoed_ = true;
}

void ReceiveTuning::on_data(TimePoint now, SeqNum rcv_nxt, std::uint32_t window) noexcept {
  if (likely(window_began_.has_value()) && likely(rcv_nxt < window_end_)) return;
  if (window_began_ && !echoed_) {
    const Duration sample = std::max(now - *window_began_, kLeastRtt);
    rtt_ = rtt_ ? std::min(*rtt_, sample) : sample;
  }
  window_began_ = now;
  window_end_ = rcv_nxt + window;
}

std::optional<std::size_t> ReceiveTuning::on_read(TimePoint now, std::uint64_t total, std::size_t buffer, std::uint32_t mss) noexcept {
  if (unlikely(!round_began_)) round_began_ = now;
  if (!rtt_ || now - *round_began_ < *rtt_) return std::nullopt;
  const std::uint64_t copied = total - round_total_;
  round_began_ = now;
  round_total_ = total;
  if (copied <= last_copied_) return std::nullopt;
  // Twice, for cwnd may double in the next round trip; more in the measure in which reads grew, for that round trip is under way already; some segments
  // for what the application has yet to read.
  std::uint64_t wanted = 2 * copied + 16ULL * mss;
  wanted += 2 * (wanted * std::min<std::uint64_t>(copied - last_copied_, 2 * last_copied_) / last_copied_);
  last_copied_ = copied;
  wanted = std::min<std::uint64_t>(wanted, config_.max_buffer);
  if (wanted <= buffer) return std::nullopt;
  return static_cast<std::size_t>(wanted);
}

}  // namespace tapir::tcp
