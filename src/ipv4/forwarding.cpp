#include <algorithm>
#include <array>
#include <utility>

#include <tapir/core/checksum.hpp>
#include <tapir/ipv4/ipv4.hpp>
#include <tapir/link/segmentation.hpp>

#include "size_on_wire.hpp"

namespace tapir::ipv4 {

Accepted Ipv4::forward(Packet packet, const Header& header, const Arrival& arrival) {
  ++stats_.in_forw_datagrams;
  if (const auto forbidden = forbidden_transit(header, arrival)) return drop(*forbidden, stats_.in_addr_errors);
  std::array<std::byte, max_options_size> bytes{};
  const auto options = std::span{bytes}.first(header.header_size() - sizeof(Header));
  (void)packet.copy_out(sizeof(Header), options);
  const auto summary = parse_options(options);
  if (!summary) return bad_option(std::move(packet), arrival, summary.error());
  if (summary->source_route && config_.source_routing == SourceRouting::off) return drop(Drop::source_route, stats_.in_discards);
  const auto egress = egress_for(header.destination, {});
  if (!egress) {
    return refuse_transit(std::move(packet), arrival, network::ErrorKind::network_unreachable, Drop::no_route, stats_.in_no_routes);
  }
  return send_on(std::move(packet), header, arrival, {header, OptionBytes{options}, *summary, *egress});
}

/// What a router lets nobody pass with: RFC 1812 sections 5.3.4 to 5.3.8, RFC 3927 section 2.7.
std::optional<Drop> Ipv4::forbidden_transit(const Header& header, const Arrival& arrival) const noexcept {
  if (!arrival.interface->config.forwarding) return Drop::forwarding_disabled;
  if (arrival.cast != LinkCast::unicast) return Drop::broadcast_mismatch;
  const Ipv4Address source = header.source;
  const Ipv4Address destination = header.destination;
  if (source.is_link_local() || source.is_unspecified()) return Drop::martian_source;
  if (destination.is_link_local() || destination.is_unspecified()) return Drop::martian_destination;
  if (config_.source_validation) {
    const auto back = egress_for(source, {});
    if (!back || back->interface != arrival.interface) return Drop::martian_source;
  }
  return std::nullopt;
}

Accepted Ipv4::refuse_transit(Packet packet, const Arrival& arrival, network::ErrorKind kind, Drop reason, std::uint64_t& counter,
                              std::size_t mtu) {
  send_error(std::move(packet), {.kind = kind, .next_hop_mtu = static_cast<std::uint16_t>(mtu), .cast = arrival.cast});
  return drop(reason, counter);
}

bool Ipv4::may_follow_source_route(const Arrival& arrival, const Egress& egress) const noexcept {
  switch (config_.source_routing) {
    case SourceRouting::automatic: return config_.forwarding;
    case SourceRouting::off: return false;
    case SourceRouting::same_interface: return egress.interface == arrival.interface;
    case SourceRouting::any: return true;
  }
  return false;
}

Accepted Ipv4::follow_source_route(Packet packet, const Header& header, const Arrival& arrival, const OptionBytes& options,
                                   const OptionSummary& summary) {
  const auto next = next_of_route(options.bytes(), *summary.source_route);
  const auto egress = next && !is_group(*next) ? egress_for(*next, {}) : Result<Egress>{fail(Error::network_unreachable)};
  const bool single = arrival.cast == LinkCast::unicast && !is_group(header.destination.get());
  const bool strict_misses = egress && summary.source_route->strict && egress->next_hop != *next;
  if (!single || !egress || egress->interface == &lo_ || strict_misses || !may_follow_source_route(arrival, *egress)) {
    return refuse_transit(std::move(packet), arrival, network::ErrorKind::source_route_failed, Drop::source_route, stats_.in_discards);
  }
  ++stats_.in_forw_datagrams;
  Transit transit{header, options, summary, *egress};
  transit.header.destination = *next;
  // RFC 791: the address by which we are known where the datagram goes now takes the place of the one that was followed.
  advance_route(transit.options.writable(), *summary.source_route, default_source(*next, *egress).value_or(header.destination));
  return send_on(std::move(packet), header, arrival, transit);
}

/// RFC 1812 section 5.2.7.2: the source reaches the next hop on its own network, and asked for no other way.
bool Ipv4::deserves_redirect(const Header& received, const Arrival& arrival, const Transit& transit) const noexcept {
  const Egress& egress = transit.egress;
  if (!config_.send_redirects || egress.interface != arrival.interface || egress.broadcast || transit.summary.source_route) return false;
  const Ipv4Address source = received.source;
  const Ipv4Prefix* network = arrival.interface->network_of(source);
  return network != nullptr && network->contains(egress.next_hop) && egress.next_hop != source;
}

/// `packet` stays as it was received until nothing can go wrong any more: errors quote it.
Accepted Ipv4::send_on(Packet packet, const Header& received, const Arrival& arrival, Transit transit) {
  const Egress& egress = transit.egress;
  if (!egress.interface->config.forwarding) return drop(Drop::forwarding_disabled, stats_.in_addr_errors);
  if (egress.broadcast && !config_.forward_directed_broadcast) return drop(Drop::not_handled, stats_.in_addr_errors);
  if (received.ttl <= 1) {
    return refuse_transit(std::move(packet), arrival, network::ErrorKind::ttl_exceeded, Drop::ttl_exceeded, stats_.in_hdr_errors);
  }
  const std::size_t mtu = egress.mtu();
  const bool fits = size_on_wire(packet, received.header_size(), received.header_size()) <= mtu;
  if (!fits && received.dont_fragment()) {
    return refuse_transit(std::move(packet), arrival, network::ErrorKind::fragmentation_needed, Drop::dont_fragment, stats_.frag_fails,
                          mtu);
  }
  const Ipv4Address self = default_source(transit.header.destination, egress).value_or(Ipv4Address{});
  const Passage passage{self, timestamp(), [this](Ipv4Address address) { return is_own(address); }};
  if (auto recorded = record_passage(transit.options.writable(), transit.summary, passage); !recorded) {
    return bad_option(std::move(packet), arrival, recorded.error());
  }
  if (egress.route != nullptr) routes_.count_use(*egress.route);
  if (error_sender_ != nullptr && deserves_redirect(received, arrival, transit)) {
    error_sender_->send_redirect(packet.share(), egress.next_hop);
  }
  Header& header = transit.header;
  --header.ttl;
  if (transit.options.empty()) {
    const auto word = [](const Header& h) {
      return static_cast<std::uint16_t>(std::uint32_t{h.ttl} << 8U | static_cast<std::uint32_t>(h.protocol.get()));
    };
    header.checksum = update_checksum(received.checksum, word(received), word(header));
    (void)packet.overwrite(0, header);
  } else {
    packet.trim_front(received.header_size());
    header = put_header(packet, header, transit.options.bytes());
  }
  ++stats_.out_forw_datagrams;
  const auto pass = [&](Packet datagram) {
    // A full link or an unknown neighbour is counted below; the sender learns of it by what it does not get.
    const auto own = datagram.peek<Header>();
    if (own) (void)transmit(std::move(datagram), *own, egress, mtu);
  };
  if (!fits && packet.meta().gso != GsoKind::none) {
    link::split(std::move(packet), pass);
  } else {
    pass(std::move(packet));
  }
  return {};
}

}  // namespace tapir::ipv4
