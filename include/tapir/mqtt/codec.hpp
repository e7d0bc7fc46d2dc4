#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include <tapir/core/error.hpp>
#include <tapir/mqtt/control_packet.hpp>

namespace tapir::mqtt {

/// The largest remaining length: four bytes of seven bits (section 2.2.3).
inline constexpr std::size_t kMaxRemainingLength = 268'435'455;
/// The largest packet: its first byte, four bytes of length, and what they count.
inline constexpr std::size_t kMaxPacketSize = kMaxRemainingLength + 5;

/// Appends the packet's bytes to `out`. On failure `out` is unchanged: malformed_packet or protocol_violation when a field has a value
/// that must not be sent, packet_too_large beyond kMaxRemainingLength.
[[nodiscard]] Result<> encode(const ControlPacket& packet, std::vector<std::byte>& out);

/// The same without the payload of a PUBLISH, which its remaining length counts and the caller sends behind it.
[[nodiscard]] Result<> encode_without_payload(const ControlPacket& packet, std::vector<std::byte>& out);

/// Finds the packets in a byte stream, however it is cut. It stores at most one incomplete packet, and no more of it than has come.
class Decoder {
 public:
  /// `max_packet_size` in bytes, fixed header included; at most kMaxPacketSize.
  explicit Decoder(std::size_t max_packet_size = kMaxPacketSize) noexcept : max_packet_size_{max_packet_size} {}

  /// Takes bytes off the front of `input` up to the end of one packet. nullopt: all input is taken and more is needed.
  /// The first error (malformed_packet, protocol_violation, packet_too_large, unsupported_protocol_version) stays until reset(), for
  /// after it no packet boundary can be trusted.
  [[nodiscard]] Result<std::optional<ControlPacket>> next(std::span<const std::byte>& input);

  /// Forgets an incomplete packet and an error: a new stream begins.
  void reset() noexcept;
  /// Bytes of an incomplete packet held.
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size(); }

 private:
  struct FixedHeader {
    std::size_t size;  ///< bytes of the fixed header
    std::size_t remaining_length;
  };
  [[nodiscard]] Result<std::optional<FixedHeader>> fixed_header(std::span<const std::byte> bytes) const;
  [[nodiscard]] Result<std::optional<ControlPacket>> fill(std::span<const std::byte>& input);
  void take(std::span<const std::byte>& input, std::size_t count);

  std::size_t max_packet_size_;
  std::vector<std::byte> buffer_;
  std::error_code error_;
};

}  // namespace tapir::mqtt
