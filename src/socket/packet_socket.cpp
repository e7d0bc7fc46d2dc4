// What datagram and raw sockets share (man 7 udp, raw, ip).

#include "packet_socket.hpp"

#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "address.hpp"
#include "environment.hpp"
#include "error_number.hpp"
#include "timestamping_flags.hpp"
#include "timestamps.hpp"

namespace tapir::posix::detail {

namespace {
/// Copies a packet's bytes from `offset` on into the parts. Returns how many found room.
std::size_t copy_packet(const Packet& packet, std::size_t offset, std::span<const iovec> parts) {
  std::size_t copied = 0;
  packet.for_each_chunk([&](std::span<const std::byte> chunk) {
    const std::size_t passed = std::min(offset, chunk.size());
    offset -= passed;
    copied += scatter(chunk.subspan(passed), parts, copied);
  });
  return copied;
}

/// Whether an interface has this index, which is one more than its number: to Linux 0 is none.
bool has_interface(const ipv4::Ipv4& network, int index) {
  const auto count = static_cast<int>(network.interface_count());
  return (index >= 1 && index <= count) || index == static_cast<int>(ipv4::Ipv4::loopback_interface) + 1;
}

/// What a control message of IPPROTO_IP says of one datagram.
Result<> take_control(int type, std::span<const std::byte> data, const ipv4::Ipv4& network, Departure& way) {
  if (type == IP_TTL) {
    const auto ttl = data.size() == sizeof(int) ? int_of(data) : error(EINVAL);
    if (!ttl || *ttl < 1 || *ttl > 255) return error(EINVAL);
    way.ttl = static_cast<std::uint8_t>(*ttl);
    return {};
  }
  if (type == IP_TOS) {
    const auto tos = data.size() == sizeof(int) || data.size() == 1 ? int_or_byte_of(data) : error(EINVAL);
    if (!tos || *tos < 0 || *tos > 255) return error(EINVAL);
    way.tos = static_cast<std::uint8_t>(*tos);
    return {};
  }
  in_pktinfo info{};
  if (type != IP_PKTINFO || data.size() != sizeof(info)) return error(EINVAL);
  std::memcpy(&info, data.data(), sizeof(info));
  way.source = Ipv4Address{ntohl(info.ipi_spec_dst.s_addr)};
  way.no_device = info.ipi_ifindex != 0 && !has_interface(network, info.ipi_ifindex);
  return {};
}
}  // namespace

Result<std::size_t> PacketSocket::receive(Incoming& message) {
  if ((message.flags & MSG_ERRQUEUE) != 0) return receive_error(message, error_);
  const auto deadline = deadline_after(options_.receive_timeout);
  auto choice = choose(message.flags);
  while (!choice) {
    if (error_ != 0) return error(std::exchange(error_, 0));
    if (must_not_wait(message.flags)) return error(EAGAIN);
    if (receive_shut_) return 0;
    const auto waited = wait([&] { return choose(message.flags) || error_ != 0 || receive_shut_; }, deadline);
    if (!waited) return fail(waited.error());
    choice = choose(message.flags);
  }
  if (error_ != 0) return error(std::exchange(error_, 0));
  const ReceivedPacket& packet = *choice->packet;
  const std::size_t size = packet.payload.size();
  const std::size_t room = size_of(message.parts);
  const std::size_t copied = copy_packet(packet.payload, choice->offset, message.parts);
  // Linux calls what SO_PEEK_OFF passes over cut off, too, unless there is room to spare.
  if (room <= size - choice->offset && room < size) message.out_flags |= MSG_TRUNC;
  message.from = packet.from;
  add_control(packet, message);
  const std::size_t told = (message.flags & MSG_TRUNC) != 0 ? size : copied;
  took(*choice, message.flags, told);
  return told;
}

/// With SO_PEEK_OFF (man 7 socket) a call that only looks begins behind what others have looked at, and an empty datagram is seen once.
std::optional<PacketSocket::Choice> PacketSocket::choose(int flags) const {
  const bool passes = (flags & MSG_PEEK) != 0 && options_.peek_offset >= 0;
  Choice choice{.packet = nullptr, .older = 0, .offset = passes ? static_cast<std::size_t>(options_.peek_offset) : 0};
  for (; (choice.packet = at(choice.older)) != nullptr; ++choice.older) {
    const std::size_t size = choice.packet->payload.size();
    const bool seen = choice.offset > 0 || seen_empty_.contains(taken_ + choice.older);
    if (!passes || choice.offset < size || !seen) return choice;
    choice.offset -= size;
  }
  return std::nullopt;
}

void PacketSocket::took(const Choice& choice, int flags, std::size_t told) {
  const bool looks = (flags & MSG_PEEK) != 0;
  const int step = static_cast<int>(told);
  if (options_.peek_offset >= 0) options_.peek_offset = looks ? options_.peek_offset + step : std::max(options_.peek_offset - step, 0);
  if (looks) {
    if (choice.packet->payload.empty()) seen_empty_.insert(taken_ + choice.older);
    return;
  }
  seen_empty_.erase(taken_);
  ++taken_;
  drop_front();
}

void PacketSocket::add_control(const ReceivedPacket& packet, Incoming& message) {
  if (!tell_arrival(options_, environment().time_of_day(packet.at), message.control)) stamp_ = packet.at;
  if (options_.receive_overflow && packet.dropped != 0) {
    message.control.add(SOL_SOCKET, SO_RXQ_OVFL, static_cast<std::uint32_t>(packet.dropped));
  }
  if (options_.packet_info) {
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(packet.interface) + 1;  // 0 is no interface
    info.ipi_addr.s_addr = htonl(packet.to.v4().value());
    const auto& network = environment().stack().ipv4();
    const auto specific = network.is_own(packet.to) ? Result<IpAddress>{packet.to} : network.select_source(packet.from.address);
    info.ipi_spec_dst.s_addr = specific ? htonl(specific->v4().value()) : 0;
    message.control.add(IPPROTO_IP, IP_PKTINFO, info);
  }
  if (options_.receive_ttl) message.control.add(IPPROTO_IP, IP_TTL, static_cast<int>(packet.ttl));
  if (options_.receive_tos) message.control.add(IPPROTO_IP, IP_TOS, packet.tos);
  if (options_.receive_original_address) {
    const auto own = local();
    message.control.add(IPPROTO_IP, IP_ORIGDSTADDR, to_sockaddr({packet.to, own ? own->port : Port{}}));
  }
}

void PacketSocket::report(QueuedError queued) {
  const bool asked = options_.receive_errors;
  if (!queued.local() && !is_icmp_error(queued.type, queued.code)) return;
  if (!queued.local() && queued.why.number == EMSGSIZE) {  // a path's MTU matters to those who have not said otherwise
    queued.why.fatal = options_.mtu_discover != IP_PMTUDISC_DONT;
    if (!queued.why.fatal && type() == SOCK_DGRAM) return;
  }
  if (!asked && (!queued.why.fatal || !peer_)) return;
  error_ = queued.why.number;
  if (asked) queue_error(std::move(queued));
  notify(EPOLLERR | EPOLLPRI);
}

Result<> PacketSocket::set_timestamping(std::uint32_t flags) {
  const bool numbered = (options_.timestamping & SOF_TIMESTAMPING_OPT_ID) != 0;
  if (!numbered) departures_ = 0;
  return Socket::set_timestamping(flags);
}

/// Linux' Documentation/networking/timestamping: with SOF_TIMESTAMPING_OPT_ID datagrams have numbers. What was handed down has left, as far as is known here.
void PacketSocket::departed(const SocketControl& asked) {
  const std::uint32_t flags =
      (options_.timestamping & ~kTimestampingStages) | asked.stages.value_or(options_.timestamping & kTimestampingStages);
  const auto has = [flags](std::uint32_t flag) { return (flags & flag) != 0; };
  if (!has(kTimestampingStages & ~std::uint32_t{SOF_TIMESTAMPING_TX_ACK})) return;  // nobody acknowledges a datagram
  std::uint32_t key = 0;
  if (has(SOF_TIMESTAMPING_OPT_ID)) key = asked.key ? *asked.key : departures_++;
  QueuedError report{.why = {ENOMSG, false},
                     .origin = SO_EE_ORIGIN_TIMESTAMPING,
                     .data = key,
                     .reporter = {},
                     .destination = {},
                     .payload = {},
                     .cut_off = !has(SOF_TIMESTAMPING_OPT_TSONLY)};
  report.info = SCM_TSTAMP_SCHED;
  if (has(SOF_TIMESTAMPING_TX_SCHED)) queue_error(report);
  report.info = SCM_TSTAMP_SND;
  if (has(SOF_TIMESTAMPING_TX_SOFTWARE)) queue_error(report);
  if (has(SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE)) notify(EPOLLERR);
}

/// Linux decides it with the first part of a datagram that is gathered (ip_setup_cork), and numbers it then. What it asks for beside stays the socket's.
SocketControl PacketSocket::asked_now(const SocketControl& asked) {
  const std::uint32_t stages = asked.stages.value_or(options_.timestamping & kTimestampingStages);
  const bool told = (stages & ~std::uint32_t{SOF_TIMESTAMPING_TX_ACK}) != 0;
  const bool numbered = told && (options_.timestamping & SOF_TIMESTAMPING_OPT_ID) != 0;
  return {.stages = stages, .key = asked.key ? *asked.key : numbered ? departures_++ : 0};
}

bool PacketSocket::has_room() const { return !full_ || environment().stack().ipv4().writable_from(full_->source, full_->destination); }

Pulled PacketSocket::pull() {
  if (!has_room()) return Pulled::blocked;
  full_.reset();
  notify(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  return Pulled::drained;
}

Result<> PacketSocket::await_room(int flags, const Ends& ends, std::optional<TimePoint> deadline) {
  if (sending_is_over()) return error(EPIPE);
  if (must_not_wait(flags)) {
    full_ = ends;
    environment().stack().context().scheduler.make_ready(*this);
    return error(EAGAIN);
  }
  const auto& network = environment().stack().ipv4();
  const auto waited = wait([&] { return sending_is_over() || network.writable_from(ends.source, ends.destination); }, deadline);
  return waited && sending_is_over() ? error(EPIPE) : waited;
}

Result<> PacketSocket::may_send() {
  if (error_ != 0) return error(std::exchange(error_, 0));
  return send_shut_ ? error(EPIPE) : Result<>{};
}

Result<Endpoint> PacketSocket::destination_of(const Outgoing& message) const {
  if (message.to == nullptr) {
    if (!peer_) return error(EDESTADDRREQ);
    return *peer_;
  }
  auto to = endpoint_of(message.to, message.to_size, OtherFamilies::unspecified);
  if (!to) return to;
  if (to->address.is_unspecified()) to->address = Ipv4Address{0x7f00'0001U};  // this host
  if (const auto allowed = check_destination(*to); !allowed) return fail(allowed.error());
  return to;
}

Result<> PacketSocket::check_destination(const Endpoint& to) const {
  const auto& network = environment().stack().ipv4();
  const bool broadcast = !to.address.is_multicast() && network.is_group(to.address);
  if (!broadcast || options_.broadcast) return {};
  if (const auto source = network.select_source(to.address); !source) return fail(source.error());  // no way there comes first
  return error(EACCES);
}

std::optional<std::uint8_t> PacketSocket::ttl_of(const Departure& way, IpAddress destination) const noexcept {
  if (way.ttl) return way.ttl;
  if (destination.is_multicast()) return static_cast<std::uint8_t>(options_.multicast_ttl);
  return options_.ttl > 0 ? std::optional{static_cast<std::uint8_t>(options_.ttl)} : std::nullopt;
}

Result<Departure> PacketSocket::departure(const Outgoing& message, std::size_t segment) const {
  Departure way;
  way.tos = options_.tos;
  way.segment = segment;
  const auto read = for_each_control(message.control, [&](const cmsghdr& header, std::span<const std::byte> data) {
    if (header.cmsg_level == SOL_SOCKET) return take_socket_control(header, data, way.asked);
    return header.cmsg_level == IPPROTO_IP ? take_control(header.cmsg_type, data, environment().stack().ipv4(), way)
                                           : take_own_control(header, data, way);
  });
  if (!read) return fail(read.error());
  if (way.no_device) return error(ENODEV);
  if (way.asked.key && (options_.timestamping & SOF_TIMESTAMPING_OPT_ID) == 0) return error(EINVAL);
  if (!way.source.is_unspecified() && !check_local(way.source)) return error(ENETUNREACH);
  return way;
}

std::unexpected<std::error_code> PacketSocket::send_failed(const std::error_code& why, const Endpoint& to) {
  const int number = number_of(why);
  if (number == EMSGSIZE && options_.receive_errors) {
    const auto mtu = environment().stack().ipv4().path_mtu(to.address);
    queue_error({.why = {EMSGSIZE, false},
                 .origin = SO_EE_ORIGIN_LOCAL,
                 .info = static_cast<std::uint32_t>(mtu),
                 .reporter = {},
                 .destination = {to.address, peer_ ? peer_->port : Port{}},  // Linux knows the peer's alone
                 .payload = {}});
  }
  return error(number);
}

Result<> PacketSocket::shutdown(int how) {
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return error(EINVAL);
  receive_shut_ = receive_shut_ || how != SHUT_WR;
  send_shut_ = send_shut_ || how != SHUT_RD;
  notify(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
  return peer_ ? Result<>{} : error(ENOTCONN);
}

std::uint32_t PacketSocket::readiness() const {
  std::uint32_t ready = has_room() || sending_is_over() ? EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND : 0U;
  if (front() != nullptr) ready |= EPOLLIN | EPOLLRDNORM;
  if (receive_shut_) ready |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
  if (receive_shut_ && send_shut_) ready |= EPOLLHUP;
  if (error_ != 0 || !errors_.empty()) ready |= EPOLLERR | (options_.select_error_queue ? EPOLLPRI : 0U);
  return ready;
}

Result<Endpoint> PacketSocket::peer() const {
  if (!peer_ || peer_->port == Port{}) return error(ENOTCONN);  // to Linux a peer without a port is none
  return *peer_;
}

Result<int> PacketSocket::ioctl(unsigned long request) {
  switch (request) {
    case SIOCINQ: return front() == nullptr ? 0 : static_cast<int>(front()->payload.size());
    case SIOCOUTQ: return 0;  // what was sent has left
    default: return error(ENOTTY);
  }
}

Result<Duration> PacketSocket::stamp() const { return stamp_ ? Result<Duration>{environment().time_of_day(*stamp_)} : error(ENOENT); }

int PacketSocket::take_error() { return std::exchange(error_, 0); }

}  // namespace tapir::posix::detail
