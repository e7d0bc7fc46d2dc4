#include <algorithm>
#include <array>
#include <utility>

#include <tapir/ipv4/ipv4.hpp>

namespace tapir::ipv4 {

void Ipv4::send_error(Packet datagram, network::ErrorSender::Problem problem) {
  // A host answers from the address that was asked (RFC 1122 section 3.3.4.2), a router from its interface there (RFC 1812 section 4.3.2.4).
  problem.from_egress = config_.forwarding;
  if (error_sender_ != nullptr) error_sender_->send_error(std::move(datagram), problem);
}

void Ipv4::refuse(Packet packet, const network::Received& from, network::Refusal why) {
  if (!packet.restore_front(from.header_size)) {
    (void)drop(Drop::not_handled);
    return;
  }
  const auto kind =
      why == network::Refusal::port_unreachable ? network::ErrorKind::port_unreachable : network::ErrorKind::protocol_unreachable;
  send_error(std::move(packet), {.kind = kind, .cast = from.cast});
}

void Ipv4::advise(IpAddress destination, bool progress) { routes_.advise(destination.v4(), progress, context_.now()); }

void Ipv4::deliver_error(network::Protocol quoted, const network::ErrorReport& report) {
  if (!is_own(report.source)) {
    (void)drop(Drop::unrelated_error);
    return;
  }
  const Upper* upper = find_upper(quoted);
  if (upper == nullptr || upper->errors == nullptr) {
    (void)drop(Drop::not_handled);
    return;
  }
  if (report.kind == network::ErrorKind::fragmentation_needed && upper->errors->believes(report)) narrow_path(report);
  upper->errors->receive_error(report);
}

void Ipv4::narrow_path(const network::ErrorReport& report) {
  if (!config_.path_mtu_discovery) return;
  const Ipv4Address destination = report.destination.v4();
  const auto egress = egress_for(destination, {});
  if (!egress || egress->interface == &lo_ || egress->broadcast) return;
  const TooBig message{report.next_hop_mtu, report.quoted_length, min_header_size};
  (void)path_mtus_.too_big(destination, egress->mtu(), message, context_.now());
}

/// RFC 1122 section 3.2.2.2: believed only from the gateway that is in use towards the destination, and only for a gateway on the same network.
void Ipv4::redirect(IpAddress destination, IpAddress gateway, IpAddress from) {
  const Ipv4Address to = destination.v4();
  const Ipv4Address via = gateway.v4();
  const Route* current = is_own(to) || is_group(to) ? nullptr : routes_.lookup(to);
  const bool from_first_hop = current != nullptr && has(current->flags, RouteFlags::gateway) && current->gateway == from.v4();
  const Interface* link = from_first_hop ? interface(current->interface) : nullptr;
  const bool is_neighbour = link != nullptr && link->network_of(via) != nullptr && !is_own(via) && !is_group(via);
  if (!is_neighbour || via == from.v4() || !routes_.redirect(to, via)) (void)drop(Drop::not_handled);
}

void Ipv4::unresolved(Ipv4Address next_hop, Packet datagram) {
  (void)drop(Drop::unresolved);
  routes_.gateway_failed(next_hop);
  const auto header = datagram.peek<Header>();
  if (!header || header->fragment_offset() != 0) return;
  if (!is_own(header->source.get())) {
    send_error(std::move(datagram), {.kind = network::ErrorKind::host_unreachable});
    return;
  }
  const Upper* upper = find_upper(header->protocol);
  if (upper == nullptr || upper->errors == nullptr) return;
  constexpr std::size_t kMaxTransport = 64;
  std::array<std::byte, max_header_size + kMaxTransport> copy{};
  const auto quoted = std::span{copy}.first(std::min(header->header_size() + kMaxTransport, datagram.size()));
  (void)datagram.copy_out(0, quoted);
  network::ErrorReport report;
  report.kind = network::ErrorKind::unresolved;
  report.reporter = header->source.get();
  report.source = header->source.get();
  report.destination = header->destination.get();
  report.datagram = quoted;
  report.transport = quoted.subspan(header->header_size());
  upper->errors->receive_error(report);
}

}  // namespace tapir::ipv4
