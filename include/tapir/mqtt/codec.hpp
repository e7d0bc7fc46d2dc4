#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

/// Appends the packet's bytes to `out`, in the form of `version`; a CONNECT says its own. On failure `out` is unchanged: a field has a
/// value that must not be sent (malformed_packet, protocol_violation, the errors of properties and reason codes), not_in_this_version,
/// packet_too_large beyond kMaxRemainingLength; invalid_argument for a payload that has to be read from a source.
[[nodiscard]] Result<> encode(const ControlPacket& packet, std::vector<std::byte>& out, ProtocolVersion version = ProtocolVersion::v3_1_1);

/// The same without the payload of a PUBLISH, which its remaining length counts and the caller sends behind it.
[[nodiscard]] Result<> encode_without_payload(const ControlPacket& packet, std::vector<std::byte>& out,
                                              ProtocolVersion version = ProtocolVersion::v3_1_1);

/// Finds the packets in a byte stream, however it is cut. It stores at most one incomplete packet, and no more of it than has come.
/// CONNECT sets the version of what follows it.
class Decoder {
 public:
  /// `max_packet_size` in bytes, fixed header included; at most kMaxPacketSize.
  explicit Decoder(std::size_t max_packet_size = kMaxPacketSize, ProtocolVersion version = ProtocolVersion::v3_1_1) noexcept
      : max_packet_size_{max_packet_size}, version_{version} {}

  /// Takes bytes off the front of `input` up to the end of one packet. nullopt: all input is taken and more is needed.
  /// The first error (the errors of mqtt::Error for packets) stays until reset(), for after it no packet boundary can be trusted.
  [[nodiscard]] Result<std::optional<ControlPacket>> next(std::span<const std::byte>& input);

  /// A PUBLISH of more than `bytes` comes from next() without its payload, as soon as the rest of it has come. Then payload_left() says
  /// how long the payload is, and take_payload() has to be called until it is 0.
  void stream_above(std::size_t bytes) noexcept { stream_above_ = bytes; }
  [[nodiscard]] std::size_t payload_left() const noexcept { return payload_left_; }
  /// Takes the payload's next bytes off the front of `input`, as many as there are.
  [[nodiscard]] std::span<const std::byte> take_payload(std::span<const std::byte>& input) noexcept;

  /// Forgets an incomplete packet and an error: a new stream begins.
  void reset() noexcept;
  void set_version(ProtocolVersion version) noexcept { version_ = version; }
  /// Bytes of a packet that is longer are not waited for: packet_too_large.
  void set_max_packet_size(std::size_t bytes) noexcept { max_packet_size_ = bytes; }
  /// Lets pass what the standard forbids the sender and what does no harm: DUP with QoS 0, bytes behind CONNACK's properties, and
  /// whatever UNSUBACK says of its filters (which is then not reported).
  void set_lenient(bool lenient) noexcept { lenient_ = lenient; }
  /// Bytes of an incomplete packet held.
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size(); }

 private:
  struct FixedHeader {
    std::size_t size;  ///< bytes of the fixed header
    std::size_t remaining_length;
  };
  [[nodiscard]] Result<std::optional<FixedHeader>> fixed_header(std::span<const std::byte> bytes) const;
  [[nodiscard]] Result<std::optional<ControlPacket>> fill(std::span<const std::byte>& input);
  [[nodiscard]] Result<std::optional<ControlPacket>> fill_head(std::span<const std::byte>& input, FixedHeader header);
  [[nodiscard]] Result<ControlPacket> read(std::uint8_t first, std::span<const std::byte> body,
                                           std::shared_ptr<const std::vector<std::byte>> owner);
  [[nodiscard]] bool is_streamed(std::byte first, std::size_t size) const noexcept;
  void take(std::span<const std::byte>& input, std::size_t count);

  std::size_t max_packet_size_;
  std::size_t stream_above_ = kMaxPacketSize;
  std::size_t payload_left_ = 0;
  std::vector<std::byte> buffer_;
  std::error_code error_;
  ProtocolVersion version_;
  bool lenient_ = false;
};

}  // namespace tapir::mqtt
