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
  bound_address_ = local.address;
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
                                   .all_groups = options_.multicast_all,
                                   .receive_limit_bytes = static_cast<std::size_t>(options_.receive_buffer)};
  auto opened = stack.udp().bind((*claim)->local(), options);
  if (!opened) return fail(opened.error());
  claim_ = std::move(*claim);
  socket_.emplace(std::move(*opened));
  if (auto former = std::exchange(former_, std::nullopt)) socket_->take_over(std::move(*former));
  ++ports_;
  socket_->on_readable([this] { notify(EPOLLIN | EPOLLRDNORM); });
  socket_->on_error([this](const udp::SocketError& trouble) { report(queued_error(trouble, trouble.destination, trouble.payload)); });
  for (const IpAddress group : groups_) (void)socket_->join(group);
  return {};
}

Result<> DatagramSocket::open_any() { return socket_ ? Result<>{} : open({bound_address_, Port{}}); }

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
  return {};
}

Result<> DatagramSocket::disconnect() {
  peer_.reset();
  if (socket_) socket_->disconnect();
  if (!port_bound_) give_port_back();
  return {};
}

/// The first message of a datagram: where it goes, and how.
Result<> DatagramSocket::begin(const Outgoing& message) {
  const auto to = destination_of(message);
  if (!to) return fail(to.error());
  if (to->port == Port{}) return error(EINVAL);
  const auto way = departure(message, static_cast<std::size_t>(udp_.segment));
  if (!way) return fail(way.error());
  if (corks(message.flags) && !to->address.is_multicast()) {  // whether there is a way is told now
    if (const auto source = environment().stack().ipv4().select_source(to->address); !source) return fail(source.error());
  }
  corked_ = Corked{.to = *to, .way = *way, .bytes = {}, .zero_copies = 0};
  return {};
}

/// Adds the message to what has been gathered, or begins with it. What does not fit ends it all (man 7 udp).
Result<DatagramSocket::Share> DatagramSocket::gather(const Outgoing& message) {
  const bool first = !corked_;
  const std::size_t size = size_of(message.parts);
  if (first) {
    if (const auto begun = begin(message); !begun) return fail(begun.error());
  }
  // What must not be cut by IP, and is not cut here, is looked at when it is gathered.
  const bool whole = keeps_whole() && corked_->way.segment == 0 && corks(message.flags);
  const std::size_t most = whole ? socket_->path_payload(corked_->to.address) : udp::kMaxPayload;
  const bool fits = corked_->bytes.size() + size <= std::min(most, udp::kMaxPayload);
  const auto allowed = fits && first ? may_send() : Result<>{};  // Linux looks when it makes the datagram
  if (!fits || !allowed) {
    const Corked former = *std::exchange(corked_, std::nullopt);
    tell_zero_copies(former.zero_copies);
    return fits ? fail(allowed.error()) : send_failed(std::error_code{EMSGSIZE, std::generic_category()}, former.to);
  }
  if (first && corks(message.flags)) corked_->way.asked = asked_now(corked_->way.asked);
  const bool counts = first || size > 0;  // nothing at all, added to something, is none to Linux
  const bool zero_copy = counts && options_.zero_copy && (message.flags & MSG_ZEROCOPY) != 0;
  if (zero_copy) ++corked_->zero_copies;
  for (const iovec& part : message.parts) corked_->bytes.insert(corked_->bytes.end(), bytes_of(part).begin(), bytes_of(part).end());
  return Share{.begins = first, .size = size, .zero_copies = zero_copy ? 1U : 0U};
}

IpAddress DatagramSocket::source_of(const Corked& message) const {
  IpAddress source = message.way.source.is_unspecified() ? socket_->local().address : message.way.source;
  // A socket bound to a group's address receives there, but no datagram comes from a group (RFC 1122 section 4.1.3.6).
  if (environment().stack().ipv4().is_group(source)) source = IpAddress{};
  if (message.to.address.is_multicast() && source.is_unspecified()) source = Ipv4Address{ntohl(options_.multicast_interface)};
  return source;
}

