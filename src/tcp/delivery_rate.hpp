#pragma once

#include <cstdint>
#include <optional>

#include <tapir/core/time.hpp>
#include <tapir/tcp/congestion_control.hpp>

namespace tapir::tcp {

/// What the connection had seen when octets were sent: kept with them until they are delivered (draft-ietf-ccwg-bbr section 4.1.2.2).
struct DeliveryStamp {
  std::uint64_t delivered = 0;  ///< bytes delivered by then
  std::uint64_t lost = 0;       ///< bytes found lost by then
  TimePoint delivered_at{};     ///< when the latest of them was
  TimePoint first_sent_at{};    ///< when the first of the flight then outstanding was sent
  std::uint32_t in_flight = 0;  ///< bytes in the network, those sent included
  bool app_limited = false;     ///< the application set the pace

  friend bool operator==(const DeliveryStamp&, const DeliveryStamp&) noexcept = default;
};

/// Delivery rate estimation (draft-ietf-ccwg-bbr section 4.1): one sample for each acknowledgment that delivers something.
class DeliveryRate {
 public:
  /// Something is about to be sent. `in_flight`: bytes in the network, those to be sent included; `flight_begins`: nothing was outstanding.
  [[nodiscard]] DeliveryStamp on_sent(TimePoint now, std::uint32_t in_flight, bool flight_begins) noexcept;
  /// `bytes`, sent last at `sent` with `stamp`, are newly acknowledged, in order or selectively. Several calls make one acknowledgment.
  void on_delivered(TimePoint now, std::uint32_t bytes, TimePoint sent, const DeliveryStamp& stamp) noexcept;
  void on_lost(std::uint32_t bytes) noexcept { lost_ += bytes; }
  /// They were no loss that says anything of the path.
  void forget_lost(std::uint32_t bytes) noexcept { lost_ -= bytes; }
  /// The sender has nothing to send although it might: until what is in flight is delivered, samples tell of the application.
  void on_app_limited(std::uint32_t in_flight) noexcept;
  /// The sample of the acknowledgment whose deliveries were told; empty when it delivered nothing, or faster than the path can: a retransmission
  /// whose original was acknowledged.
  [[nodiscard]] std::optional<RateSample> take_sample(std::optional<Duration> min_rtt) noexcept;

  /// What a program is told of the path, as Linux' tcp_info has it.
  struct Rate {
    std::uint64_t bytes_per_second = 0;
    bool app_limited = false;
  };
  /// The latest sample, where the application did not limit it or it is no slower than the one before; empty before there is one.
  [[nodiscard]] const std::optional<Rate>& best() const noexcept { return best_; }

  /// Bytes delivered in the life of the connection, SYN and FIN counted.
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  void note(const RateSample& sample) noexcept;

  /// The most recently sent of what an acknowledgment delivered.
  struct Newest {
    TimePoint sent{};
    DeliveryStamp stamp{};
  };

  std::uint64_t delivered_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t app_limited_until_ = 0;  ///< in delivered bytes; 0: not limited
  TimePoint delivered_at_{};
  TimePoint first_sent_at_{};
  std::optional<Newest> newest_;
  std::optional<Rate> best_;
};

}  // namespace tapir::tcp
