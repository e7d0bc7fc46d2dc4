#include "datagram_socket.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "environment.hpp"
#include "error_number.hpp"

namespace tapir::posix::detail {

DatagramSocket::~DatagramSocket() = default;

Result<> DatagramSocket::bind(const Endpoint& local) {
  const auto& network = environment().stack().ipv4();
  if (!network.is_group(local.address)) {
    if (const auto own = check_local(local.address); !own) return own;
  }
  if (socket_) return error(EINVAL);
  if (const auto opened = open(local); !opened) return opened;
  port_bound_ = local.port != Port{};
  return {};
}

Result<> DatagramSocket::open(const Endpoint& local) {
  auto& stack = environment().stack();
  const auto nobody_else = [](const Endpoint&, Sharing) { return false; };
  auto claim = environment().udp_ports().claim(local, sharing(), stack.context().random, nobody_else);
  if (!claim) return fail(claim.error());
  // Who may share a port is decided by the claims.
  const udp::SocketOptions options{.broadcast = true,
                                   .balance = options_.reuse_port,
                                   .reuse = true,
                                   .receive_limit_bytes = static_cast<std::size_t>(options_.receive_buffer)};
  auto opened = stack.udp().bind((*claim)->local(), options);
  if (!opened) return fail(opened.error());
  claim_ = std::move(*claim);
  socket_.emplace(std::move(*opened));
  socket_->on_readable([this] { notify(EPOLLIN | EPOLLRDNORM); });
  socket_->on_error([this](const udp::SocketError& trouble) { report(queued_error(trouble, trouble.destination, trouble.payload)); });
  for (const IpAddress group : groups_) (void)socket_->join(group);
  return {};
}

Result<> DatagramSocket::open_any() { return socket_ ? Result<>{} : open({}); }

Result<> DatagramSocket::connect(const Endpoint& remote) {
  Endpoint to = remote;
  if (to.address.is_unspecified()) to.address = Ipv4Address{0x7f00'0001U};  // this host
  if (const auto allowed = check_destination(to); !allowed) return allowed;
  if (const auto opened = open_any(); !opened) return opened;
  // A port of 0 is kept as a peer to whom nothing can be sent.
  if (to.port != Port{}) {
    if (const auto connected = socket_->connect(to); !connected) return fail(connected.error());
  }
  peer_ = to;
  error_ = 0;
  return {};
}

Result<> DatagramSocket::disconnect() {
  peer_.reset();
  error_ = 0;
  if (socket_) socket_->disconnect();
  if (!port_bound_) {
    front_.reset();
    socket_.reset();
    claim_.reset();
  }
  return {};
}

/// Adds the message to what MSG_MORE has gathered, or begins with it.
Result<> DatagramSocket::gather(const Outgoing& message) {
  if (!corked_) {
    const auto to = destination_of(message);
    if (!to) return fail(to.error());
    if (to->port == Port{}) return error(EINVAL);
    const auto way = departure(message, to->address);
    if (!way) return fail(way.error());
    if (const auto opened = open_any(); !opened) return opened;
    corked_ = Corked{.to = *to, .way = *way, .bytes = {}};
  }
  if (corked_->bytes.size() + size_of(message.parts) > udp::kMaxPayload) {
    if (corked_->bytes.empty()) corked_.reset();
    return error(EMSGSIZE);
  }
  for (const iovec& part : message.parts) corked_->bytes.insert(corked_->bytes.end(), bytes_of(part).begin(), bytes_of(part).end());
  return {};
}

Result<> DatagramSocket::dispatch(const Corked& datagram) {
  auto& stack = environment().stack();
  udp::Send to;
  to.source = socket_->local();
  if (!datagram.way.source.is_unspecified()) to.source.address = datagram.way.source;
  // A socket bound to a group's address receives there, but no datagram comes from a group (RFC 1122 section 4.1.3.6).
  if (stack.ipv4().is_group(to.source.address)) to.source.address = IpAddress{};
  if (datagram.to.address.is_multicast() && to.source.address.is_unspecified()) {
    to.source.address = Ipv4Address{ntohl(options_.multicast_interface)};
  }
  to.loop_multicast = options_.multicast_loop;
  to.destination = datagram.to;
  to.ttl = datagram.way.ttl;
  to.tos = datagram.way.tos;
  to.dont_fragment = datagram.way.dont_fragment;
  to.checksum = !options_.no_check;
  Packet packet{stack.context().pool, datagram.bytes.size()};
  packet.append_copy(datagram.bytes);
  return stack.udp().encapsulate(std::move(packet), to);
}

Result<std::size_t> DatagramSocket::send(const Outgoing& message) {
  if (size_of(message.parts) > 65535) return error(EMSGSIZE);
  if ((message.flags & MSG_OOB) != 0) return error(EOPNOTSUPP);
  if (const auto allowed = may_send(); !allowed) return fail(allowed.error());
  const std::size_t size = size_of(message.parts);
  if (const auto gathered = gather(message); !gathered) return fail(gathered.error());
  if ((message.flags & MSG_MORE) != 0) return size;
  const Corked datagram = *std::exchange(corked_, std::nullopt);
  const auto deadline = deadline_after(options_.send_timeout);
  for (;;) {
    if (const auto opened = open_any(); !opened)
      return fail(opened.error());  // connect() with AF_UNSPEC may have given the port back while this waited
    const auto sent = dispatch(datagram);
    if (sent) {
      socket_->note_sent(datagram.to);
      departed(datagram.way.asked);
      return size;
    }
    if (sent.error() != Error::would_block) return send_failed(sent.error(), datagram.to);
    if (must_not_wait(message.flags)) return error(EAGAIN);
    const auto room = [&] { return environment().stack().ipv4().writable(datagram.to.address); };
    if (const auto waited = wait(room, deadline); !waited) return fail(waited.error());
  }
}

const ReceivedPacket* DatagramSocket::front() const {
  if (!front_ && socket_) {
    if (auto datagram = socket_->receive()) {
      const TimePoint at = datagram->payload.meta().ingress;
      front_ = ReceivedPacket{.payload = std::move(datagram->payload),
                              .from = datagram->source,
                              .to = datagram->destination.address,
                              .ttl = datagram->ttl,
                              .tos = datagram->tos,
                              .interface = datagram->interface,
                              .at = at};
    }
  }
  return front_ ? &*front_ : nullptr;
}

Result<Endpoint> DatagramSocket::local() const { return socket_ ? socket_->local() : Endpoint{}; }

void DatagramSocket::close() {
  front_.reset();
  socket_.reset();
  claim_.reset();
}

void DatagramSocket::options_changed() {
  if (claim_ != nullptr) claim_->sharing = sharing();
  if (socket_) socket_->set_receive_limit(static_cast<std::size_t>(options_.receive_buffer));
}

Result<> DatagramSocket::join(IpAddress group) {
  if (std::ranges::find(groups_, group) != groups_.end()) return error(EADDRINUSE);
  if (socket_) {
    if (const auto joined = socket_->join(group); !joined) return fail(joined.error());
  }
  groups_.push_back(group);
  return {};
}

Result<> DatagramSocket::leave(IpAddress group) {
  if (std::erase(groups_, group) == 0) return error(EADDRNOTAVAIL);
  if (socket_) socket_->leave(group);
  return {};
}

}  // namespace tapir::posix::detail
