#include <algorithm>
#include <array>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/checksum.hpp>
#include <tapir/ipv4/ipv4.hpp>

namespace tapir::ipv4 {

namespace {

/// The options of a datagram whose header is in front.
OptionBytes options_of(const Packet& packet, const Header& header) {
  if (header.header_size() == sizeof(Header)) return {};
  std::array<std::byte, max_options_size> bytes{};
  const auto options = std::span{bytes}.first(header.header_size() - sizeof(Header));
  (void)packet.copy_out(sizeof(Header), options);
  return OptionBytes{options};
}

/// Of the header in front, 0 when it is right.
std::uint16_t checksum_with_options(const Packet& packet, const Header& header) {
  InternetChecksum sum;
  sum.add(std::as_bytes(std::span{&header, 1}));
  sum.add(options_of(packet, header).bytes());
  return sum.value();
}

/// 0.0.0.0/8: "this host on this network", never a destination, and a source only while an address is being learned.
bool is_this_network(Ipv4Address address) noexcept { return address.value() >> 24U == 0; }

}  // namespace

[[gnu::flatten, gnu::hot]] Accepted Ipv4::demultiplex(Packet&& packet, const ethernet::Received& from) {
  const Interface* at = interface(from.interface);
  if (unlikely(at == nullptr)) return drop(Drop::not_handled, stats_.in_discards);
  return receive(std::move(packet), {.interface = at, .cast = from.cast, .local = false});
}

Accepted Ipv4::receive(Packet&& packet, const Arrival& arrival) {
  ++stats_.in_receives;
  Header header;
  if (const auto sound = check_header(packet, header); unlikely(!sound)) return sound;
  packet.truncate(header.total_length);  // what is behind it is link padding
  packet.mark_network();
  if (unlikely(context_.observer != nullptr)) observe(Direction::up, packet, header);
  const Ipv4Address destination = header.destination;
  const KnownEnds ends{header.source, destination, arrival.interface, interfaces_version_};
  if (likely(arrival.from_outside()) && likely(ends == known_ends_)) {
    if (likely(header.header_size() == sizeof(Header)) && likely(!header.is_fragment()))
      return hand_up(std::move(packet), header, arrival.for_us(), {});
    return receive_own(std::move(packet), header, arrival.for_us());
  }
  return receive_other(std::move(packet), header, arrival);
}

/// Not from where the last one came, or not for where that one went, or not alone for us.
Accepted Ipv4::receive_other(Packet&& packet, const Header& header, const Arrival& arrival) {
  const Ipv4Address destination = header.destination;
  if (const auto wrong = invalid_addresses(header, arrival)) return drop(*wrong, stats_.in_addr_errors);
  if (destination.is_multicast()) ++stats_.in_mcast_pkts;
  if (is_ours(destination, arrival)) {
    if (arrival.from_outside()) known_ends_ = {header.source, destination, arrival.interface, interfaces_version_};
    return receive_own(std::move(packet), header, arrival.for_us());
  }
  if (is_broadcast(destination)) ++stats_.in_bcast_pkts;
  if (is_group_of_ours(destination, arrival)) return receive_own(std::move(packet), header, arrival);
  if (is_group(destination) && !config_.forwarding) return drop(Drop::not_for_us, stats_.in_addr_errors);
  if (destination.is_multicast()) return drop(Drop::not_for_us, stats_.in_addr_errors);
  if (is_own(destination)) return drop(Drop::not_for_us, stats_.in_addr_errors);  // strong model: by the wrong interface
  if (!config_.forwarding) return drop(Drop::forwarding_disabled, stats_.in_addr_errors);
  return forward(std::move(packet), header, arrival);
}

/// Version, lengths, checksum: in this order, as each makes sense only when the one before it holds.
Accepted Ipv4::check_header(const Packet& packet, Header& header) {
  if (unlikely(!packet.peek_into(header))) return drop(Drop::truncated, stats_.in_truncated_pkts);
  if (unlikely(header.version() != 4)) return drop(Drop::bad_version, stats_.in_hdr_errors);
  const std::size_t size = header.header_size();
  if (unlikely(size < sizeof(Header))) return drop(Drop::bad_header, stats_.in_hdr_errors);
  if (unlikely(size > packet.size())) return drop(Drop::truncated, stats_.in_truncated_pkts);
  if (unlikely(header.total_length < size)) return drop(Drop::bad_length, stats_.in_hdr_errors);
  if (unlikely(header.total_length > packet.size())) return drop(Drop::truncated, stats_.in_truncated_pkts);
  if (unlikely((size == sizeof(Header) ? checksum_of(header) : checksum_with_options(packet, header)) != 0))
    return drop(Drop::bad_checksum, stats_.in_hdr_errors);
  return {};
}

/// RFC 1122 sections 3.2.1.3 and 3.3.6: addresses that no correct host sends to us in this way.
std::optional<Drop> Ipv4::invalid_addresses(const Header& header, const Arrival& arrival) const noexcept {
  const Ipv4Address source = header.source;
  const Ipv4Address destination = header.destination;
  if (source.is_multicast() || source.is_reserved() || is_broadcast(source)) return Drop::martian_source;
  if (is_this_network(source)) {
    const bool learning = source.is_unspecified() && (destination.is_limited_broadcast() || destination.is_multicast());
    if (!learning) return Drop::martian_source;
  }
  if (destination.is_reserved()) return Drop::martian_destination;
  if (is_this_network(destination) && !(config_.accept_zero_broadcast && destination.is_unspecified())) return Drop::martian_destination;
  if (arrival.local) return std::nullopt;
  if (is_own(source)) return Drop::martian_source;  // 127/8, or somebody who speaks in our name
  if (destination.is_loopback()) return Drop::martian_destination;
  if (arrival.cast != LinkCast::unicast && !is_group(destination) && !destination.is_unspecified()) return Drop::broadcast_mismatch;
  return std::nullopt;
}

/// Whether it is for this host alone.
bool Ipv4::is_ours(Ipv4Address destination, const Arrival& arrival) const noexcept {
  if (config_.host_model == HostModel::strong && !arrival.local) return arrival.interface->is_own(destination);
  return is_own(destination);
}

/// Whether it is for several, of whom this host is one.
bool Ipv4::is_group_of_ours(Ipv4Address destination, const Arrival& arrival) const noexcept {
  if (destination.is_multicast()) return arrival.interface->groups.contains(destination);
  return destination.is_limited_broadcast() || destination.is_unspecified() ||
         arrival.interface->is_directed_broadcast(destination, config_.accept_zero_broadcast);
}

Accepted Ipv4::receive_own(Packet&& packet, const Header& header, const Arrival& arrival) {
  if (header.header_size() > sizeof(Header)) {
    const OptionBytes options = options_of(packet, header);
    const auto summary = parse_options(options.bytes());
    if (!summary) return bad_option(std::move(packet), arrival, summary.error());
    if (summary->source_route && !summary->source_route->complete) {
      return follow_source_route(std::move(packet), header, arrival, options, *summary);
    }
  }
  // A datagram that was never cut needs no identification, and none is looked at (RFC 6864 section 4.1).
  if (header.is_fragment()) return reassemble(std::move(packet), header, arrival);
  return deliver(std::move(packet), header, arrival);
}

Accepted Ipv4::reassemble(Packet packet, const Header& header, const Arrival& arrival) {
  ++stats_.reasm_reqds;
  auto whole = reassembly_.add(std::move(packet), header, arrival.cast);
  if (!whole) return drop(whole.error());
  if (!*whole) return {};
  ++stats_.reasm_oks;
  const auto rebuilt = (*whole)->peek<Header>();
  if (context_.observer != nullptr) observe(Direction::up, **whole, *rebuilt);
  return deliver(std::move(**whole), *rebuilt, arrival);
}

Accepted Ipv4::bad_option(Packet packet, const Arrival& arrival, OptionProblem problem) {
  send_error(std::move(packet), {.kind = network::ErrorKind::parameter_problem, .pointer = problem.pointer, .cast = arrival.cast});
  return drop(Drop::bad_option, stats_.in_hdr_errors);
}

Accepted Ipv4::deliver(Packet&& packet, const Header& header, const Arrival& arrival) {
  OptionBytes options = options_of(packet, header);
  // RFC 1122 section 3.2.1.8 (e): our entry is in the options when the transport sees them. ICMP makes it in the reply (section 3.2.2.6).
  if (!options.empty() && header.protocol.get() != network::Protocol::icmp) {
    const auto summary = parse_options(options.bytes());
    if (!summary) return bad_option(std::move(packet), arrival, summary.error());
    const Egress back{.interface = arrival.interface, .next_hop = header.source};
    const Ipv4Address self =
        is_own(header.destination.get()) ? header.destination.get() : default_source(header.source, back).value_or(Ipv4Address{});
    const Passage passage{self, timestamp(), [this](Ipv4Address address) { return is_own(address); }};
    if (auto recorded = record_passage(options.writable(), *summary, passage); !recorded) {
      return bad_option(std::move(packet), arrival, recorded.error());
    }
  }
  return hand_up(std::move(packet), header, arrival, options.bytes());
}

/// To the protocol that the header names, with the options as it is to see them.
Accepted Ipv4::hand_up(Packet&& packet, const Header& header, const Arrival& arrival, std::span<const std::byte> options) {
  const Upper* upper = find_upper(header.protocol);
  if (unlikely(upper == nullptr)) {
    send_error(std::move(packet), {.kind = network::ErrorKind::protocol_unreachable, .cast = arrival.cast});
    return drop(Drop::unknown_protocol, stats_.in_unknown_protos);
  }
  const Ipv4Address destination = header.destination;
  const network::Received received{.source = header.source.get(),
                                   .destination = destination,
                                   .protocol = header.protocol,
                                   .ttl = header.ttl,
                                   .tos = header.tos,
                                   .interface = arrival.interface->index,
                                   .cast = arrival.cast,
                                   .to_group = !arrival.ours && (is_group(destination) || destination.is_unspecified()),
                                   .header_size = header.header_size(),
                                   .options = options};
  packet.trim_front(header.header_size());
  packet.mark_transport();
  ++stats_.in_delivers;
  return upper->receiver->demultiplex(std::move(packet), received);
}

}  // namespace tapir::ipv4
