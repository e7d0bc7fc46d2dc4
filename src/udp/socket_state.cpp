#include "socket_state.hpp"

#include <iterator>
#include <utility>

#include <tapir/network/error_kind.hpp>

#include "header.hpp"

namespace tapir::udp::detail {

namespace {

/// The same bytes, in slabs not much larger than they are: waiting datagrams keep no large slab for a few bytes. `memory` gains what they hold.
Packet compacted(PacketPool& pool, const Packet& payload, std::size_t& memory) {
  Packet kept{pool};
  kept.meta() = payload.meta();
  memory += PacketPool::header_capacity;  // the head slab
  payload.for_each_slice([&](Slice slice) {
    Slice compact = pool.compact(std::move(slice));
    memory += compact.pinned();
    kept.append(std::move(compact));
  });
  return kept;
}

/// RFC 1122 section 4.1.3.3 has all errors passed up; those that say that no datagram will ever arrive also fail the next call of a connected
/// socket. The others are hints.
bool is_hard(network::ErrorKind kind) noexcept {
  using enum network::ErrorKind;
  return kind == port_unreachable || kind == protocol_unreachable || kind == prohibited || kind == unresolved;
}

}  // namespace

SocketState::SocketState(Udp& udp, const Endpoint& local, SocketOptions options)
    : udp_{&udp}, bound_{local}, local_{local}, options_{std::move(options)} {}

unsigned SocketState::fit(const Endpoint& local, const Endpoint& remote) const noexcept {
  const bool any = local_.address.is_unspecified();
  if (!any && local_.address != local.address) return 0;
  if (peer_ && *peer_ != remote) return 0;
  return 1U + (any ? 0U : 1U) + (peer_ ? 2U : 0U);
}

bool SocketState::wants_group(IpAddress group, InterfaceIndex interface, const Endpoint& remote) const noexcept {
  if (!local_.address.is_unspecified() && local_.address != group) return false;
  const bool member = !group.is_multicast() || groups_.contains({group, std::nullopt}) || groups_.contains({group, interface});
  if (!member && !options_.all_groups) return false;
  return !peer_ || *peer_ == remote;
}

Accepted SocketState::offer(Datagram datagram, bool has_checksum) {
  if (!has_checksum && options_.require_checksum) return std::unexpected{Drop::bad_checksum};
  std::size_t memory = sizeof(Waiting) + datagram.options.capacity();
  datagram.payload = compacted(pool(), datagram.payload, memory);
  if (waiting_bytes_ + memory > options_.receive_limit_bytes) {
    ++dropped_;
    return std::unexpected{Drop::queue_full};
  }
  datagram.dropped = dropped_;
  waiting_bytes_ += memory;
  queue_.push_back({std::move(datagram), memory});
  return {};
}

void SocketState::announce() const {
  if (const auto callback = readable) (*callback)();
}

std::optional<Datagram> SocketState::receive() {
  if (waiting() == 0) return std::nullopt;
  Waiting taken = std::move(queue_[first_++]);
  waiting_bytes_ -= taken.memory;
  if (first_ * 2 >= queue_.size()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return std::move(taken.datagram);
}

void SocketState::report(const SocketError& error) {
  if (peer_ && is_hard(error.kind)) pending_ = network::error_of(error.kind);
  if (const auto callback = failed) (*callback)(error);
}

Result<> SocketState::check_destination(const Endpoint& destination) const {
  if (!open()) return fail(Error::connection_closed);
  if (destination.port == Port{} || destination.address.is_unspecified()) return fail(Error::invalid_argument);
  if (!options_.broadcast && !destination.address.is_multicast() && udp_->network_.is_group(destination.address)) {
    return fail(Error::permission_denied);
  }
  return {};
}

Result<> SocketState::send(const Endpoint& destination, Packet payload) {
  if (const auto allowed = check_destination(destination); !allowed) return allowed;
  Send to;
  to.source = local_;
  // A socket bound to a group's address receives there, but no datagram comes from a group (RFC 1122 section 4.1.3.6).
  if (udp_->network_.is_group(local_.address)) to.source.address = IpAddress{};
  const bool multicast = destination.address.is_multicast();
  if (multicast && to.source.address.is_unspecified()) to.source.address = options_.multicast_source;
  to.destination = destination;
  to.ttl = multicast ? std::optional{options_.multicast_ttl} : options_.ttl;
  to.tos = options_.tos;
  to.dont_fragment = options_.dont_fragment;
  to.checksum = options_.checksum;
  to.options = options_.ip_options;
  to.loop_multicast = options_.multicast_loopback;
  auto sent = udp_->encapsulate(std::move(payload), to);
  if (sent) last_destination_ = destination;
  if (!sent && sent.error() == Error::would_block) {
    blocked_by_ = {to.source.address, destination.address};
    blocked_ = true;
    udp_->context_.scheduler.make_ready(*this);
  }
  return sent;
}

Pulled SocketState::pull() {
  if (!open()) return Pulled::drained;
  if (!udp_->network_.writable_from(blocked_by_.source, blocked_by_.destination)) return Pulled::blocked;
  const auto alive = shared_from_this();
  blocked_ = false;
  if (const auto callback = writable) (*callback)();
  return open() && blocked_ ? Pulled::blocked : Pulled::drained;  // one that failed again waits for the link, whatever writable() says
}

Result<> SocketState::connect(const Endpoint& peer) {
  if (const auto allowed = check_destination(peer); !allowed) return allowed;
  if (bound_.address.is_unspecified()) {
    const auto source = udp_->network_.select_source(peer.address);
    if (!source) return fail(source.error());
    local_.address = *source;
  }
  peer_ = peer;
  pending_.clear();
  return {};
}

void SocketState::disconnect() noexcept {
  peer_.reset();
  local_ = bound_;
  pending_.clear();
}

Result<> SocketState::join(const Membership& membership) {
  if (!open()) return fail(Error::connection_closed);
  if (groups_.contains(membership)) return {};
  auto joined = udp_->network_.join(membership.first, membership.second);
  if (joined) groups_.insert(membership);
  return joined;
}

void SocketState::leave(const Membership& membership) {
  if (groups_.erase(membership) != 0 && open()) udp_->network_.leave(membership.first, membership.second);
}

void SocketState::unbind() noexcept {
  if (!open()) return;
  for (const auto& [group, interface] : groups_) udp_->network_.leave(group, interface);
  udp_->unbind(*this);
  let_go();
}

void SocketState::take_over(SocketState& former) {
  const auto waiting = former.queue_.begin() + static_cast<std::ptrdiff_t>(former.first_);
  const auto front = queue_.begin() + static_cast<std::ptrdiff_t>(first_);
  queue_.insert(front, std::make_move_iterator(waiting), std::make_move_iterator(former.queue_.end()));
  waiting_bytes_ += former.waiting_bytes_;
  dropped_ += former.dropped_;
  former.forget();
}

void SocketState::close() noexcept {
  unbind();
  forget();
}

void SocketState::detach() noexcept {
  let_go();
  forget();
}

void SocketState::forget() noexcept {
  queue_.clear();
  first_ = 0;
  waiting_bytes_ = 0;
}

void SocketState::let_go() noexcept {
  udp_->context_.scheduler.withdraw(*this);
  udp_ = nullptr;
  peer_.reset();
  groups_.clear();
  readable.reset();
  writable.reset();
  failed.reset();
}

std::size_t SocketState::path_payload(IpAddress destination) const noexcept {
  if (!open()) return 0;
  const std::size_t room = udp_->path_room(destination, padded_options(options_.ip_options.size()));
  return room > sizeof(Header) ? room - sizeof(Header) : 0;
}

}  // namespace tapir::udp::detail
