#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// Dynamic right-sizing of the receive buffer (Fisk and Feng, 2001), as Linux does it: the application's reads in one round trip show what cwnd the
/// sender has, and the window offered stays ahead of its doubling in slow start. An application that does not read gets no larger buffer.
class ReceiveTuning {
 public:
  struct Config {
    std::size_t max_buffer = std::size_t{6} << 20U;  ///< bytes
    std::uint32_t initial_window = 14600;            ///< bytes: reads of less in a round trip ask for nothing
  };

  explicit ReceiveTuning(const Config& config) noexcept : config_{config}, last_copied_{config.initial_window} {}

  /// An echoed timestamp in a full data segment says how long a round trip takes: from our ACK to the data that it made the peer send. `echo_reply` is
  /// taken once.
  void on_echo(std::uint32_t echo_reply, Duration since) noexcept;
  /// In-order data arrived, RCV.NXT is now `rcv_nxt` and `window` bytes may follow. Where there are no timestamps, the time in which a whole window
  /// arrives is taken for a round trip: it is no shorter.
  void on_data(TimePoint now, SeqNum rcv_nxt, std::uint32_t window) noexcept;
  /// The application has read `total` bytes since the connection began. A larger buffer than `buffer`, when one is worth while.
  [[nodiscard]] std::optional<std::size_t> on_read(TimePoint now, std::uint64_t total, std::size_t buffer, std::uint32_t mss) noexcept;

  /// The round trip as the receiver sees it; empty before there is a measurement.
  [[nodiscard]] std::optional<Duration> rtt() const noexcept { return rtt_; }

 private:
  Config config_;
  std::optional<Duration> rtt_;
  bool echoed_ = false;  ///< rtt_ comes from timestamps
  std::uint32_t last_echo_ = 0;
  std::optional<TimePoint> window_began_;
  SeqNum window_end_;
  std::optional<TimePoint> round_began_;
  std::uint64_t round_total_ = 0;
  std::uint64_t last_copied_;  ///< bytes read in the best round trip so far
};

}  // namespace tapir::tcp
