#include <tapir/ipv4/header.hpp>

#include <cstring>
#include <new>

#include <tapir/core/branch.hpp>
#include <tapir/core/checksum.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::ipv4 {

/// Field by field, each as it was written: a header that is just made is not in memory yet, and what is read there as a whole has to wait until all of it is.
std::uint16_t header_checksum(const Header& header, std::span<const std::byte> options) noexcept {
  InternetChecksum sum;
  sum.add_word(static_cast<std::uint16_t>(header.version_ihl << 8U));
  sum.add_word(header.tos);
  sum.add_word(header.total_length);
  sum.add_word(header.identification);
  sum.add_word(header.fragmentation);
  sum.add_word(static_cast<std::uint16_t>(header.ttl << 8U));
  sum.add_word(static_cast<std::uint8_t>(header.protocol.get()));
  sum.add_long(header.source.get().value());
  sum.add_long(header.destination.get().value());
  if (likely(options.empty())) return sum.value();
  InternetChecksum with_options = sum;  // add() is a call: the other one would have to be in memory in any case
  with_options.add(options);
  return with_options.value();
}

Header& prepend_header(Packet& packet, std::span<const std::byte> options) {
  const std::size_t size = sizeof(Header) + options.size();
  const std::size_t total = packet.size() + size;
  const auto room = packet.prepend_room(size);
  if (unlikely(!options.empty())) std::memcpy(room.data() + sizeof(Header), options.data(), options.size());
  packet.mark_network();
  auto& header = *::new (room.data()) Header{};
  header.set_header_size(size);
  header.total_length = static_cast<std::uint16_t>(total);
  return header;
}

Header put_header(Packet& packet, const Header& fields, std::span<const std::byte> options) {
  Header& header = prepend_header(packet, options);
  const Header filled_in = header;
  header = fields;
  header.version_ihl = filled_in.version_ihl;
  header.total_length = filled_in.total_length;
  header.checksum = header_checksum(header, options);
  return header;
}

}  // namespace tapir::ipv4
