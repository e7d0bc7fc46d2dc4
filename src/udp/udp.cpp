#include <tapir/udp/udp.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <tapir/core/checksum.hpp>

#include "header.hpp"
#include "socket_state.hpp"

namespace tapir::udp {

namespace {

constexpr std::size_t kMaxIpOptions = 40;

bool valid(const SocketOptions& options) noexcept {
  return options.ttl != std::uint8_t{0} && options.multicast_ttl != 0 && options.ip_options.size() <= kMaxIpOptions;
}

}  // namespace

Udp::Udp(Context& context, network::Network& network, Config config)
    : context_{context}, network_{network}, config_{config}, key_{SipKey::generate(context.random)} {
  network_.attach(network::Protocol::udp, *this, this);
}

Udp::~Udp() {
  for (const auto& [port, sockets] : sockets_) {
    for (auto* socket : sockets) socket->detach();
  }
}

Result<Socket> Udp::bind(const Endpoint& local, SocketOptions options) {
  if (!valid(options)) return fail(Error::invalid_argument);
  if (!local.address.is_unspecified() && !network_.is_own(local.address) && !network_.is_group(local.address)) {
    return fail(Error::address_not_available);
  }
  if (!options.multicast_source.is_unspecified() && !network_.is_own(options.multicast_source)) return fail(Error::address_not_available);
  Endpoint chosen = local;
  if (local.port == Port{}) {
    const auto port = free_port();
    if (!port) return fail(Error::address_not_available);
    chosen.port = *port;
  } else if (const auto found = sockets_.find(local.port); found != sockets_.end()) {
    const bool taken = std::ranges::any_of(found->second, [&](const detail::SocketState* other) {
      return other->bound() == local && !(options.reuse && other->options().reuse);
    });
    if (taken) return fail(Error::address_in_use);
  }
  auto state = std::make_shared<detail::SocketState>(*this, chosen, std::move(options));
  sockets_[chosen.port].push_back(state.get());
  ++size_;
  return Socket{std::move(state)};
}

/// RFC 6056 section 3.3.2: random choices first, then, in a range nearly full, the next free one.
std::optional<Port> Udp::free_port() {
  constexpr std::uint32_t kRandomTries = 32;
  const std::uint32_t first = std::max<std::uint32_t>(config_.first_ephemeral.value(), 1);
  const std::uint32_t last = std::max<std::uint32_t>(config_.last_ephemeral.value(), first);
  const std::uint32_t range = last - first + 1;
  std::uint32_t offset = 0;
  for (std::uint32_t i = 0; i < range + kRandomTries; ++i) {
    offset = i <= kRandomTries ? static_cast<std::uint32_t>(context_.random.below(range)) : (offset + 1) % range;
    const Port port{static_cast<std::uint16_t>(first + offset)};
    if (!sockets_.contains(port)) return port;
  }
  return std::nullopt;
}

void Udp::unbind(detail::SocketState& socket) noexcept {
  const auto found = sockets_.find(socket.bound().port);
  if (found == sockets_.end()) return;
  size_ -= std::erase(found->second, &socket);
  if (found->second.empty()) sockets_.erase(found);
}

Result<> Udp::encapsulate(Packet&& packet, const Send& to) {
  if (to.destination.port == Port{} || to.destination.address.is_unspecified() || to.options.size() > kMaxIpOptions) {
    return fail(Error::invalid_argument);
  }
  const std::size_t option_size = padded_options(to.options.size());
  if (packet.size() > kMaxPayload - option_size) return fail(Error::message_too_large);
  if (!network_.writable_from(to.source.address, to.destination.address)) return fail(Error::would_block);
  network::Send below{to.source.address, to.destination.address, network::Protocol::udp, to.ttl, to.tos, to.dont_fragment,
                      to.options,        to.loop_multicast};
  if (below.source.is_unspecified()) {
    const auto chosen = network_.select_source(below.destination);  // the pseudo-header needs it
    if (!chosen) return fail(chosen.error());
    below.source = *chosen;
  }

  const std::size_t size = sizeof(Header) + packet.size();
  const std::size_t room = path_room(below.destination, option_size);
  packet.meta() = {};
  if (to.segment > 0 && packet.size() > to.segment) {
    if (!to.checksum) return fail(Error::invalid_argument);
    if (sizeof(Header) + to.segment > room) return fail(Error::message_too_large);
    packet.meta().gso = GsoKind::udp4;
    packet.meta().gso_size = to.segment;
  }
  Header header{to.source.port, to.destination.port, static_cast<std::uint16_t>(size), {}};
  if (to.checksum) {
    const std::uint16_t pseudo = network_.pseudo_header_sum(below.source, below.destination, network::Protocol::udp, size);
    if (size <= room || packet.meta().gso != GsoKind::none) {
      header.checksum = pseudo;  // the link completes it; a datagram that leaves in fragments has no link that could
      packet.meta().checksum = ChecksumState::partial;
      packet.meta().checksum_offset = kChecksumOffset;
    } else {
      InternetChecksum sum;
      sum.add_word(pseudo);
      sum.add(std::as_bytes(std::span{&header, 1}));
      add_packet(sum, packet);
      header.checksum = sum.value() == 0 ? std::uint16_t{0xffff} : sum.value();  // 0 would say that there is none
    }
  }
  packet.prepend(header);
  packet.mark_transport();
  if (context_.observer != nullptr) observe(Direction::down, packet);
  const std::size_t datagrams = packet.meta().gso == GsoKind::none ? 1 : (size - sizeof(Header) + to.segment - 1) / to.segment;
  auto sent = network_.encapsulate(std::move(packet), below);
  if (sent) stats_.out_datagrams += datagrams;
  return sent;
}

/// Bytes of UDP header and payload that reach `destination` in one piece as far as is known, behind `option_size` bytes of IP options.
std::size_t Udp::path_room(IpAddress destination, std::size_t option_size) const noexcept {
  const std::size_t headers = network_.header_size(destination) + option_size;
  const std::size_t mtu = network_.path_mtu(destination);
  return mtu > headers ? mtu - headers : 0;
}

void Udp::observe(Direction direction, const Packet& packet) const {
  const auto header = packet.peek<Header>();
  if (!header) return;
  const std::array fields{Field{"source port", fmt::format("{}", header->source_port.get().value())},
                          Field{"destination port", fmt::format("{}", header->destination_port.get().value())},
                          Field{"length", fmt::format("{}", header->length.get())},
                          Field{"checksum", fmt::format("0x{:04x}", header->checksum.get())}};
  const std::string brief = fmt::format("port {} > port {}", header->source_port.get().value(), header->destination_port.get().value());
  context_.observer->crossed(
      {LayerId::udp, direction, context_.now(), &packet, sizeof(Header), packet.size() - sizeof(Header), "datagram", fields, brief});
}

}  // namespace tapir::udp
