#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <tapir/core/observer.hpp>

namespace tapir {

/// Tells what happens inside a stack as a story for people, one line an event: which layer put on or took off which header, with its
/// fields, and every drop, state change, timer and loss. Give it to a stack as its observer; it must outlive the stack.
///
///       0.000412 down tcp       PSH, ACK          20 + 61 bytes   192.0.2.2:49152 > 192.0.2.1:1883 seq 1 ack 5 window 65535
class Journey final : public Observer {
 public:
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
