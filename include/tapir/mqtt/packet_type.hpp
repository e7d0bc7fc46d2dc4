#pragma once

#include <cstdint>
#include <string_view>

namespace tapir::mqtt {

/// The high nibble of a packet's first byte (MQTT 5.0 section 2.1.2).
enum class PacketType : std::uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth,  ///< 5.0 only
};

/// "PUBLISH"
[[nodiscard]] std::string_view name(PacketType type) noexcept;

}  // namespace tapir::mqtt
