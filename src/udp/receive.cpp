#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tapir/core/checksum.hpp>
#include <tapir/core/first_exception.hpp>
#include <tapir/udp/udp.hpp>

#include "header.hpp"
#include "socket_state.hpp"

namespace tapir::udp {

namespace {

Datagram datagram_of(Packet payload, const network::Received& from, Port source, Port destination) {
  return {{from.source, source},
          {from.destination, destination},
          from.ttl,
          from.tos,
          from.interface,
          std::vector<std::byte>{from.options.begin(), from.options.end()},
          std::move(payload)};
}

/// Whether the checksum was made good elsewhere: by the device, or because the datagram has not been on a wire and its checksum is yet to be made.
bool vouched_for(const PacketMeta& meta) noexcept {
  return meta.checksum == ChecksumState::verified || (meta.checksum == ChecksumState::partial && meta.checksum_offset == kChecksumOffset);
}

/// The payloads of a super-datagram, or the one of a datagram.
template <class Take>
void for_each_datagram(Packet payload, Take take) {
  const std::size_t size = payload.meta().gso == GsoKind::udp4 ? payload.meta().gso_size : 0;
  payload.meta().gso = GsoKind::none;
  payload.meta().gso_size = 0;
  while (size > 0 && payload.size() > size) {
    Packet datagram = payload.take_front(size);
    datagram.meta() = payload.meta();
    take(std::move(datagram));
  }
  take(std::move(payload));
}

void announce(std::span<const std::shared_ptr<detail::SocketState>> sockets) {
  FirstException thrown;
  for (const auto& socket : sockets) thrown.of([&] { socket->announce(); });
  thrown.pass_on();
}

}  // namespace

std::unexpected<Drop> Udp::malformed(Drop reason) {
  ++stats_.in_errors;
  return drop(reason);
}

Accepted Udp::demultiplex(Packet&& packet, const network::Received& from) {
  const auto header = packet.peek<Header>();
  if (!header) return malformed(Drop::truncated);
  if (header->length < sizeof(Header) || header->length > packet.size()) return malformed(Drop::bad_length);
  packet.truncate(header->length);
  const bool has_checksum = header->checksum != 0;
  if (has_checksum && !vouched_for(packet.meta())) {
    InternetChecksum sum;
    sum.add_word(network_.pseudo_header_sum(from.source, from.destination, network::Protocol::udp, packet.size()));
    add_packet(sum, packet);
    if (sum.value() != 0) return malformed(Drop::bad_checksum);
  }
  if (network_.is_group(from.source)) return malformed(Drop::martian_source);
  if (header->destination_port == Port{}) return malformed(Drop::bad_port);
  if (context_.observer != nullptr) observe(Direction::up, packet);
  return deliver(std::move(packet), from, header->source_port, header->destination_port, has_checksum);
}

/// The socket that fits best; of several the latest, or, where they balance, one that the two ends choose. nullptr when none does.
detail::SocketState* Udp::find(const Endpoint& local, const Endpoint& remote) const {
  const auto found = sockets_.find(local.port);
  if (found == sockets_.end()) return nullptr;
  detail::SocketState* best = nullptr;
  unsigned best_fit = 0;
  std::size_t balancing = 0;
  for (auto* socket : found->second) {
    const unsigned fit = socket->fit(local, remote);
    if (fit == 0 || fit < best_fit) continue;
    if (fit > best_fit) balancing = 0;
    if (socket->options().balance) ++balancing;
    best = socket;
    best_fit = fit;
  }
  if (best == nullptr || !best->options().balance || balancing < 2) return best;
  std::size_t chosen = choice_of(local, remote) % balancing;
  for (auto* socket : found->second) {
    if (socket->options().balance && socket->fit(local, remote) == best_fit && chosen-- == 0) return socket;
  }
  return best;
}

/// Keyed, so that nobody outside can heap senders on one socket.
std::size_t Udp::choice_of(const Endpoint& local, const Endpoint& remote) const noexcept {
  const struct {
    IpAddress::Octets local_address;
    IpAddress::Octets remote_address;
    BigEndian<Port> local_port;
    BigEndian<Port> remote_port;
  } hashed{local.address.octets(), remote.address.octets(), local.port, remote.port};
  return static_cast<std::size_t>(siphash(key_, std::as_bytes(std::span{&hashed, 1})));
}

/// The packet's front is still the UDP header: an ICMP error quotes it.
Accepted Udp::deliver(Packet packet, const network::Received& from, Port source, Port destination, bool has_checksum) {
  if (from.to_group || network_.is_group(from.destination)) {
    packet.trim_front(sizeof(Header));
    return deliver_to_group(std::move(packet), from, source, destination, has_checksum);
  }
  auto* const socket = find({from.destination, destination}, {from.source, source});
  if (socket == nullptr) {
    ++stats_.no_ports;
    network_.refuse(std::move(packet), from, network::Refusal::port_unreachable);
    return drop(Drop::no_listener);
  }
  packet.trim_front(sizeof(Header));
  const auto alive = socket->shared_from_this();
  Accepted outcome{};
  std::size_t taken = 0;
  for_each_datagram(std::move(packet), [&](Packet datagram) {
    const auto offered = alive->offer(datagram_of(std::move(datagram), from, source, destination), has_checksum);
    if (offered) {
      ++taken;
    } else {
      outcome = malformed(offered.error());
    }
  });
  stats_.in_datagrams += taken;
  if (taken == 1) {
    alive->announce();
  } else {
    announce(std::vector{taken, alive});
  }
  return outcome;
}

/// Each has its copy before the first is told, whose callback may throw, and close sockets.
Accepted Udp::deliver_to_group(Packet payload, const network::Received& from, Port source, Port destination, bool has_checksum) {
  std::vector<std::shared_ptr<detail::SocketState>> wanting;
  if (const auto found = sockets_.find(destination); found != sockets_.end()) {
    for (auto* socket : found->second) {
      if (socket->wants_group(from.destination, from.interface, {from.source, source})) wanting.push_back(socket->shared_from_this());
    }
  }
  if (wanting.empty()) {
    ++stats_.no_ports;
    return drop(Drop::no_listener);
  }
  Accepted outcome{};
  std::vector<std::shared_ptr<detail::SocketState>> told;
  for_each_datagram(std::move(payload), [&](const Packet& datagram) {
    const auto before = told.size();
    Accepted refused{};
    for (const auto& socket : wanting) {
      const auto offered = socket->offer(datagram_of(datagram.share(), from, source, destination), has_checksum);
      if (offered) {
        told.push_back(socket);
      } else {
        refused = offered;
      }
    }
    if (told.size() > before) {
      ++stats_.in_datagrams;
    } else {
      outcome = malformed(refused.error());
    }
  });
  announce(told);
  return outcome;
}

bool Udp::believes(const network::ErrorReport& report) const {
  const auto header = report.quoted<Header>();
  if (!header) return false;
  const Endpoint remote{report.destination, header->destination_port};
  const auto* const socket = find({report.source, header->source_port}, remote);
  return socket != nullptr && socket->has_sent_to(remote);
}

void Udp::receive_error(const network::ErrorReport& report) {
  const auto header = report.quoted<Header>();
  if (!header) {
    (void)drop(Drop::truncated);
    return;
  }
  const Endpoint remote{report.destination, header->destination_port};
  auto* const socket = find({report.source, header->source_port}, remote);
  if (socket == nullptr) {
    (void)drop(Drop::unrelated_error);
    return;
  }
  const auto alive = socket->shared_from_this();
  alive->report({report.kind, report.type, report.code, report.reporter, remote, report.next_hop_mtu, report.pointer,
                 report.transport.subspan(sizeof(Header))});
}

}  // namespace tapir::udp
