#pragma once

#include <cstdint>
#include <system_error>

#include <tapir/mqtt/packet_type.hpp>
#include <tapir/mqtt/property.hpp>

/// What MQTT 5.0 says about each property (section 2.2.2.2, table 2-4), once for both directions.
namespace tapir::mqtt {

/// Where properties stand: in a packet, or in the will of a CONNECT.
using PropertyPlace = std::uint8_t;
inline constexpr PropertyPlace kWillProperties = 0;
[[nodiscard]] constexpr PropertyPlace place_of(PacketType type) noexcept { return static_cast<PropertyPlace>(type); }

enum class PropertyType : std::uint8_t {
  byte,
  two_byte_integer,
  four_byte_integer,
  variable_byte_integer,
  binary_data,
  utf8_string,
  utf8_pair
};

struct PropertyRule {
  PropertyId id;
  PropertyType type;
  std::uint16_t places;  ///< bit n: may stand in the place n
  std::uint16_t many;    ///< bit n: more than once there
  std::uint32_t least = 0;
  std::uint32_t most = 0xffff'ffff;  ///< bounds of a number
};

/// nullptr: the standard does not know this identifier.
[[nodiscard]] const PropertyRule* rule_for(PropertyId id) noexcept;

/// Why `properties` must not stand in `place`; empty when they may. Strings are checked too.
[[nodiscard]] std::error_code problem_of(const Properties& properties, PropertyPlace place) noexcept;

}  // namespace tapir::mqtt
