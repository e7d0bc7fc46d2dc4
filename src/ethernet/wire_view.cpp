#include <tapir/ethernet/wire_view.hpp>

#include <tapir/ethernet/fcs.hpp>

namespace tapir::ethernet {

std::vector<std::byte> wire_view(std::span<const std::byte> frame) {
  std::vector<std::byte> octets(preamble_size - 1, std::byte{0x55});
  octets.push_back(std::byte{0xd5});
  octets.insert(octets.end(), frame.begin(), frame.end());
  const std::uint32_t crc = crc32(frame);
  for (unsigned shift = 0; shift < 32; shift += 8) octets.push_back(static_cast<std::byte>(crc >> shift & 0xffU));
  return octets;
}

}  // namespace tapir::ethernet
