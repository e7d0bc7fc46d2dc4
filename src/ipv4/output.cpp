#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/ipv4/ipv4.hpp>

#include "fragmentation.hpp"
#include "size_on_wire.hpp"

namespace tapir::ipv4 {

namespace {

/// What every host may send before it has an address: DHCP from the client's port to the server's (RFC 2131 section 4.1), and IGMP reports
/// (RFC 3376 section 4.2.13).
bool may_leave_without_source(const network::Send& to, const Packet& packet) {
  if (to.protocol == network::Protocol::igmp) return to.destination.is_multicast();
  struct Ports {
    BigEndian<Port> source;
    BigEndian<Port> destination;
  };
  constexpr Port kDhcpClient{68};
  constexpr Port kDhcpServer{67};
  const auto ports = packet.peek<Ports>();
  return to.protocol == network::Protocol::udp && to.destination.v4().is_limited_broadcast() && ports &&
         ports->source.get() == kDhcpClient && ports->destination.get() == kDhcpServer;
}

/// The options as they leave, and the address that they lead to first.
Result<OptionBytes> prepare_options(const network::Send& to, Ipv4Address& destination) {
  OptionBytes options;
  if (to.options.empty()) return options;
  if (!options.append(to.options)) return fail(Error::invalid_argument);
  const auto summary = parse_options(options.bytes());
  // A second source route is among the problems (RFC 1122 section 3.2.1.8 (c)); the stream identifier is obsolete (section 3.2.1.8 (b)).
  if (!summary || summary->stream_identifier) return fail(Error::invalid_argument);
  // The destination of a source route is one of its stops.
  if (names_group(options.bytes(), *summary) || (summary->source_route && destination.is_multicast())) return fail(Error::invalid_argument);
  destination = start_route(options.writable(), *summary, destination);
  return options;
}

}  // namespace

[[gnu::hot]] Result<> Ipv4::encapsulate(Packet&& packet, const network::Send& to) {
  ++stats_.out_requests;
  if (unlikely(to.ttl == std::uint8_t{0})) return fail(Error::invalid_argument);
  Ipv4Address destination = to.destination.v4();
  // A connection's segments take the way of the one before.
  const Egress* const known = unlikely(to.source.is_unspecified()) || unlikely(!to.options.empty()) ? nullptr : known_egress(destination);
  if (likely(known != nullptr) && likely(to.source == known_egress_.source))
    return send_by(*known, std::move(packet), to, {known_egress_.source, destination}, {});
  const auto options = prepare_options(to, destination);
  if (!options) return fail(options.error());
  const auto egress = egress_for(destination, to.source.v4());
  if (!egress) {
    ++stats_.out_no_routes;
    return fail(egress.error());
  }
  const auto source = choose_source(to, *egress, packet);
  if (!source) return fail(source.error());
  if (known_egress(destination) != nullptr && !to.source.is_unspecified()) known_egress_.source = *source;
  return send_by(*egress, std::move(packet), to, {*source, destination}, options->bytes());
}

[[gnu::flatten, gnu::hot]] Result<> Ipv4::send_by(const Egress egress, Packet&& packet, const network::Send& to, Ends ends,
                                                  std::span<const std::byte> options) {
  const Ipv4Address destination = ends.destination;
  const std::size_t header_size = sizeof(Header) + options.size();
  if (unlikely(header_size + packet.size() > max_datagram)) return fail(Error::message_too_large);
  const std::size_t mtu = mtu_towards(destination, egress);
  const bool super_segment = packet.meta().gso != GsoKind::none;
  const bool fits = size_on_wire(packet, header_size, 0) <= mtu;
  if (unlikely(!fits) && (super_segment || to.dont_fragment || !config_.fragment)) {
    ++stats_.frag_fails;
    return fail(Error::message_too_large);
  }
  Header& header = prepend_header(packet, options);
  header.tos = to.tos;
  header.source = ends.source;
  header.destination = destination;
  if (likely(to.dont_fragment)) header.fragmentation = Header::dont_fragment_bit;
  header.ttl = to.ttl.value_or(destination.is_multicast() ? std::uint8_t{1} : config_.default_ttl);
  header.protocol = to.protocol;
  if (unlikely(!to.dont_fragment)) {
    if (auto identified = identify(header, datagrams_on_wire(packet, header_size), fits, egress); !identified) return identified;
  }
  header.checksum = header_checksum(header, options);
  if (unlikely(destination.is_multicast())) {
    const bool looped = to.loop_multicast && config_.multicast_loopback && to.protocol != network::Protocol::igmp;
    // A copy that finds no room is lost like any datagram.
    if (looped && egress.interface->groups.contains(destination)) (void)loopback_.send(packet.share(), *egress.interface);
  }
  if (likely(egress.route != nullptr)) routes_.count_use(*egress.route);
  return transmit(std::move(packet), header, egress, mtu);
}

Result<Ipv4::Egress> Ipv4::look_up_egress(Ipv4Address destination, Ipv4Address source) const {
  auto found = find_egress(destination, source);
  // The way to a group, and to a neighbour without a router (RFC 3927), may depend on the source.
  const bool of_one_host =
      found && found->route != nullptr && !found->broadcast && !destination.is_multicast() && !destination.is_link_local();
  if (of_one_host) known_egress_ = {.destination = destination, .source = {}, .version = version(), .egress = *found};
  return found;
}

/// Where a datagram goes next: RFC 1122 section 3.3.1.1.
Result<Ipv4::Egress> Ipv4::find_egress(Ipv4Address destination, Ipv4Address source) const {
  if (destination.is_unspecified()) return fail(Error::invalid_argument);
  if (is_own(destination)) return Egress{&lo_, destination, false};
  if (destination.is_reserved() || destination.value() >> 24U == 0) return fail(Error::network_unreachable);
  if (destination.is_limited_broadcast() || destination.is_multicast()) {
    return group_egress(destination, source, destination.is_limited_broadcast());
  }
  for (const auto& interface : interfaces_) {
    if (interface->is_directed_broadcast(destination, config_.accept_zero_broadcast)) return Egress{interface.get(), destination, true};
  }
  const Route* route = routes_.lookup(destination);
  if (destination.is_link_local() && (route == nullptr || has(route->flags, RouteFlags::gateway))) {
    // RFC 3927 section 2.6.2: such a destination is always on the link, and no router is asked.
    return group_egress(destination, source, (destination.value() & 0xffffU) == 0xffffU);
  }
  if (route == nullptr) return fail(Error::network_unreachable);
  const Ipv4Address next_hop = has(route->flags, RouteFlags::gateway) ? route->gateway : destination;
  return Egress{interface(route->interface), next_hop, false, route};
}

/// RFC 1122 section 3.3.1.1 (b): what goes to everybody needs no route. The source's interface, else that of a route there, else the first one.
Result<Ipv4::Egress> Ipv4::group_egress(Ipv4Address group, Ipv4Address source, bool broadcast) const {
  if (const Interface* owner = source.is_unspecified() ? nullptr : owner_of(source)) return Egress{owner, group, broadcast};
  if (const Route* route = routes_.lookup(group)) return Egress{interface(route->interface), group, broadcast, route};
  if (interfaces_.empty()) return fail(Error::network_unreachable);
  return Egress{interfaces_.front().get(), group, broadcast};
}

std::optional<Ipv4Address> Ipv4::default_source(Ipv4Address destination, const Egress& egress) const noexcept {
  if (egress.interface == &lo_) return destination.is_loopback() ? Ipv4Address{0x7f000001} : destination;
  if (const auto source = egress.interface->source_for(egress.next_hop)) return source;
  if (config_.host_model == HostModel::strong || destination.is_limited_broadcast()) return std::nullopt;
  for (const auto& other : interfaces_) {
    if (const auto source = other->source_for(destination)) return source;
  }
  return std::nullopt;
}

Result<Ipv4Address> Ipv4::choose_source(const network::Send& to, const Egress& egress, const Packet& packet) const {
  const Ipv4Address wanted = to.source.v4();
  if (!wanted.is_unspecified()) {
    const bool inside = egress.interface == &lo_;
    if (!is_own(wanted) || (wanted.is_loopback() && !inside)) return fail(Error::address_not_available);
    if (config_.host_model == HostModel::strong && !inside && !egress.interface->is_own(wanted)) return fail(Error::address_not_available);
    return wanted;
  }
  if (egress.interface != &lo_ && egress.interface->config.addresses.empty() && may_leave_without_source(to, packet)) return Ipv4Address{};
  if (const auto source = default_source(to.destination.v4(), egress)) return *source;
  return fail(Error::address_not_available);
}

[[gnu::hot]] std::size_t Ipv4::mtu_towards(Ipv4Address destination, const Egress& egress) const noexcept {
  const std::size_t link_mtu = egress.mtu();
  if (unlikely(egress.interface == &lo_) || unlikely(egress.broadcast) || unlikely(destination.is_multicast())) return link_mtu;
  if (likely(config_.path_mtu_discovery)) return path_mtus_.estimate(destination, link_mtu, context_.now());
  // RFC 1122 section 3.3.3: nothing is known of links beyond our own, unless somebody has said it.
  const bool known = egress.next_hop == destination || (egress.route != nullptr && egress.route->mtu);
  return known ? link_mtu : std::min(link_mtu, min_reassembly);
}

[[gnu::hot]] bool Ipv4::takes_frames(const Egress& egress) const noexcept {
  if (unlikely(egress.interface == &lo_)) return !loopback_.full();
  return egress.interface->takes_frames() && !remainder_.waits_for(*egress.interface);
}

/// RFC 6864: what cannot be fragmented any more needs no identification of its own. Those of the datagrams that a super-packet becomes follow each other.
Result<> Ipv4::identify(Header& header, std::size_t datagrams, bool fits, const Egress& egress) {
  if (header.dont_fragment() || egress.interface == &lo_) return {};
  auto number = identifications_.next(header.source, header.destination, header.protocol);
  header.identification = number.value_or(0);
  while (number && --datagrams > 0) number = identifications_.next(header.source, header.destination, header.protocol);
  if (number) return {};
  // All numbers are still in use. A datagram in one piece does without, as long as nobody cuts it; one in pieces cannot leave. No event tells
  // when it can, so this is not would_block.
  if (!fits) {
    ++stats_.out_discards;
    return fail(Error::no_buffer_space);
  }
  header.fragmentation = Header::dont_fragment_bit;
  return {};
}

Result<> Ipv4::transmit(Packet&& datagram, const Header& header, const Egress& egress, std::size_t mtu) {
  if (unlikely(context_.observer != nullptr)) observe(Direction::down, datagram, header);
  if (likely(datagram.size() <= mtu) || datagram.meta().gso != GsoKind::none) return hand_down(std::move(datagram), header, egress);
  return transmit_cut(std::move(datagram), header, egress, mtu);
}

Result<> Ipv4::transmit_cut(Packet&& datagram, const Header header, const Egress& egress, std::size_t mtu) {
  ++stats_.frag_reqds;
  const Interface& interface = *egress.interface;
  bool begun = false;
  auto sent = remainder_.waits_for(interface) ? fail(Error::would_block) : Result<>{};
  if (sent) {
    sent = fragment(std::move(datagram), header, mtu, [&](Packet part, const Header& own) -> Result<> {
      ++stats_.frag_creates;
      if (context_.observer != nullptr) observe(Direction::down, part, own);
      if (remainder_.waits_for(interface) || (begun && !interface.takes_frames())) {
        remainder_.add(std::move(part), own, egress);
        return {};
      }
      if (!std::exchange(begun, true)) return hand_down(std::move(part), own, egress);
      Packet kept = part.share();  // some devices tell only then that they are full
      auto down = hand_down(std::move(part), own, egress);
      if (down || down.error() != Error::would_block) return down;
      remainder_.add(std::move(kept), own, egress);
      return {};
    });
  }
  ++(sent ? stats_.frag_oks : stats_.frag_fails);
  return sent;
}

Result<> Ipv4::hand_down(Packet&& datagram, const Header& header, const Egress& egress) {
  ++stats_.out_transmits;
  const Ipv4Address destination = header.destination;
  if (unlikely(destination.is_multicast())) ++stats_.out_mcast_pkts;
  if (unlikely(egress.broadcast)) ++stats_.out_bcast_pkts;
  datagram.meta().tos = header.tos;
  Result<> sent;
  if (unlikely(egress.interface == &lo_)) {
    sent = loopback_.send(std::move(datagram), lo_);
  } else {
    sent = egress.interface->config.neighbours->encapsulate(
        std::move(datagram), {.next_hop = egress.next_hop, .broadcast = egress.broadcast, .tos = header.tos, .source = header.source});
  }
  if (unlikely(!sent)) ++stats_.out_discards;
  return sent;
}

}  // namespace tapir::ipv4
