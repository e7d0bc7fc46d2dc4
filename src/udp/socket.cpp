#include <tapir/udp/socket.hpp>

#include <algorithm>
#include <utility>

#include "header.hpp"
#include "socket_state.hpp"

namespace tapir::udp {

Socket::Socket(std::shared_ptr<detail::SocketState> state) noexcept : state_{std::move(state)} {}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}

Socket::~Socket() { close(); }

void Socket::close() noexcept {
  if (state_) state_->close();
}

void Socket::unbind() noexcept {
  if (state_) state_->unbind();
}

void Socket::take_over(Socket former) {
  if (state_ && former.state_ && !former.state_->open()) state_->take_over(*former.state_);
}

Result<> Socket::send_to(const Endpoint& destination, std::span<const std::byte> payload) {
  if (!state_ || !state_->open()) return fail(Error::connection_closed);
  if (payload.size() > max_payload()) return fail(Error::message_too_large);
  Packet packet{state_->pool(), payload.size()};
  packet.append_copy(payload);
  return state_->send(destination, std::move(packet));
}

Result<> Socket::send_to(const Endpoint& destination, Slice payload) {
  if (!state_ || !state_->open()) return fail(Error::connection_closed);
  Packet packet{state_->pool()};
  packet.append(std::move(payload));
  return state_->send(destination, std::move(packet));
}

Result<> Socket::connect(const Endpoint& peer) { return state_ ? state_->connect(peer) : fail(Error::connection_closed); }

void Socket::disconnect() noexcept {
  if (state_) state_->disconnect();
}

Result<> Socket::send(std::span<const std::byte> payload) {
  if (const auto error = take_error()) return fail(error);
  const auto to = peer();
  return to ? send_to(*to, payload) : fail(Error::not_connected);
}

Result<> Socket::send(Slice payload) {
  if (const auto error = take_error()) return fail(error);
  const auto to = peer();
  return to ? send_to(*to, std::move(payload)) : fail(Error::not_connected);
}

std::optional<Datagram> Socket::receive() { return state_ ? state_->receive() : std::nullopt; }

const Datagram* Socket::peek(std::size_t older) const noexcept { return state_ ? state_->peek(older) : nullptr; }

Result<ReceivedInto> Socket::receive(std::span<std::byte> buffer) {
  if (!state_) return fail(Error::connection_closed);
  if (const auto error = state_->open() ? take_error() : std::error_code{}) return fail(error);
  const auto datagram = state_->receive();
  if (!datagram) return fail(state_->open() ? Error::would_block : Error::connection_closed);
  const std::size_t size = std::min(buffer.size(), datagram->payload.size());
  (void)datagram->payload.copy_out(0, buffer.first(size));
  return ReceivedInto{size, size < datagram->payload.size(), datagram->source, datagram->destination};
}

void Socket::note_sent(const Endpoint& destination) noexcept {
  if (state_) state_->note_sent(destination);
}

std::error_code Socket::take_error() noexcept { return state_ ? state_->take_error() : std::error_code{}; }

Result<> Socket::join(IpAddress group, std::optional<InterfaceIndex> interface) {
  return state_ ? state_->join({group, interface}) : fail(Error::connection_closed);
}

void Socket::leave(IpAddress group, std::optional<InterfaceIndex> interface) {
  if (state_) state_->leave({group, interface});
}

void Socket::on_readable(std::function<void()> callback) {
  if (!state_ || !state_->open()) return;
  state_->readable = callback ? std::make_shared<const std::function<void()>>(std::move(callback)) : nullptr;
}

void Socket::on_writable(std::function<void()> callback) {
  if (!state_ || !state_->open()) return;
  state_->writable = callback ? std::make_shared<const std::function<void()>>(std::move(callback)) : nullptr;
}

void Socket::on_error(std::function<void(const SocketError&)> callback) {
  if (!state_ || !state_->open()) return;
  state_->failed = callback ? std::make_shared<const std::function<void(const SocketError&)>>(std::move(callback)) : nullptr;
}

Endpoint Socket::local() const noexcept { return state_ ? state_->local() : Endpoint{}; }

std::optional<Endpoint> Socket::peer() const noexcept { return state_ ? state_->peer() : std::nullopt; }

const SocketOptions& Socket::options() const noexcept {
  static const SocketOptions kDefaults{};  // of a handle that was moved from
  return state_ ? state_->options() : kDefaults;
}

void Socket::set_receive_limit(std::size_t bytes) noexcept {
  if (state_) state_->set_receive_limit(bytes);
}

void Socket::set_all_groups(bool on) noexcept {
  if (state_) state_->set_all_groups(on);
}

std::size_t Socket::max_payload() const noexcept { return kMaxPayload - padded_options(options().ip_options.size()); }

std::size_t Socket::path_payload(IpAddress destination) const noexcept {
  return state_ ? std::min(state_->path_payload(destination), max_payload()) : 0;
}

std::size_t Socket::waiting() const noexcept { return state_ ? state_->waiting() : 0; }

std::size_t Socket::waiting_bytes() const noexcept { return state_ ? state_->waiting_bytes() : 0; }

std::uint64_t Socket::dropped() const noexcept { return state_ ? state_->dropped() : 0; }

}  // namespace tapir::udp
