#pragma once

#include <cstdint>
#include <span>
#include <string_view>
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
  std::string_view name;  ///< as the enumerator is written: "payload_format_indicator"
  PropertyType type;
  std::uint16_t places;              ///< bit n: may stand in the place n
  std::uint16_t many;                ///< bit n: more than once there
  std::uint32_t least = 0;           ///< the smallest value of a number
  std::uint32_t most = 0xffff'ffff;  ///< the largest one; one that its type cannot hold sets no bound

  [[nodiscard]] constexpr bool may_stand_in(PropertyPlace place) const noexcept { return (places >> place & 1U) != 0; }
};

/// nullptr: the standard does not know this identifier.
[[nodiscard]] const PropertyRule* rule_for(PropertyId id) noexcept;
/// The same by name.
[[nodiscard]] const PropertyRule* rule_named(std::string_view name) noexcept;
/// All of them.
[[nodiscard]] std::span<const PropertyRule> property_rules() noexcept;

/// Why `properties` must not stand in `place`; empty when they may. Strings are checked too.
[[nodiscard]] std::error_code problem_of(const Properties& properties, PropertyPlace place) noexcept;

}  // namespace tapir::mqtt
