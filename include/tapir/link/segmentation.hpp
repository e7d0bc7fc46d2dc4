#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include <tapir/core/checksum.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::link {

/// Completes a partial transport checksum (ChecksumState::partial): the field holds the pseudo-header's sum, meta().transport says where the
/// transport header starts. Does nothing to other packets. UDP's checksum of zero is written as 0xFFFF, since zero means none there (RFC 768).
void complete_checksum(Packet& packet);

/// Cuts a super-packet into the packets that TCP or UDP would have sent one by one: at most meta().gso_size payload bytes each, IPv4 total length,
/// identification and header checksum; TCP sequence number and flags (FIN and PSH only on the last, CWR only on the first), or UDP's length; and a complete
/// checksum. What lies before the network header is repeated on each. Payload is shared, not copied.
/// A packet that is no super-packet comes out as it is, its checksum completed.
class Segmenter {
 public:
  explicit Segmenter(Packet packet);
  /// The next packet; nullopt when there is no more.
  [[nodiscard]] std::optional<Packet> next();

 private:
  [[nodiscard]] bool read_headers();
  void write_headers(std::span<std::byte> headers, std::size_t payload_size) const;
  void write_tcp_header(std::span<std::byte> tcp, std::uint16_t checksum) const;

  Packet rest_;         ///< what has not been cut off yet: without the headers, once those are known
  bool whole_ = false;  ///< no super-packet: one packet
  bool over_ = false;
  std::array<std::byte, Packet::headroom> headers_{};  ///< everything before the payload
  std::size_t headers_size_ = 0;
  std::size_t network_ = 0;    ///< where in it the network header starts, bytes
  std::size_t transport_ = 0;  ///< likewise
  PacketMeta meta_;
  std::uint16_t first_identification_ = 0;
  InternetChecksum header_sum_;         ///< of the network header, without what differs from packet to packet
  InternetChecksum pseudo_header_sum_;  ///< likewise
  std::size_t index_ = 0;               ///< of the next packet
  std::size_t offset_ = 0;              ///< payload bytes before it
};

/// The packets that a Segmenter makes of `packet` go to `take`.
template <std::invocable<Packet> Take>
void split(Packet packet, Take&& take) {
  Segmenter segments{std::move(packet)};
  while (auto segment = segments.next()) take(std::move(*segment));
}

}  // namespace tapir::link
