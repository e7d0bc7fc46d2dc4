#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <tapir/core/observer.hpp>

namespace tapir {

/// Tells what happens inside a stack as a story for people, one line an event: which layer put on (down) or took off (up) which header, how
/// many bytes that is and how many are behind it, and what it says; and every drop, state change, timer and loss. Times are seconds since the
/// first event. TCP's numbers count from the start of the connection. Give it to a stack as its observer; it must outlive the stack.
///
///     0.000412 down mqtt     PUBLISH    22 + 54 bytes   topic room/temperature qos 1 id 1
///     0.000412 down tcp      PSH, ACK   20 + 76 bytes   192.0.2.2:49152 > 192.0.2.1:1883 seq 27 ack 5 win 65531
///     0.000412 down ipv4     datagram   20 + 96 bytes   192.0.2.2 > 192.0.2.1 TCP ttl 64 DF
///     0.000412 down ethernet frame      14 + 116 bytes  02:00:00:00:00:02 > 02:00:00:00:00:01 IPv4
class Journey final : public Observer {
 public:
  /// No line is longer; one that would be ends in "...". Most are below 106, so that there is room in a terminal for who speaks.
  static constexpr std::size_t max_columns = 118;

  /// `line` gets every line of the story, without a line end, on the stack's thread.
  explicit Journey(std::function<void(std::string_view)> line) : line_{std::move(line)} {}

  /// While paused nothing is told, only counted.
  void pause() noexcept { paused_ = true; }
  void resume() noexcept { paused_ = false; }
  /// Events that went by while paused.
  [[nodiscard]] std::uint64_t untold() const noexcept { return untold_; }

  void crossed(const Crossing& crossing) override;
  void dropped(const DropEvent& drop) override;
  void changed_state(const StateChange& change) override;
  void expired(const TimerEvent& timer) override;
  void congested(const CongestionEvent& event) override;

 private:
  void tell(TimePoint at, std::string_view text);

  std::function<void(std::string_view)> line_;
  std::optional<TimePoint> start_;  ///< the first event's time: the story counts from there
  std::uint64_t untold_ = 0;
  bool paused_ = false;
};

}  // namespace tapir
