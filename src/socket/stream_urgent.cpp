// Urgent data as Linux shows it (man 7 tcp, RFC 6093): one octet, the one before the urgent pointer, out of band unless SO_OOBINLINE.

#include <sys/epoll.h>

#include "error_number.hpp"
#include "stream_socket.hpp"

namespace tapir::posix::detail {

std::optional<std::size_t> StreamSocket::octets_to_urgent() const {
  const std::size_t unread = connection_.urgent_unread();
  if (unread == 0) return std::nullopt;
  return unread - 1;
}

Result<std::size_t> StreamSocket::receive_urgent(Incoming& message) {
  const auto distance = octets_to_urgent();
  if (options_.oob_inline || !distance || urgent_taken(*distance)) return error(EINVAL);
  if (state() == tcp::State::closed && !connection_.peer_closed()) return error(ENOTCONN);
  if (*distance >= connection_.unread()) {
    // The pointer has come before the octet.
    if (receive_shut_ || connection_.peer_closed() || state() == tcp::State::closed) return 0;
    return error(EAGAIN);
  }
  message.out_flags |= MSG_OOB;
  std::size_t copied = 0;
  const auto room = room_at(message.parts, 0);
  if (room.empty()) {
    message.out_flags |= MSG_TRUNC;
  } else if ((message.flags & MSG_TRUNC) == 0) {
    copied = connection_.peek(room.first(1), *distance);
  } else {
    copied = 1;
  }
  if ((message.flags & MSG_PEEK) == 0) urgent_taken_ = consumed_ + *distance + 1;
  return copied;
}

}  // namespace tapir::posix::detail
