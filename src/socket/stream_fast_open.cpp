// TCP Fast Open: connect() and the first send() in one (RFC 7413 section 4.2; man 7 tcp, MSG_FASTOPEN; the order of the checks is Linux').

#include <algorithm>
#include <vector>

#include "address.hpp"
#include "environment.hpp"
#include "error_number.hpp"
#include "stream_socket.hpp"

namespace tapir::posix::detail {

bool StreamSocket::fast_open_enabled() const { return (environment().stack().tcp().config().fast_open & tcp::FastOpenUse::client) != 0; }

/// TCP_FASTOPEN_CONNECT: with a cookie at hand connect() does nothing until there is something to send.
bool StreamSocket::may_defer(const Endpoint& remote) const {
  if (!tcp_.fast_open_connect || !fast_open_enabled()) return false;
  return tcp_.fast_open_no_cookie || environment().stack().tcp().fast_open_ready(remote.address);
}

Result<Endpoint> StreamSocket::opening_to(const Outgoing& message) const {
  if (phase_ == Phase::deferred) return deferred_to_;
  if (message.to == nullptr) return error(EINVAL);
  return endpoint_of(message.to, message.to_size);
}

/// What goes with the SYN, as far as the SYN takes it; of a call that waits, also what leaves when the handshake is complete. Returns how many bytes.
std::size_t StreamSocket::queue_opening(const Outgoing& message) {
  const std::size_t all = size_of(message.parts);
  const std::size_t most = must_not_wait(message.flags) ? std::min(all, connection_.fast_open_room()) : all;
  std::size_t queued = 0;
  for (const iovec& part : message.parts) {
    const auto bytes = bytes_of(part);
    const auto taken = connection_.send(bytes.first(std::min(bytes.size(), most - queued)));
    if (!taken) break;
    queued += *taken;
    queued_ += *taken;
    if (*taken < bytes.size()) break;
  }
  return queued;
}

Result<std::size_t> StreamSocket::send_opening(const Outgoing& message) {
  sync();
  if (phase_ != Phase::deferred) {
    const bool unspecified = message.to != nullptr && message.to_size >= sizeof(sa_family_t) && message.to->sa_family == AF_UNSPEC;
    if (!fast_open_enabled() || unspecified) return error(EOPNOTSUPP);
    if (phase_ == Phase::connected || listening_) return error(EISCONN);
  }
  const bool first = phase_ != Phase::connecting;
  std::size_t queued = 0;
  if (first) {
    const auto to = opening_to(message);
    if (!to) return fail(to.error());
    phase_ = Phase::unconnected;
    if (const auto opened = open(*to, true); !opened) return fail(opened.error());
    phase_ = Phase::connecting;
    queued = queue_opening(message);
  }
  if (const auto connected = await_handshake(first, message.flags); !connected) {
    return number_of(connected.error()) == EINPROGRESS && queued > 0 ? Result<std::size_t>{queued} : fail(connected.error());
  }
  return send_behind(message, queued);
}

/// The message without its first `queued` bytes, on the connection that is there now.
Result<std::size_t> StreamSocket::send_behind(const Outgoing& message, std::size_t queued) {
  if (queued > 0 && queued == size_of(message.parts)) return queued;
  std::vector<iovec> rest;
  std::size_t skip = queued;
  for (const iovec& part : message.parts) {
    const auto bytes = bytes_of(part).subspan(std::min(skip, part.iov_len));
    skip -= part.iov_len - bytes.size();
    rest.push_back({.iov_base = bytes.data(), .iov_len = bytes.size()});
  }
  const auto sent = send_parts({.parts = rest, .flags = message.flags, .control = message.control});
  if (!sent) return queued > 0 ? Result<std::size_t>{queued} : sent;
  return queued + *sent;
}

}  // namespace tapir::posix::detail
