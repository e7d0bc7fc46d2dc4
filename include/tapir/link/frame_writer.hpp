#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

#include <tapir/core/error.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/core/scheduler.hpp>

namespace tapir::link {

/// Writes frames to a non-blocking descriptor, a system call each, in order. One thread.
///
/// A frame in one piece that is sent while its scheduler defers (Scheduler::Deferral) is kept until the pull is over. What the device then has no room for stays,
/// and goes first when there is some. What it refuses for another reason is counted here alone; after that nothing is kept until a frame is taken, so that
/// whoever sends the next one hears of it.
class FrameWriter final : private Deferred {
 public:
  struct Stats {
    std::uint64_t frames = 0;  ///< taken by the device; a super-segment counts as one
    std::uint64_t bytes = 0;   ///< of those, without the device's own header
    std::uint64_t calls = 0;   ///< write system calls
    std::uint64_t errors = 0;  ///< frames that the device refused, other than for being full: they are lost
  };

  /// `header_size`: bytes of the device's own header, which each frame begins with. The descriptor is somebody else's, and outlives this.
  FrameWriter(int descriptor, std::size_t header_size) noexcept : descriptor_{descriptor}, header_size_{header_size} {}
  /// Not within a pull. What is kept moves along; the other has no descriptor any more.
  FrameWriter(FrameWriter&& other) noexcept;
  FrameWriter& operator=(FrameWriter&& other) noexcept;
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;
  ~FrameWriter() = default;

  /// Error::would_block when the device is full, else the system's error; the frame is lost then.
  [[nodiscard]] Result<> write(const Packet& frame);
  /// Whether there may be room.
  [[nodiscard]] bool writable() const noexcept { return writable_; }
  /// There is some again.
  void set_writable() noexcept;
  /// By whose pulls frames are kept; nullptr: they are not.
  void defer_to(Scheduler* scheduler) noexcept { scheduler_ = scheduler; }
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

 private:
  void run_deferred() noexcept override;
  bool write_kept() noexcept;
  [[nodiscard]] ssize_t write_pieces(const Packet& frame) const;
  [[nodiscard]] Result<> written(ssize_t result, std::size_t size) noexcept;

  int descriptor_;
  std::size_t header_size_;
  bool writable_ = true;
  Scheduler* scheduler_ = nullptr;
  bool sound_ = true;  ///< the device has not refused the latest frame for good
  bool keeps_ = false;
  Slice kept_;  ///< while keeps_; or the frame before, whose memory is let go of where the processor's caches have it
  Stats stats_;
};

}  // namespace tapir::link
