#pragma once

#include <cstdint>
#include <string>

namespace tapir::test {

/// An ICMP message with its checksum (RFC 792). `rest` is what stands in octets 4 to 7.
[[nodiscard]] inline std::string icmp_message(std::uint8_t type, std::uint8_t code, std::uint32_t rest, const std::string& data) {
  std::string bytes{static_cast<char>(type), static_cast<char>(code), 0, 0};
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<char>(rest >> shift & 0xffU));
  bytes += data;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += std::uint32_t{static_cast<unsigned char>(bytes[i])} << (i % 2 == 0 ? 8U : 0U);
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  bytes[2] = static_cast<char>(~sum >> 8U & 0xffU);
  bytes[3] = static_cast<char>(~sum & 0xffU);
  return bytes;
}

}  // namespace tapir::test
