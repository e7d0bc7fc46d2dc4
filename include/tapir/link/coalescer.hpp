#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <tapir/core/packet.hpp>
#include <tapir/link/link.hpp>

namespace tapir::link {

/// Joins TCP segments that a device delivers in a row into one super-segment, as Linux' generic receive offload and hardware's large receive offload do:
/// the layers above then see one packet for many frames. It is cut apart again into the same segments by a Segmenter.
///
/// Frames are joined that differ in nothing but what a cut super-segment's would: Ethernet II without tags, IPv4 without options and fragments, the same
/// addresses, ports, acknowledgment, window and TCP options, ACK and at most PSH set, the next sequence number, payload as long as the first's but for the
/// last. Their checksums are checked first; what has a wrong one goes up alone, for the layer that counts it. No frame overtakes another.
/// One thread.
class Coalescer {
 public:
  /// Largest IPv4 datagram made, bytes.
  static constexpr std::size_t kLargest = 65535;

  Coalescer() = default;

  /// Takes a frame that has just been received. What cannot be joined with it goes up to `up` at once, and so does the frame when it cannot wait.
  [[gnu::noinline]] void take(Packet frame, Demultiplexer<Received>& up);
  /// Joins a frame with what is held, which takes a copy of its payload, when it is what comes next. Otherwise nothing has happened, and take() is to have it.
  [[nodiscard]] bool join_next(const Packet& frame, Demultiplexer<Received>& up);
  /// No more frames are there for now: what is held goes up.
  [[gnu::noinline]] void flush(Demultiplexer<Received>& up);
  /// Nobody is there to hand anything to.
  void discard() noexcept {
    held_.reset();
    joined_ = SlabRef{};
  }

 private:
  /// A frame that may be joined with others.
  struct Segment {
    std::span<const std::byte> headers;  ///< Ethernet, IPv4 and TCP, of `frame`
    std::size_t payload_size;
  };
  [[nodiscard]] static std::optional<Segment> candidate(const Packet& frame);
  [[nodiscard]] static bool checksum_ok(const Packet& frame, const Segment& segment);
  [[nodiscard]] bool continues(const Segment& segment) const;
  [[nodiscard]] bool last_of_all(const Segment& segment) const;
  void join(const Packet& frame, const Segment& segment);
  void hold(Packet frame, const Segment& segment);
  void write_headers();

  std::optional<Packet> held_;    ///< the first frame, or what it and its successors have become
  std::size_t headers_size_ = 0;  ///< bytes of headers in it
  std::size_t mss_ = 0;           ///< payload bytes of the first
  std::size_t payload_size_ = 0;  ///< of all
  std::size_t segments_ = 0;      ///< that it is made of
  std::uint16_t first_identification_ = 0;
  std::uint32_t next_sequence_ = 0;
  bool pushed_ = false;  ///< the last one has PSH
  SlabRef joined_;       ///< where the bytes of several lie
};

}  // namespace tapir::link
