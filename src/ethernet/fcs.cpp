#include <tapir/ethernet/fcs.hpp>

#include <array>

#include <zlib.h>

#include <tapir/core/packet.hpp>

namespace tapir::ethernet {

namespace {
/// What the CRC over a frame and its own FCS always is.
constexpr std::uint32_t kResidue = 0x2144df1cU;

std::uint32_t extend(std::uint32_t crc, std::span<const std::byte> bytes) noexcept {
  return static_cast<std::uint32_t>(::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}
}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) noexcept { return bytes.empty() ? 0 : extend(0, bytes); }

std::uint32_t crc32(const Packet& frame) noexcept {
  std::uint32_t crc = 0;
  frame.for_each_chunk([&crc](std::span<const std::byte> chunk) {
    if (!chunk.empty()) crc = extend(crc, chunk);
  });
  return crc;
}

void append_fcs(Packet& frame) {
  std::uint32_t crc = crc32(frame);
  std::array<std::byte, fcs_size> octets{};
  for (auto& octet : octets) {
    octet = static_cast<std::byte>(crc & 0xffU);
    crc >>= 8U;
  }
  frame.append_copy(octets);
}

bool fcs_ok(const Packet& frame) noexcept { return frame.size() > fcs_size && crc32(frame) == kResidue; }

}  // namespace tapir::ethernet
