#include <tapir/ipv4/header.hpp>

#include <cstring>

#include <tapir/core/checksum.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::ipv4 {

std::uint16_t header_checksum(Header header, std::span<const std::byte> options) noexcept {
  header.checksum = std::uint16_t{0};
  if (options.empty()) return checksum_of(header);
  InternetChecksum sum;
  sum.add(std::as_bytes(std::span{&header, 1}));
  sum.add(options);
  return sum.value();
}

Header put_header(Packet& packet, Header header, std::span<const std::byte> options) {
  const std::size_t size = sizeof(Header) + options.size();
  header.set_header_size(size);
  header.total_length = static_cast<std::uint16_t>(packet.size() + size);
  header.checksum = header_checksum(header, options);
  const auto room = packet.prepend_room(size);
  std::memcpy(room.data(), &header, sizeof(Header));
  if (!options.empty()) std::memcpy(room.data() + sizeof(Header), options.data(), options.size());
  packet.mark_network();
  return header;
}

}  // namespace tapir::ipv4
