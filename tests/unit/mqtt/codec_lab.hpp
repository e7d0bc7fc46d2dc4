#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>

#include <catch2/catch.hpp>

#include <tapir/mqtt/codec.hpp>
#include <tapir/mqtt/error.hpp>

#include "support/lab.hpp"

/// One packet at a time through the codec, in either direction.
namespace tapir::test {

/// The packet's bytes; the test fails when it cannot be encoded.
[[nodiscard]] inline Bytes encoded(const mqtt::ControlPacket& packet, mqtt::ProtocolVersion version = mqtt::ProtocolVersion::v3_1_1) {
  Bytes out;
  REQUIRE(mqtt::encode(packet, out, version));
  return out;
}

/// Why a packet cannot be encoded; no error when it can. A refused one leaves no bytes.
[[nodiscard]] inline std::error_code encoding(const mqtt::ControlPacket& packet,
                                              mqtt::ProtocolVersion version = mqtt::ProtocolVersion::v3_1_1) {
  Bytes out;
  const auto result = mqtt::encode(packet, out, version);
  CHECK(out.empty() == !result.has_value());
  return result ? std::error_code{} : result.error();
}

/// The one packet that the bytes are, or why they are none. The test fails when a packet ends before the bytes, or not with them.
[[nodiscard]] inline Result<mqtt::ControlPacket> decoded(const Bytes& bytes,
                                                         mqtt::ProtocolVersion version = mqtt::ProtocolVersion::v3_1_1) {
  mqtt::Decoder decoder{mqtt::kMaxPacketSize, version};
  std::span<const std::byte> input{bytes};
  const auto packet = decoder.next(input);
  if (!packet) return fail(packet.error());
  REQUIRE(*packet);
  CHECK(input.empty());
  return **packet;
}

/// The error of decoded(), or none.
[[nodiscard]] inline std::error_code outcome(const Bytes& bytes, mqtt::ProtocolVersion version = mqtt::ProtocolVersion::v3_1_1) {
  const auto packet = decoded(bytes, version);
  return packet ? std::error_code{} : packet.error();
}
[[nodiscard]] inline std::error_code outcome(std::string_view digits) { return outcome(hex(digits)); }

/// A packet has these bytes, in hexadecimal, and they are read as the packet.
inline void check_both_ways(const mqtt::ControlPacket& packet, std::string_view digits,
                            mqtt::ProtocolVersion version = mqtt::ProtocolVersion::v3_1_1) {
  CHECK(encoded(packet, version) == hex(digits));
  const auto read = decoded(hex(digits), version);
  REQUIRE(read);
  CHECK(*read == packet);
}

}  // namespace tapir::test
