#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include <tapir/core/packet.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/icmp/icmp.hpp>

namespace tapir::icmp::detail {

/// One run of echo requests: what a Ping refers to. Every call of the handler may end the run, so a caller keeps the session alive meanwhile
/// (shared_from_this) and looks at running() afterwards.
class PingSession : public std::enable_shared_from_this<PingSession> {
 public:
  PingSession(Icmp& icmp, std::uint16_t identifier, IpAddress destination, const PingOptions& options, PingHandler handler);

  /// Sends the first request at the scheduler's next turn.
  void start();
  /// A reply came; the named drop when it answers no request that waits.
  [[nodiscard]] Accepted accept(std::uint16_t sequence, const Packet& data, const network::Received& from);
  /// Whether request `sequence` to `destination` waits for its reply.
  [[nodiscard]] bool waits_for(std::uint16_t sequence, IpAddress destination) const noexcept {
    return destination == destination_ && std::ranges::find(waiting_, sequence, &Waiting::sequence) != waiting_.end();
  }
  /// An error came for a request; false when no such request waits.
  [[nodiscard]] bool fail(std::uint16_t sequence, const network::ErrorReport& report);
  /// Ends the run without a word. Icmp's own table is not touched.
  void detach() noexcept;
  /// Ends the run and gives its identifier back.
  void stop() noexcept;

  [[nodiscard]] std::uint32_t sent() const noexcept { return sent_; }
  [[nodiscard]] std::uint32_t received() const noexcept { return received_; }
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] std::uint16_t identifier() const noexcept { return identifier_; }

 private:
  struct Waiting {
    std::uint16_t sequence;
    TimePoint sent_at;
  };

  [[nodiscard]] bool running() const noexcept { return icmp_ != nullptr; }
  [[nodiscard]] bool more_to_send() const noexcept { return options_.count == 0 || tried_ < options_.count; }
  void on_timer();
  void expire_overdue();
  void send_request();
  void arm();
  [[nodiscard]] bool take_waiting(std::uint16_t sequence, TimePoint* sent_at);
  [[nodiscard]] bool is_intact(const Packet& data) const noexcept;
  void tell(PingEvent event);

  Icmp* icmp_;  ///< nullptr once the run has ended
  std::uint16_t identifier_;
  IpAddress destination_;
  PingOptions options_;
  PingHandler handler_;
  Slice data_;  ///< the same in each request
  Timer timer_;
  TimePoint next_send_;
  std::deque<Waiting> waiting_;  ///< oldest first; all have the same timeout, so the first is the first to expire
  std::uint32_t tried_ = 0;      ///< requests made, those included that could not be sent
  std::uint32_t sent_ = 0;
  std::uint32_t received_ = 0;
  bool finished_ = false;
};

}  // namespace tapir::icmp::detail
