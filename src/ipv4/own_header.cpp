// Datagrams that come with a header of the caller's (man 7 raw, IP_HDRINCL).

#include <array>
#include <utility>

#include <tapir/ipv4/ipv4.hpp>

namespace tapir::ipv4 {

Result<> Ipv4::send_with_header(Packet datagram, const network::Send& to) {
  ++stats_.out_requests;
  const Ipv4Address destination = to.destination.v4();
  const auto egress = egress_for(destination, to.source.v4());
  if (!egress) {
    ++stats_.out_no_routes;
    return fail(egress.error());
  }
  if (datagram.size() > egress->mtu()) return fail(Error::message_too_large);
  const auto given = datagram.peek<Header>();
  if (!given || given->header_size() < sizeof(Header) || given->header_size() > datagram.size()) return fail(Error::invalid_argument);
  const auto header = complete(*given, datagram, to, *egress);
  if (!header) return fail(header.error());
  datagram.overwrite(0, *header);
  datagram.mark_network();
  const bool looped = to.loop_multicast && config_.multicast_loopback;
  if (destination.is_multicast() && looped && egress->interface->groups.contains(destination)) {
    (void)loopback_.send(datagram.share(), *egress->interface);  // a copy that finds no room is lost like any datagram
  }
  if (egress->route != nullptr) routes_.count_use(*egress->route);
  return transmit(std::move(datagram), *header, *egress, mtu_towards(destination, *egress));
}

/// The header as it leaves: what the caller has left open is filled in, and what follows from the rest.
Result<Header> Ipv4::complete(Header header, const Packet& datagram, const network::Send& to, const Egress& egress) {
  if (header.source.get().is_unspecified()) {
    if (const auto source = choose_source(to, egress, datagram)) {
      header.source = *source;
    } else if (!to.source.is_unspecified()) {
      return fail(source.error());
    }  // else there is none, which is no reason not to send what the caller has made
  }
  header.total_length = static_cast<std::uint16_t>(datagram.size());
  const bool fits = datagram.size() <= mtu_towards(to.destination.v4(), egress);
  if (!fits && (header.dont_fragment() || !config_.fragment)) {
    ++stats_.frag_fails;
    return fail(Error::message_too_large);
  }
  if (header.identification == 0) {
    // One of several fragments is nothing without a number, however few bytes it has.
    if (auto identified = identify(header, 1, fits && !header.is_fragment(), egress); !identified) return fail(identified.error());
  }
  std::array<std::byte, max_options_size> bytes{};
  const auto options = std::span{bytes}.first(header.header_size() - sizeof(Header));
  (void)datagram.copy_out(sizeof(Header), options);
  header.checksum = header_checksum(header, options);
  return header;
}

}  // namespace tapir::ipv4
