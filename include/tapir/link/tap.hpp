#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <tapir/core/packet_pool.hpp>
#include <tapir/link/coalescer.hpp>
#include <tapir/link/frame_writer.hpp>
#include <tapir/link/habit.hpp>
#include <tapir/link/link.hpp>
#include <tapir/link/steering.hpp>

namespace tapir::link {

/// How a TAP device is used.
enum class TapMode : std::uint8_t {
  offload,  ///< IFF_VNET_HDR: checksums, TCP super-segments and, since Linux 6.2, UDP's, of up to 64 KiB, are left to the kernel, both ways
  plain,    ///< bare frames of at most MTU + 14 bytes with complete checksums
};

struct TapOptions {
  TapMode mode = TapMode::offload;
  std::size_t mtu = 0;   ///< largest datagram sent, bytes, if less than the device's; 0: the device's
  bool coalesce = true;  ///< TapMode::plain: what has arrived is joined into super-segments: see Coalescer
};

/// Why a TAP device could not be opened, in words that help. A category of its own, so that a message can name the remedy.
enum class TapError {
  no_tun_driver = 1,  ///< /dev/net/tun does not exist
  no_permission,      ///< not allowed to open it or to attach to the device
  bad_name,           ///< empty, longer than 15 bytes, or with a character that no device name has
  busy,               ///< another program holds the device
  not_tap,            ///< the name belongs to a device of another kind
  no_offload,         ///< the kernel refused IFF_VNET_HDR or TSO
  one_queue,          ///< several queues were asked for, and the device exists and was not made for them, or is no TAP device
};
[[nodiscard]] std::error_code make_error_code(TapError error) noexcept;

struct TapStats {
  std::uint64_t in_frames = 0;   ///< read from the device; a super-segment counts as one
  std::uint64_t in_bytes = 0;    ///< of those, Ethernet headers included
  std::uint64_t out_frames = 0;  ///< taken by the device; a super-segment counts as one
  std::uint64_t out_bytes = 0;   ///< of those, Ethernet headers included
  std::uint64_t reads = 0;       ///< read system calls
  std::uint64_t writes = 0;      ///< write system calls
  std::uint64_t in_errors = 0;   ///< reads that failed, other than for there being nothing (the device is gone, for example)
  std::uint64_t out_errors = 0;  ///< frames that the device refused, other than for being full (it is down, for example)
};

struct TapQueues;

/// A Linux TAP device, or one queue of it (Documentation/networking/tuntap.rst), non-blocking. Owns the file descriptor; a device that it
/// created disappears with it. One thread.
class Tap final : public Link {
 public:
  /// Attaches to the device `name`, creating it when it does not exist; "tap%d" creates one with a free number. Fails with a TapError, or with
  /// the system's error otherwise.
  [[nodiscard]] static Result<Tap> open(const std::string& name, TapOptions options = {});
  /// Likewise, as many queues (IFF_MULTI_QUEUE) as `steering` has shards: each may be used by a thread of its own. A device that exists has to have been
  /// made for several queues. The kernel is asked to put each frame into the queue that `steering` names; where it refuses it chooses by itself, so
  /// whoever reads a queue still looks whose a frame is.
  [[nodiscard]] static Result<TapQueues> open_queues(const std::string& name, const Steering& steering, TapOptions options = {});

  Tap(Tap&& other) noexcept;
  Tap& operator=(Tap&& other) noexcept;
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;
  ~Tap() override;

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& frame) override;
  [[nodiscard]] bool writable() const noexcept override { return writer_.writable(); }
  void attach(Demultiplexer<Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t budget) override;
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return descriptor_; }
  void defer_to(Scheduler* scheduler) noexcept override { writer_.defer_to(scheduler); }
  void set_writable() noexcept override { writer_.set_writable(); }
  [[nodiscard]] std::vector<Counter> counters() const override;
  [[nodiscard]] DropCounters drop_counters() const noexcept override { return drops_; }

  /// Whether the device is up (IFF_UP). One that is down hears nothing and takes no frame; a device is created down.
  [[nodiscard]] bool is_up() const noexcept;
  [[nodiscard]] TapStats stats() const noexcept;
  /// Frames dropped here, by reason.
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  Tap(std::string name, int descriptor, const TapOptions& options, std::size_t mtu);
  [[nodiscard]] static Result<Tap> open_queue(const std::string& name, TapOptions options, int more_flags);
  /// Reads one frame and hands it up; false when there is none.
  bool read_frame();
  [[nodiscard]] Packet take_landed(std::size_t size);
  void hand_up(Packet&& frame);

  std::string name_;
  int descriptor_ = -1;
  TapMode mode_ = TapMode::offload;
  bool coalesce_ = false;
  Coalescer coalescer_;
  Capabilities capabilities_;
  Demultiplexer<Received>* receiver_ = nullptr;
  std::unique_ptr<PacketPool> pool_;
  SlabRef landing_;  ///< where the next frame is read to
  FrameWriter writer_;
  std::array<Habit, 8> more_;  ///< [n]: whether another frame follows n that were read in a row; the last: that many or more
  TapStats in_;                ///< of what is read
  DropCounters drops_;
};

/// The queues of one device.
struct TapQueues {
  std::vector<Tap> queues;
  std::error_code unsteered;  ///< why the kernel does not steer as it was asked to; no error: it does
};

}  // namespace tapir::link

template <>
struct std::is_error_code_enum<tapir::link::TapError> : std::true_type {};