Result<> DatagramSocket::dispatch(const Corked& message, std::span<const std::byte> payload) {
  auto& stack = environment().stack();
  udp::Send to;
  to.source = {source_of(message), socket_->local().port};
  to.loop_multicast = options_.multicast_loop;
  to.destination = message.to;
  to.ttl = ttl_of(message.way, message.to.address);
  to.tos = message.way.tos;
  to.dont_fragment = keeps_whole();
  to.checksum = !options_.no_check;
  to.segment = static_cast<std::uint16_t>(message.way.segment);
  Packet packet{stack.context().pool, payload.size()};
  packet.append_copy(payload);
  return stack.udp().encapsulate(std::move(packet), to);
}

Result<std::size_t> DatagramSocket::send(const Outgoing& message) {
  const std::size_t size = size_of(message.parts);
  if (!open_any()) return error(EAGAIN);  // a call that sends nothing has a port afterwards, too
  if (size > 65535) return error(EMSGSIZE);
  if ((message.flags & MSG_OOB) != 0) return error(EOPNOTSUPP);
  const auto share = gather(message);
  if (!share) return fail(share.error());
  if (corks(message.flags)) return size;
  return flush(message.flags, *share);
}

/// Whether UDP_SEGMENT can be followed: each datagram leaves whole, they are not too many, and have a checksum.
Result<> DatagramSocket::may_cut(const Corked& message) const {
  constexpr std::size_t kMostDatagrams = 128;  // UDP_MAX_SEGMENTS
  const std::size_t segment = message.way.segment;
  if (segment == 0) return {};
  if (std::min(segment, message.bytes.size()) > socket_->path_payload(message.to.address)) {
    const auto source = environment().stack().ipv4().select_source(message.to.address);
    return source || message.to.address.is_multicast() ? error(EMSGSIZE) : fail(source.error());  // no way there comes first
  }
  if (message.bytes.size() > segment * kMostDatagrams || options_.no_check) return error(EINVAL);
  return {};
}

/// Whether the message has a port to leave from. connect() with AF_UNSPEC may give it back while a send waits; what has begun at one port does not go on
/// at another, as on Linux all of it leaves at once.
bool DatagramSocket::keeps_port(const Corked& message) {
  if (message.port == 0) return open_any().has_value();
  return socket_ && ports_ == message.port;
}

/// Whether it is one datagram, or whoever is below takes it for many.
bool DatagramSocket::leaves_at_once(const Corked& message) const {
  constexpr std::size_t kHeaders = 60 + 8;
  const std::size_t segment = message.way.segment;
  return segment == 0 || message.bytes.size() + kHeaders <= environment().stack().ipv4().max_super_datagram(message.to.address);
}

/// Sends what has not left of a message, datagram for datagram, until one finds no room or fails.
Result<> DatagramSocket::send_pieces(Corked& message) {
  const std::span<const std::byte> all{message.bytes};
  const std::size_t step = leaves_at_once(message) ? all.size() : message.way.segment;
  do {
    if (!keeps_port(message)) return error(EAGAIN);
    const auto piece = all.subspan(message.sent, std::min(step, all.size() - message.sent));
    if (auto outcome = dispatch(message, piece); !outcome) return outcome;
    socket_->note_sent(message.to);
    message.port = ports_;
    message.sent += piece.size();
  } while (message.sent < all.size());
  return {};
}

/// Sends what has been gathered: how many bytes have left of those that the call under way has brought.
Result<std::size_t> DatagramSocket::flush(int flags, const Share& share) {
  Corked message = *std::exchange(corked_, std::nullopt);
  const auto allowed = keeps_port(message) ? may_cut(message) : error(EAGAIN);
  if (!allowed) {
    end(message);
    return fail(allowed.error());
  }
  const std::size_t older = message.bytes.size() - share.size;
  const auto deadline = deadline_after(options_.send_timeout);
  for (;;) {
    const auto outcome = send_pieces(message);
    const bool full = !outcome && outcome.error() == Error::would_block;
    Result<> room;
    try {
      if (full) room = await_room(flags, {.source = source_of(message), .destination = message.to.address}, deadline);
    } catch (...) {  // a handler's
      if (message.sent <= older) {
        keep(std::move(message), share);
      } else {
        end(message);
      }
      throw;
    }
    if (full && room) continue;
    if (full && message.sent <= older) {
      keep(std::move(message), share);
      return fail(room.error());
    }
    end(message);
    if (outcome) return share.size;
    if (message.sent > older) return message.sent - older;
    return send_failed(outcome.error(), message.to);
  }
}

