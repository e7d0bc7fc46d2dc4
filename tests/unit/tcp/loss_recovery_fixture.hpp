#pragma once

#include <catch2/catch.hpp>

#include <initializer_list>
#include <optional>
#include <utility>

#include "tcp/loss_recovery.hpp"

/// A LossRecovery told of whole segments of 1000 bytes, counted from 0, with no connection behind it.
namespace tapir::test {

using namespace std::chrono_literals;

class RecoveryBench {
 public:
  static constexpr std::uint32_t kMss = 1000;
  /// [begin, end) in segments.
  using Segments = std::pair<std::uint32_t, std::uint32_t>;

  /// A connection whose handshake took 40 ms at time zero, with SACK or without. The numbers wrap after the third segment.
  explicit RecoveryBench(bool sack = true, const tcp::LossRecovery::Config& config = {}) : recovery{config, rtt, kBase - 1} {
    recovery.on_mss_change(kMss);
    recovery.on_sent(kBase - 1, kBase, now);
    now += 40ms;
    const auto outcome = recovery.on_ack({.now = now, .arrived = now, .ack = kBase, .max_window = 65535});
    REQUIRE(outcome.acked == 1);
    recovery.on_established(sack);
  }

  [[nodiscard]] static tcp::SeqNum at(std::uint32_t segment) { return kBase + segment * kMss; }
  void advance(Duration time) { now += time; }
  /// Segments [begin, end) leave at once.
  void send(std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i) recovery.on_sent(at(i), at(i + 1), now);
  }
  /// Sends everything that is lost again.
  std::uint32_t resend() {
    std::uint32_t count = 0;
    while (const auto* lost = recovery.queue().next_lost()) {
      const auto begin = lost->begin;
      recovery.on_sent(begin, begin + kMss, now);
      ++count;
    }
    return count;
  }
  [[nodiscard]] tcp::AckReport report(std::uint32_t ack, std::initializer_list<Segments> blocks = {}) const {
    tcp::AckReport report{.now = now, .arrived = now, .ack = at(ack), .max_window = 1'000'000};
    report.duplicate = recovery.queue().front() != nullptr && recovery.queue().front()->begin == at(ack);
    for (const auto& [begin, end] : blocks) REQUIRE(report.sack.push_back({at(begin), at(end)}));
    return report;
  }
  /// The peer acknowledges segments before `ack`, and `blocks` beyond.
  tcp::AckOutcome ack(std::uint32_t ack, std::initializer_list<Segments> blocks = {}) { return recovery.on_ack(report(ack, blocks)); }
  /// The same, echoing the timestamp of a segment that left before `echo_before`.
  tcp::AckOutcome ack_echoing(TimePoint echo_before, std::uint32_t ack, std::initializer_list<Segments> blocks = {}) {
    auto said = report(ack, blocks);
    said.echo_before = echo_before;
    return recovery.on_ack(said);
  }
  [[nodiscard]] bool lost(std::uint32_t segment) const {
    const auto* range = recovery.queue().find(at(segment));
    return range != nullptr && range->lost;
  }
  [[nodiscard]] std::uint32_t lost_segments() const { return recovery.queue().lost_bytes() / kMss; }

  static constexpr tcp::SeqNum kBase{0xffff'f448U};
  TimePoint now{};
  tcp::RttEstimator rtt{tcp::RttEstimator::Config{.min_rto = 200ms}};
  tcp::LossRecovery recovery;
};

}  // namespace tapir::test
