#include "raw_socket.hpp"

#include <netinet/ip.h>
#include <sys/epoll.h>

#include <cstring>
#include <utility>

#include "environment.hpp"
#include "error_number.hpp"
#include "raw_tap.hpp"

namespace tapir::posix::detail {

namespace {

constexpr int kIcmpFilter = 1;            // ICMP_FILTER of <linux/icmp.h>
constexpr std::size_t kLeastMessage = 2;  // type and code, which Linux looks at before anything is sent

Result<OptionValue> get_filter(Socket& socket) {
  if (socket.protocol() != IPPROTO_ICMP) return error(EOPNOTSUPP);
  return OptionValue{static_cast<RawSocket&>(socket).filter};
}

Result<> set_filter(Socket& socket, OptionBytes bytes) {
  if (socket.protocol() != IPPROTO_ICMP) return error(EOPNOTSUPP);
  auto& filter = static_cast<RawSocket&>(socket).filter;
  std::memcpy(&filter, bytes.data(), std::min(bytes.size(), sizeof(filter)));
  return {};
}

constexpr Option kRows[] = {{SOL_RAW, kIcmpFilter, get_filter, set_filter}};

/// What one waiting packet costs: the header slab and the bytes.
std::size_t cost_of(const Packet& packet) { return PacketPool::header_capacity + packet.size(); }

}  // namespace

RawSocket::RawSocket(Environment& environment, int protocol)
    : PacketSocket{environment, SOCK_RAW, protocol}, hears_{protocol == IPPROTO_ICMP}, name_{static_cast<std::uint16_t>(protocol)} {
  options_.reuse_address = true;  // as getsockopt() tells it; there is nothing to share
  options_.header_included = protocol == IPPROTO_RAW;
  if (hears_) environment.raw_tap().add(*this);
}

RawSocket::~RawSocket() { close(); }

void RawSocket::close() {
  go_deaf();
  queue_.clear();
}

void RawSocket::go_deaf() {
  if (std::exchange(hears_, false)) environment().raw_tap().remove(*this);
}

std::span<const Option> RawSocket::own_options() const noexcept { return kRows; }

Result<> RawSocket::bind(const Endpoint& local) {
  if (peer_) return error(EINVAL);
  if (!environment().stack().ipv4().is_group(local.address)) {
    if (const auto own = check_local(local.address); !own) return own;
  }
  bound_ = local.address;
  return {};
}

Result<> RawSocket::connect(const Endpoint& remote) {
  Endpoint to = remote;
  if (to.address.is_unspecified()) to.address = Ipv4Address{0x7f00'0001U};  // this host
  if (const auto allowed = check_destination(to); !allowed) return allowed;
  const auto source = environment().stack().ipv4().select_source(to.address);
  if (!source) return fail(source.error());
  peer_ = to;
  return {};
}

/// As on Linux the socket forgets its own address, also one that bind() gave it, and its protocol: nothing comes in any more.
Result<> RawSocket::disconnect() {
  peer_.reset();
  bound_ = IpAddress{};
  name_ = Port{};
  go_deaf();
  return {};
}

Result<Endpoint> RawSocket::local() const {
  IpAddress address = bound_;
  if (address.is_unspecified() && peer_) address = environment().stack().ipv4().select_source(peer_->address).value_or(address);
  return Endpoint{address, name_};
}

Result<std::size_t> RawSocket::send(const Outgoing& message) {
  const std::size_t size = size_of(message.parts);
  if (size > 65535) return error(EMSGSIZE);
  if ((message.flags & MSG_OOB) != 0) return error(EOPNOTSUPP);
  Outgoing described = message;
  if (message.to_size == 0) described.to = nullptr;  // an address of no bytes is none
  const auto to = destination_of(described);
  if (!to) return fail(to.error());
  const auto way = departure(message);
  if (!way) return fail(way.error());
  const bool bare = protocol() == IPPROTO_ICMP && !options_.header_included;
  if (bare && size < kLeastMessage) return error(EFAULT);
  if (options_.header_included && size >= sizeof(iphdr)) {
    if (const auto allowed = may_send(); !allowed) return fail(allowed.error());
  }
  const auto deadline = deadline_after(options_.send_timeout);
  for (;;) {
    const auto sent = dispatch(message, *way, to->address);
    if (sent) break;
    if (sent.error() != Error::would_block) return send_failed(sent.error(), *to);
    const Ends ends{.source = source_of(*way, to->address), .destination = to->address};
    if (const auto room = await_room(message.flags, ends, deadline); !room) return fail(room.error());
  }
  departed(way->asked);
  return size;
}

IpAddress RawSocket::source_of(const Departure& way, IpAddress destination) const {
  // A socket bound to a group's address receives there, but no datagram comes from a group (RFC 1122 section 3.2.1.3).
  IpAddress source = environment().stack().ipv4().is_group(bound_) ? IpAddress{} : bound_;
  if (!way.source.is_unspecified()) source = way.source;
  if (destination.is_multicast() && source.is_unspecified()) source = Ipv4Address{ntohl(options_.multicast_interface)};
  return source;
}

Result<> RawSocket::dispatch(const Outgoing& message, const Departure& way, IpAddress destination) {
  auto& stack = environment().stack();
  Packet packet{stack.context().pool, size_of(message.parts)};
  for (const iovec& part : message.parts) packet.append_copy(bytes_of(part));
  const network::Send below{.source = source_of(way, destination),
                            .destination = destination,
                            .protocol = static_cast<network::Protocol>(protocol()),
                            .ttl = ttl_of(way, destination),
                            .tos = way.tos,
                            .dont_fragment = keeps_whole(),
                            .options = {},
                            .loop_multicast = options_.multicast_loop};
  if (options_.header_included) return stack.ipv4().send_with_header(std::move(packet), below);
  return stack.ipv4().encapsulate(std::move(packet), below);
}

Result<std::size_t> RawSocket::receive(Incoming& message) {
  if ((message.flags & MSG_OOB) != 0) return error(EOPNOTSUPP);
  return PacketSocket::receive(message);
}

void RawSocket::offer(const Packet& packet, const network::Received& from) {
  const auto type = packet.peek<std::uint8_t>();
  if (!type || (*type < 32 && (filter >> *type & 1U) != 0)) return;
  if (!bound_.is_unspecified() && bound_ != from.destination) return;
  if (peer_ && peer_->address != from.source) return;
  if (queued_bytes_ + cost_of(packet) > static_cast<std::size_t>(options_.receive_buffer)) {
    ++dropped_;
    return;
  }
  Packet whole = packet.share();
  if (!whole.restore_front(from.header_size)) return;
  // A copy: the original's slab is ICMP's to answer with.
  Packet kept{environment().stack().context().pool, whole.size()};
  whole.for_each_chunk([&kept](std::span<const std::byte> chunk) { kept.append_copy(chunk); });
  const TimePoint at = packet.meta().ingress;
  queued_bytes_ += cost_of(kept);
  queue_.push_back({.payload = std::move(kept),
                    .from = {from.source, Port{}},
                    .to = from.destination,
                    .ttl = from.ttl,
                    .tos = from.tos,
                    .interface = from.interface,
                    .at = at,
                    .dropped = dropped_});
  notify(EPOLLIN | EPOLLRDNORM);
}

void RawSocket::hear(const network::ErrorReport& error) {
  if (!bound_.is_unspecified() && bound_ != error.source) return;
  if (peer_ && peer_->address != error.destination) return;
  // Who sends headers gets them back.
  report(queued_error(error, {error.destination, Port{}}, options_.header_included ? error.datagram : error.transport));
}

void RawSocket::drop_front() {
  queued_bytes_ -= cost_of(queue_.front().payload);
  queue_.pop_front();
}

}  // namespace tapir::posix::detail
