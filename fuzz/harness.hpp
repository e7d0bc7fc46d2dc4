#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

#include "socket_calls.hpp"

namespace tapir::fuzz {

inline constexpr std::array<std::uint8_t, 6> kOwnMac{0x02, 0, 0, 0, 0, 0x02};
inline constexpr std::array<std::uint8_t, 6> kPeerMac{0x02, 0, 0, 0, 0, 0x01};
inline constexpr std::uint32_t kOwnAddress = 0xc0000202;   // 192.0.2.2
inline constexpr std::uint32_t kPeerAddress = 0xc0000201;  // 192.0.2.1

/// A link without anything behind it: frames sent are counted and forgotten.
class FuzzLink final : public link::Link {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "fuzz"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&&) override { return {}; }
  [[nodiscard]] bool writable() const noexcept override { return true; }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t) override { return 0; }
  void inject(Packet frame) {
    if (receiver_ != nullptr) (void)receiver_->demultiplex(std::move(frame), {});
  }

 private:
  link::Capabilities capabilities_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
};

/// One host under attack: a stack with an echo service (7) and one that never reads (9), a UDP socket (7) and a call under way (to 80), in
/// virtual time, the same at the start of every input.
class Victim {
 public:
  Victim();

  /// Injects bytes as a frame, as they are.
  void frame(std::span<const std::uint8_t> bytes);
  /// Injects `payload` behind a correct Ethernet header of this type.
  void ethernet(std::uint16_t type, std::span<const std::uint8_t> payload);
  /// Injects `payload` behind correct Ethernet and IPv4 headers. With `checksum_at` the 16-bit Internet checksum there is made right,
  /// over the pseudo-header too if `pseudo_header`: a fuzzer does not guess one.
  void ipv4(std::uint8_t protocol, std::span<const std::uint8_t> payload, std::optional<std::size_t> checksum_at, bool pseudo_header);
  /// Injects `bytes` as an IPv4 datagram whose header checksum is made right.
  void datagram(std::span<const std::uint8_t> bytes);
  /// Injects a TCP segment for one of the connections there are, so that its numbers need not be guessed:
  /// [which][flags][sequence - RCV.NXT: 2][acknowledgment - SND.NXT: 2][window: 2][words of options][options][text].
  void segment(std::span<const std::uint8_t> bytes);
  /// Injects an ICMP error about a segment of one of the connections: [which][type][code][sequence - SND.UNA: 2][rest of header: 4].
  void error(std::span<const std::uint8_t> bytes);
  /// Makes a call as the application: [which][call][size: 2].
  void call(std::span<const std::uint8_t> bytes);
  /// Makes a socket call as another application of the same host: see SocketCalls.
  void socket_call(std::span<const std::uint8_t> bytes);
  /// Lets virtual time pass.
  void wait(Duration time) { world_.run_for(time); }

 private:
  void hold(tcp::Connection connection, bool echo);
  void echo(tcp::Connection& connection);
  [[nodiscard]] tcp::Info pick(std::uint8_t which);

  sim::World world_;
  FuzzLink* link_;
  Stack stack_;
  std::deque<tcp::Connection> connections_;
  std::vector<tcp::Listener> listeners_;
  std::optional<udp::Socket> socket_;
  std::optional<SocketCalls> sockets_;  ///< from the first call on
};

}  // namespace tapir::fuzz
