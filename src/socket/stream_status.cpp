// What a stream says of itself: readiness (Linux' tcp_poll), names, ioctl().

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "environment.hpp"
#include "error_number.hpp"
#include "stream_socket.hpp"

namespace tapir::posix::detail {

using tcp::State;

State StreamSocket::state() const noexcept {
  const State now = connection_.state();
  return now == State::time_wait ? State::closed : now;
}

std::uint32_t StreamSocket::reordering_degree() const { return environment().stack().tcp().config().recovery.reordering; }

bool StreamSocket::writable() const { return !connection_ || connection_.worth_writing(); }

/// Bytes that make it readable: SO_RCVLOWAT, and one more for an urgent octet that reading skips.
std::size_t StreamSocket::readable_at_least() const {
  const auto distance = octets_to_urgent();
  const bool skips = distance == std::size_t{0} && !options_.oob_inline;
  return static_cast<std::size_t>(options_.receive_low) + (skips ? 1U : 0U);
}

std::uint32_t StreamSocket::readiness() const {
  sync();
  if (phase_ == Phase::deferred) return EPOLLOUT | EPOLLWRNORM;
  if (listening_) return listener_.waiting() > 0 ? EPOLLIN | EPOLLRDNORM : 0U;
  std::uint32_t ready = 0;
  const bool receive_over = receive_shut_ || connection_.peer_closed();
  if ((receive_over && send_shut_) || state() == State::closed) ready |= EPOLLHUP;
  if (receive_over) ready |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
  if (!handshaking()) {
    if (connection_.unread() >= readable_at_least()) ready |= EPOLLIN | EPOLLRDNORM;
    if (send_shut_ || writable()) {
      ready |= EPOLLOUT | EPOLLWRNORM;
    } else {
      wants_room_ = true;
      connection_.await_room();
    }
    if (const auto distance = octets_to_urgent(); distance && *distance < connection_.unread() && !urgent_taken(*distance)) {
      ready |= EPOLLPRI;
    }
  }
  if (error_ != 0 || !errors_.empty() || zero_copy_.done() || timestamps_.ready()) ready |= EPOLLERR;
  return ready;
}

TimePoint StreamSocket::now() const { return environment().stack().context().now(); }

void StreamSocket::left() {
  const auto since = connection_.info().since_data_sent;
  if (!timestamps_.on_left(queued_ - connection_.unsent(), now() - since.value_or(Duration::zero()))) return;
  zero_copy_.end_range();
  notify(EPOLLERR);
}

void StreamSocket::acknowledged() {
  const std::uint64_t arrived = queued_ - connection_.unacknowledged();
  const bool timed = timestamps_.on_acknowledged(arrived, now());
  if (timed) zero_copy_.end_range();
  const bool done = zero_copy_.on_acknowledged(arrived, now());
  if (timed || done) notify(EPOLLERR);
  if (wants_room_ && writable()) {
    wants_room_ = false;
    notify(EPOLLOUT | EPOLLWRNORM);
  }
}

Result<Endpoint> StreamSocket::local() const {
  if (connection_ && state() != State::closed) return connection_.local();
  if (claim_ == nullptr) return Endpoint{bound_address_, former_port_};
  if (connection_) return connection_.local();
  return Endpoint{bound_address_, claim_->local().port};
}

Result<Endpoint> StreamSocket::peer() const {
  if (listening_ || state() == State::closed || state() == State::syn_sent) return error(ENOTCONN);
  return connection_.remote();
}

int StreamSocket::take_error() {
  sync();
  return std::exchange(error_, 0);
}

Result<int> StreamSocket::ioctl(unsigned long request) {
  sync();
  const auto distance = octets_to_urgent();
  const bool open = state() != State::closed && !handshaking();
  switch (request) {
    case SIOCINQ:
      if (listening_) return error(EINVAL);
      if (distance && !options_.oob_inline && *distance < connection_.unread()) return static_cast<int>(*distance);
      return static_cast<int>(connection_.unread());
    case SIOCOUTQ:
      if (listening_) return error(EINVAL);
      return open ? static_cast<int>(connection_.unacknowledged()) : 0;
    case SIOCOUTQNSD:
      if (listening_) return error(EINVAL);
      return open ? static_cast<int>(connection_.unsent()) : 0;
    case SIOCATMARK: return distance == std::size_t{0} ? 1 : 0;
    default: return error(ENOTTY);
  }
}

}  // namespace tapir::posix::detail
