#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include <tapir/core/destruction.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/core/scheduler.hpp>

namespace tapir::link {

/// Frames on their way: each is handed out when its time has come, those of one moment in the order in which they were put in.
/// Bounded. `scheduler` must outlive it. One thread.
class DelayLine {
 public:
  /// Frames are handed to `deliver`, which may destroy this line, throw, or have the scheduler go on: the others do not wait for it. At most `limit` frames are on
  /// their way at once.
  DelayLine(Scheduler& scheduler, std::function<void(Packet)> deliver, std::size_t limit = 65536);
  DelayLine(const DelayLine&) = delete;
  DelayLine& operator=(const DelayLine&) = delete;

  /// The frame arrives at `due`, or at the next turn when that has passed. False, and the frame is gone, when the line is full.
  bool put(Packet frame, TimePoint due);
  /// Loses all frames on their way.
  void clear() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return frames_.size(); }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  [[nodiscard]] bool full() const noexcept { return frames_.size() >= limit_; }

 private:
  void on_due();

  Scheduler& scheduler_;
  std::function<void(Packet)> deliver_;
  std::size_t limit_;
  std::uint64_t order_ = 0;
  std::map<std::pair<TimePoint, std::uint64_t>, Packet> frames_;
  Timer timer_;
  Destruction destruction_;
};

}  // namespace tapir::link