/// A send has found no room: what it brought is its caller's again, what others brought stays, but for what has left.
void DatagramSocket::keep(Corked message, const Share& share) {
  if (share.begins) return;
  message.zero_copies -= share.zero_copies;
  message.bytes.resize(message.bytes.size() - share.size);
  if (message.sent > 0 && message.sent == message.bytes.size()) return end(message);
  message.bytes.erase(message.bytes.begin(), message.bytes.begin() + static_cast<std::ptrdiff_t>(std::exchange(message.sent, 0)));
  if (corked_) {  // a handler has gathered meanwhile
    message.bytes.insert(message.bytes.end(), corked_->bytes.begin(), corked_->bytes.end());
    message.zero_copies += corked_->zero_copies;
  }
  corked_ = std::move(message);
}

/// Nothing of the message leaves any more. The program hears of what has, and that its bytes are its own again, also of a message that is lost.
void DatagramSocket::end(const Corked& message) {
  if (message.port != 0) departed(message.way.asked);
  tell_zero_copies(message.zero_copies);
}

/// Linux' Documentation/networking/msg_zerocopy: the program hears when its bytes are its own again, here at once: they were copied.
void DatagramSocket::tell_zero_copies(std::uint32_t count) {
  if (count == 0) return;
  const std::uint32_t first = std::exchange(zero_copies_, zero_copies_ + count);
  queue_error({.why = {0, false},
               .origin = SO_EE_ORIGIN_ZEROCOPY,
               .code = SO_EE_CODE_ZEROCOPY_COPIED,
               .info = first,
               .data = zero_copies_ - 1,
               .reporter = {},
               .destination = {},
               .payload = {}});
  notify(EPOLLERR);
}

void DatagramSocket::uncork() {
  if (!corked_) return;
  (void)flush(MSG_DONTWAIT, {});
  if (const auto lost = std::exchange(corked_, std::nullopt)) end(*lost);
}

namespace {
ReceivedPacket received_packet(const udp::Datagram& datagram, Packet payload) {
  const TimePoint at = payload.meta().ingress;
  return {.payload = std::move(payload),
          .from = datagram.source,
          .to = datagram.destination.address,
          .ttl = datagram.ttl,
          .tos = datagram.tos,
          .interface = datagram.interface,
          .at = at,
          .dropped = datagram.dropped};
}
}  // namespace

const ReceivedPacket* DatagramSocket::at(std::size_t older) const {
  udp::Socket* const waiting = arrivals();
  if (!front_ && waiting != nullptr) {
    if (auto datagram = waiting->receive()) front_ = received_packet(*datagram, std::move(datagram->payload));
  }
  if (older == 0 || !front_) return front_ ? &*front_ : nullptr;
  const udp::Datagram* const datagram = waiting != nullptr ? waiting->peek(older - 1) : nullptr;
  if (datagram == nullptr) return nullptr;
  behind_ = received_packet(*datagram, datagram->payload.share());
  return &*behind_;
}

Result<Endpoint> DatagramSocket::local() const { return socket_ ? socket_->local() : Endpoint{bound_address_, Port{}}; }

void DatagramSocket::close() {
  corked_.reset();
  give_port_back();
  former_.reset();
  front_.reset();
  behind_.reset();
  for (const IpAddress group : std::exchange(groups_, {})) environment().stack().ipv4().leave(group, {});
}

/// What has arrived stays.
void DatagramSocket::give_port_back() {
  if (!socket_) return;
  socket_->unbind();
  former_ = std::exchange(socket_, std::nullopt);
  claim_.reset();
}

void DatagramSocket::options_changed() {
  if (claim_ != nullptr) claim_->sharing = sharing();
  if (!socket_) return;
  socket_->set_receive_limit(static_cast<std::size_t>(options_.receive_buffer));
  socket_->set_all_groups(options_.multicast_all);
}

Result<> DatagramSocket::join(IpAddress group) {
  if (std::ranges::find(groups_, group) != groups_.end()) return error(EADDRINUSE);
  // The host is a member from now on, though there may be no port yet to which something could come.
  if (const auto joined = environment().stack().ipv4().join(group, {}); !joined) return fail(joined.error());
  if (socket_) (void)socket_->join(group);
  groups_.push_back(group);
  return {};
}

Result<> DatagramSocket::leave(IpAddress group) {
  if (std::erase(groups_, group) == 0) return error(EADDRNOTAVAIL);
  environment().stack().ipv4().leave(group, {});
  if (socket_) socket_->leave(group);
  return {};
}

}  // namespace tapir::posix::detail
