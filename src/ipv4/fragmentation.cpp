#include "fragmentation.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <tapir/ipv4/options.hpp>
#include <tapir/link/segmentation.hpp>

namespace tapir::ipv4 {

Result<> fragment(Packet datagram, const Header& header, std::size_t mtu, const std::function<Result<>(Packet, const Header&)>& take) {
  const std::size_t header_size = header.header_size();
  link::complete_checksum(datagram);  // no link could do it for a fragment
  std::array<std::byte, max_header_size> front{};
  if (!datagram.copy_out(0, std::span{front}.first(header_size))) return fail(Error::invalid_argument);
  const auto all_options = std::span{std::as_const(front)}.first(header_size).subspan(sizeof(Header));
  const OptionBytes copied = copied_options(all_options);
  datagram.trim_front(header_size);

  const bool last_has_more = header.more_fragments();
  const std::size_t base = header.fragment_offset();
  std::size_t offset = 0;
  while (offset < datagram.size()) {
    // The options that are not copied stand in the first fragment of the whole datagram only.
    const auto options = base + offset == 0 ? all_options : copied.bytes();
    const std::size_t headers = sizeof(Header) + options.size();
    if (mtu < headers + 8) return fail(Error::message_too_large);
    const std::size_t left = datagram.size() - offset;
    const bool is_last = left <= mtu - headers;
    const std::size_t size = is_last ? left : (mtu - headers) / 8 * 8;
    Packet part = datagram.share();
    part.trim_front(offset);
    part.truncate(size);
    Header own = header;
    const bool more = !is_last || last_has_more;
    own.fragmentation = static_cast<std::uint16_t>((header.fragmentation & (Header::reserved_bit | Header::dont_fragment_bit)) |
                                                   (more ? Header::more_fragments_bit : 0) | (base + offset) / 8);
    own = put_header(part, own, options);
    if (auto taken = take(std::move(part), own); !taken) return taken;
    offset += size;
  }
  return {};
}

}  // namespace tapir::ipv4
