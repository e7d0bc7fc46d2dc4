#pragma once

#include <array>
#include <cstdint>

#include <tapir/core/addresses.hpp>
#include <tapir/core/random.hpp>

namespace tapir {

/// A random unicast address with the "locally administered" bit (IEEE 802 section 8.4).
[[nodiscard]] inline MacAddress random_mac(Random& random) {
  std::array<std::uint8_t, 6> octets{};
  std::uint64_t bits = random.next();
  for (auto& octet : octets) {
    octet = static_cast<std::uint8_t>(bits & 0xffU);
    bits >>= 8U;
  }
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0xfcU) | 0x02U);
  return MacAddress{octets};
}

}  // namespace tapir
