#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tapir::bench {

/// Raw frames on a device, in one of the ways in which Linux offers them to a program. No stack: it is the ways that are compared.
class RawLink {
 public:
  using Take = std::function<void(std::span<const std::byte>)>;

  virtual ~RawLink() = default;
  /// Hands up to a batch of frames to `take`; how many there were.
  virtual std::size_t receive(const Take& take) = 0;
  /// Queues or sends a copy of one frame; false when there is no room.
  virtual bool send(std::span<const std::byte> frame) = 0;
  /// Sends what is queued.
  virtual void flush() {}
  /// What is polled for input.
  [[nodiscard]] virtual int descriptor() const = 0;
};

/// "tap", "packet" (a call a frame), "packet-mmsg" (recvmmsg and sendmmsg), "packet-ring2" and "packet-ring3" (TPACKET_V2 and V3, sending by sendmmsg),
/// "xdp-generic" and "xdp-native" (AF_XDP by copy). Ends the program when the system refuses.
[[nodiscard]] std::unique_ptr<RawLink> open_raw_link(std::string_view kind, const std::string& device);

/// Ends the program, with what the last system call said.
[[noreturn]] void give_up(std::string_view what);

[[nodiscard]] std::unique_ptr<RawLink> open_raw_tap(const std::string& device);
[[nodiscard]] std::unique_ptr<RawLink> open_raw_packet(std::string_view kind, const std::string& device);
[[nodiscard]] std::unique_ptr<RawLink> open_raw_xdp(const std::string& device, bool native);

}  // namespace tapir::bench
