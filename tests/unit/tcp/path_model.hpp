#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include <tapir/sim/seeded_random.hpp>
#include <tapir/tcp/congestion_control.hpp>

#include "tcp/delivery_rate.hpp"
#include "tcp/pacer.hpp"

namespace tapir::test {

struct Path {
  double bytes_per_second = 1.25e6;
  Duration rtt = std::chrono::milliseconds{40};  ///< without a queue
  std::uint32_t queue_bytes = 200'000;
  double loss = 0;
  bool ecn = false;  ///< marks instead of drops what finds half a queue
};

/// A sender that always has something to send, on a path with one bottleneck: what SACK tells, at the time at which it would. For algorithms on their own.
class PathModel {
 public:
  static constexpr std::uint32_t kMss = 1000;

  PathModel(tcp::CongestionControl& control, const Path& path) : path{path}, control_{&control} { control.on_established(0); }

  /// Runs until `end`.
  void run(Duration time) {
    const TimePoint end = now + time;
    while (now < end) {
      send();
      TimePoint next = end;
      if (!in_flight_.empty()) next = std::min(next, in_flight_.front().ack_at);
      if (!lost_.empty()) next = std::min(next, lost_.front().ack_at);
      if (pacer_.next() > now && in_network_ + kMss <= control_->cwnd()) next = std::min(next, pacer_.next());
      now = std::max(next, now + Duration{1});
      receive();
    }
  }
  /// Bytes per second since the last call.
  double goodput() {
    const double rate = static_cast<double>(rate_.delivered() - counted_) / std::chrono::duration<double>(now - counted_at_).count();
    counted_ = rate_.delivered();
    counted_at_ = now;
    return rate;
  }
  /// Delay of what is sent now, with the queue.
  [[nodiscard]] Duration delay() const { return std::max(line_free_ - now, Duration::zero()) + path.rtt; }
  [[nodiscard]] std::uint32_t in_network() const { return in_network_; }

  Path path;
  TimePoint now{};
  std::uint64_t lost_segments = 0;
  Duration worst_delay{};                   ///< since it was last set
  std::function<void()> after_ack = [] {};  ///< is called after each acknowledgment

 private:
  struct Segment {
    TimePoint ack_at{}, sent_at{};
    tcp::DeliveryStamp stamp{};
    tcp::SeqNum end{};
    bool marked = false;
  };

  void send() {
    pacer_.set_rate(control_->pacing_rate());
    while (in_network_ + kMss <= control_->cwnd() && pacer_.may_send(now)) {
      control_->on_sent({.now = now, .bytes = kMss, .in_flight = in_network_});
      pacer_.on_sent(kMss, now);
      nxt_ += kMss;
      Segment segment{.sent_at = now, .stamp = rate_.on_sent(now, in_network_ + kMss, in_network_ == 0), .end = nxt_};
      in_network_ += kMss;
      const double waiting = std::chrono::duration<double>(std::max(line_free_ - now, Duration::zero())).count() * path.bytes_per_second;
      worst_delay = std::max(worst_delay, delay());
      if (waiting + kMss > path.queue_bytes || random_.fraction() < path.loss) {
        segment.ack_at = std::max(line_free_, now) + path.rtt + std::chrono::milliseconds{1};  // when its successors show it
        lost_.push_back(segment);
        continue;
      }
      segment.marked = path.ecn && waiting > path.queue_bytes / 2.0;
      line_free_ =
          std::max(line_free_, now) + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(kMss / path.bytes_per_second));
      segment.ack_at = line_free_ + path.rtt;
      in_flight_.push_back(segment);
    }
  }

  void receive() {
    std::uint32_t newly_lost = 0;
    for (; !lost_.empty() && lost_.front().ack_at <= now; lost_.pop_front()) {
      in_network_ -= kMss;
      rate_.on_lost(kMss);
      newly_lost += kMss;
      ++lost_segments;
      if (!recover_) {
        recover_ = nxt_;
        control_->on_loss({.now = now, .flight_size = in_network_ + kMss, .cause = tcp::Congestion::loss, .in_flight = in_network_});
      }
      control_->on_lost({.now = now,
                         .bytes = kMss,
                         .in_flight_at_send = lost_.front().stamp.in_flight,
                         .lost_bytes = rate_.lost() - lost_.front().stamp.lost,
                         .total_delivered_bytes = rate_.delivered(),
                         .app_limited = lost_.front().stamp.app_limited});
    }
    for (; !in_flight_.empty() && in_flight_.front().ack_at <= now; in_flight_.pop_front()) {
      acknowledge(in_flight_.front(), std::exchange(newly_lost, 0));
    }
  }

  void acknowledge(const Segment& segment, std::uint32_t newly_lost) {
    in_network_ -= kMss;
    rate_.on_delivered(now, kMss, segment.sent_at, segment.stamp);
    const bool held_back = control_->holds_back();
    if (recover_ && segment.end > *recover_) {
      recover_.reset();
      control_->on_recovered({.now = now, .acked_bytes = kMss, .flight_size = in_network_});
    }
    if (segment.marked && (!marked_ || segment.end > *marked_)) {
      marked_ = nxt_;
      control_->on_loss({.now = now, .flight_size = in_network_, .cause = tcp::Congestion::ecn, .in_flight = in_network_});
    }
    control_->on_ack({.now = now,
                      .acked_bytes = kMss,
                      .delivered_bytes = kMss,
                      .lost_bytes = newly_lost,
                      .flight_size = in_network_,
                      .in_flight = in_network_,
                      .snd_una = segment.end,
                      .snd_nxt = nxt_,
                      .rtt = now - segment.sent_at,
                      .cwnd_limited = in_network_ + 2 * kMss > control_->cwnd(),
                      .in_recovery = recover_.has_value(),
                      .ece = segment.marked,
                      .rate = rate_.take_sample(std::nullopt)});
    if (held_back || control_->holds_back()) rate_.on_app_limited(in_network_);
    after_ack();
  }

  tcp::CongestionControl* control_;
  tcp::Pacer pacer_;
  sim::SeededRandom random_{3};
  std::deque<Segment> in_flight_;
  std::deque<Segment> lost_;
  std::uint32_t in_network_ = 0;
  tcp::DeliveryRate rate_;
  std::uint64_t counted_ = 0;
  TimePoint counted_at_{};
  TimePoint line_free_{};
  tcp::SeqNum nxt_{0xffff'0000U};
  std::optional<tcp::SeqNum> recover_, marked_;
};

}  // namespace tapir::test
