#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <tapir/core/drop.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/core/time.hpp>

namespace tapir {
class Scheduler;
}

namespace tapir::link {

/// What a link can do and what its frames carry.
struct Capabilities {
  std::size_t mtu = 1500;             ///< largest network-layer datagram in one frame, bytes
  bool carries_fcs = false;           ///< frames end with the 4-byte frame check sequence (sim::Cable); TAP frames have none
  bool completes_checksums = false;   ///< takes packets with ChecksumState::partial
  std::size_t max_super_segment = 0;  ///< largest IPv4 datagram taken as a TCP super-segment, bytes; 0: none
  bool split_above = false;           ///< where it takes none: Ethernet takes them and cuts them, so that they go through the layers once
  bool tells_queue = false;           ///< queued_until() says something; where it does not, nobody asks
  bool cuts_datagrams = false;        ///< what it takes as a TCP super-segment it takes as a UDP super-datagram, too

  /// Largest IPv4 datagram that TCP had better hand down as a super-segment, bytes; 0: none.
  [[nodiscard]] constexpr std::size_t super_segment() const noexcept {
    return max_super_segment == 0 && split_above ? 65535 : max_super_segment;
  }
  /// Largest IPv4 datagram taken as a super-packet of this kind, bytes; 0: none.
  [[nodiscard]] constexpr std::size_t largest(GsoKind kind) const noexcept {
    return kind == GsoKind::tcp4 || (kind == GsoKind::udp4 && cuts_datagrams) ? max_super_segment : 0;
  }
};

/// One count that a link keeps, for people: {"outErrors", 3}.
struct Counter {
  std::string_view name;  ///< a string literal
  std::uint64_t value = 0;
};

/// What a link reports with each frame. The frame's own facts (ingress time, checksum and gso state) are in its PacketMeta.
struct Received {};

/// A device that carries Ethernet frames: TAP, a simulated cable, or a wrapper around another link (capture, impairment).
/// Used by one thread.
class Link {
 public:
  virtual ~Link() = default;

  /// As captures and printed routes show it: "tap0".
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// What the link does by itself: its limits and its offloads. The same object for as long as the link lives.
  [[nodiscard]] virtual const Capabilities& capabilities() const noexcept = 0;

  /// Sends one frame, destination address first. Error::would_block when the device's queue is full: the frame is then lost, counted by the
  /// caller; ask writable() first. Error::message_too_large beyond the link's limits.
  [[nodiscard]] virtual Result<> transmit(Packet&& frame) = 0;
  /// Whether transmit() would take a frame now. When it turns true again the link's driver calls Scheduler::unblock().
  [[nodiscard]] virtual bool writable() const noexcept = 0;

  /// When the last frame that transmit() took will have left the device, as far as it can tell; nullopt: none waits there, or it cannot.
  [[nodiscard]] virtual std::optional<TimePoint> queued_until() const noexcept { return std::nullopt; }

  /// Received frames go to `receiver` from now on; nullptr: they are discarded.
  virtual void attach(Demultiplexer<Received>* receiver) noexcept = 0;

  /// Reads at most `budget` frames from the device and hands them up. How many were read; there may be more. 0 for links that deliver by themselves.
  virtual std::size_t drain(std::size_t budget) = 0;
  /// The file descriptor that a Runtime waits on; nullopt for links without one.
  [[nodiscard]] virtual std::optional<int> descriptor() const noexcept { return std::nullopt; }
  /// While `scheduler` defers (Scheduler::Deferral), transmit() may keep a frame back until the pull is over, and what then becomes of it only counters() tell;
  /// nullptr: it does not. For the driver.
  virtual void defer_to(Scheduler* /*scheduler*/) noexcept {}
  /// The driver saw that the descriptor takes data again.
  virtual void set_writable() noexcept {}

  /// What the link has counted, zeros included; those of the links that it wraps follow.
  [[nodiscard]] virtual std::vector<Counter> counters() const { return {}; }
  /// Received frames that the link dropped itself, by reason; a wrapper's are those of the link below.
  [[nodiscard]] virtual DropCounters drop_counters() const noexcept { return {}; }
};

}  // namespace tapir::link
