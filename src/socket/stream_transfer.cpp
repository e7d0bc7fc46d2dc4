// The bytes of a stream (man 2 send, recv; the order of the checks is Linux').

#include "stream_socket.hpp"

#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "address.hpp"
#include "environment.hpp"
#include "error_number.hpp"
#include "timestamps.hpp"

namespace tapir::posix::detail {

using tcp::State;

/// The error that ended the connection, once; then EPIPE.
std::error_code StreamSocket::stream_error() {
  const int why = std::exchange(error_, 0);
  return {why != 0 ? why : EPIPE, std::generic_category()};
}

/// An error that is pending says more than EPIPE.
Result<> StreamSocket::wait_to_send(const std::function<bool()>& done, std::optional<TimePoint> deadline) {
  const auto waited = wait_on_connection(done, deadline);
  return !waited && number_of(waited.error()) == EPIPE ? fail(stream_error()) : waited;
}

/// Waits for the end of a handshake; fails for a socket that cannot send.
Result<> StreamSocket::may_send(int flags, std::optional<TimePoint> deadline) {
  sync();
  while (handshaking()) {
    if (error_ != 0) return error(std::exchange(error_, 0));
    if (must_not_wait(flags)) return error(EAGAIN);
    if (const auto waited = wait_to_send([this] { return !handshaking(); }, deadline); !waited) return waited;
    sync();
  }
  const State now = state();
  const bool open = now == State::established || now == State::close_wait || now == State::syn_received;
  if (error_ != 0 || send_shut_ || !open) return fail(stream_error());
  return {};
}

Result<> StreamSocket::await_room(int flags, std::optional<TimePoint> deadline) {
  wants_room_ = true;
  connection_.await_room();
  if (must_not_wait(flags)) return error(EAGAIN);
  const auto waited = wait_to_send([this] { return writable() || state() == State::closed || send_shut_; }, deadline);
  if (!waited) return waited;
  sync();
  return error_ != 0 || send_shut_ ? fail(stream_error()) : Result<>{};
}

Result<std::size_t> StreamSocket::send_part(std::span<const std::byte> bytes, int flags, bool last, std::optional<TimePoint> deadline) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    if (connection_.send_room() == 0) {
      const int pending = error_;
      if (const auto room = await_room(flags, deadline); !room) {
        if (sent == 0) return fail(room.error());
        if (number_of(room.error()) != EAGAIN && number_of(room.error()) != EPIPE && pending == 0) error_ = number_of(room.error());
        return sent;
      }
      continue;
    }
    const auto chunk = bytes.subspan(sent);
    const bool end = last && sent + chunk.size() == bytes.size();
    const bool more = !end || (flags & MSG_MORE) != 0;
    const auto taken = (flags & MSG_OOB) != 0 && end ? connection_.send_urgent(chunk)
                       : more                        ? connection_.send_more(chunk)
                                                     : connection_.send(chunk);
    if (!taken) return sent > 0 ? Result<std::size_t>{sent} : fail(taken.error());
    sent += *taken;
    queued_ += *taken;
  }
  return sent;
}

Result<std::size_t> StreamSocket::send(const Outgoing& message) {
  const bool zero_copy = copies_nothing(message);
  if (zero_copy && zero_copy_.full()) return error(ENOBUFS);
  SocketControl asked;
  const auto read = for_each_control(message.control, [&asked](const cmsghdr& header, std::span<const std::byte> data) {
    return header.cmsg_level == SOL_SOCKET ? take_socket_control(header, data, asked) : Result<>{};
  });
  if (!read) return fail(read.error());
  if (asked.key) return error(EINVAL);  // a stream's octets have their numbers
  const auto before = disconnects_;
  const bool opens = (message.flags & MSG_FASTOPEN) != 0 || phase_ == Phase::deferred;
  const auto sent = opens ? send_opening(message) : send_parts(message);
  if (!sent || *sent == 0 || disconnects_ != before) return sent;
  if ((message.flags & MSG_EOR) != 0 && *sent == size_of(message.parts)) connection_.end_record();
  if (zero_copy) zero_copy_.on_sent(queued_);
  timestamps_.on_queued(queued_, asked.stages);
  if (asked.stages) connection_.report_sent(timestamps_.wanted());
  return sent;
}

bool StreamSocket::copies_nothing(const Outgoing& message) const noexcept {
  return (message.flags & MSG_ZEROCOPY) != 0 && options_.zero_copy;
}

Result<std::size_t> StreamSocket::send_parts(const Outgoing& message) {
  const auto deadline = deadline_after(options_.send_timeout);
  if (const auto allowed = may_send(message.flags, deadline); !allowed) return fail(allowed.error());
  std::size_t sent = 0;
  for (std::size_t i = 0; i < message.parts.size(); ++i) {
    const auto bytes = bytes_of(message.parts[i]);
    const auto taken = send_part(bytes, message.flags, i + 1 == message.parts.size(), deadline);
    if (!taken) return sent > 0 ? Result<std::size_t>{sent} : taken;
    sent += *taken;
    if (*taken < bytes.size()) {
      wants_room_ = true;
      break;
    }
    // Linux sends memory that it does not copy in place: a segment holds so many pieces of it, and is pushed when it has them (MAX_SKB_FRAGS).
    constexpr std::size_t kMostPieces = 17;
    if (copies_nothing(message) && (i + 1) % kMostPieces == 0 && i + 1 < message.parts.size()) connection_.end_record();
  }
  return sent;
}

/// Takes at most `most` bytes, or looks at them: those behind `peeked`.
std::size_t StreamSocket::take(Incoming& message, std::size_t copied, std::size_t most, std::size_t& peeked) {
  std::size_t taken = 0;
  while (taken < most) {
    std::size_t step = most - taken;
    if ((message.flags & MSG_TRUNC) == 0) {
      auto room = room_at(message.parts, copied + taken);
      room = room.first(std::min(room.size(), step));
      if (room.empty()) break;
      step = connection_.peek(room, peeked);
    }
    if (step == 0) break;
    if (const auto at = connection_.arrived_at(peeked + step - 1)) message.arrived = at;
    if ((message.flags & MSG_PEEK) != 0) {
      peeked += step;
    } else {
      consumed_ += connection_.discard(step);
    }
    taken += step;
  }
  return taken;
}

/// What has arrived, up to the mark of urgent data (man 7 tcp: reading stops there).
StreamSocket::Step StreamSocket::receive_step(Incoming& message, std::size_t copied, std::size_t& peeked) {
  Step step;
  std::size_t there = connection_.unread() - std::min(connection_.unread(), peeked);
  if (auto distance = octets_to_urgent(); distance && *distance >= peeked) {
    const std::size_t ahead = *distance - peeked;
    if (ahead == 0 && copied > 0) return {.copied = 0, .at_mark = true};
    if (ahead == 0 && !options_.oob_inline && there > 0) {
      if (const auto at = connection_.arrived_at(peeked)) message.arrived = at;
      if ((message.flags & MSG_PEEK) != 0) {
        ++peeked;
      } else {
        consumed_ += connection_.discard(1);
      }
      --there;
    } else if (ahead > 0) {
      there = std::min(there, ahead);
      step.at_mark = there == ahead;
    }
  }
  const std::size_t wanted = size_of(message.parts) - copied;
  step.at_mark = step.at_mark && wanted >= there;
  step.copied = take(message, copied, std::min(there, wanted), peeked);
  return step;
}

bool StreamSocket::nothing_more_comes() const {
  sync();
  return error_ != 0 || receive_shut_ || connection_.peer_closed() || (state() == State::closed && phase_ != Phase::deferred);
}

/// What a receive call that has got nothing returns when it need not wait.
std::optional<Result<std::size_t>> StreamSocket::end_of_reading() {
  sync();
  if (connection_.peer_closed()) return std::size_t{0};
  if (error_ != 0) return error(std::exchange(error_, 0));
  if (receive_shut_) return std::size_t{0};
  if (state() == State::closed && phase_ != Phase::deferred) return error(ENOTCONN);
  return std::nullopt;
}

Result<std::size_t> StreamSocket::receive(Incoming& message) {
  auto received = receive_bytes(message);
  if (received) note_read(message.flags, *received);
  if (received && message.arrived) (void)tell_arrival(options_, environment().time_of_day(*message.arrived), message.control);
  if (received && tcp_.inq && (message.flags & MSG_ERRQUEUE) == 0) {
    // TCP_INQ: what is left, and 1 for an end of the stream that is next.
    const int left = static_cast<int>(connection_.unread());
    message.control.add(IPPROTO_TCP, TCP_CM_INQ, left == 0 && connection_.peer_closed() ? 1 : left);
  }
  return received;
}

/// SO_PEEK_OFF (man 7 socket): looking moves the place where the next look begins forward, reading moves it back.
void StreamSocket::note_read(int flags, std::size_t count) {
  int& offset = options_.peek_offset;
  if (offset < 0 || (flags & (MSG_OOB | MSG_ERRQUEUE)) != 0) return;
  const int step = static_cast<int>(std::min<std::size_t>(count, INT_MAX));
  offset = (flags & MSG_PEEK) != 0 ? offset + std::min(step, INT_MAX - offset) : std::max(offset - step, 0);
}

namespace {
/// What IP_RECVERR tells.
struct ExtendedError {
  sock_extended_err error;
  sockaddr_in offender;
};
}  // namespace

/// MSG_ERRQUEUE: when what was written left or arrived (SO_TIMESTAMPING). Linux hands back the packet, too, which is not kept here: it is told as cut off.
Result<std::size_t> StreamSocket::receive_timestamp(const TransmitTimestamps::Report& report, Incoming& message) const {
  tell_report_time(options_, environment().time_of_day(report.at), message.control);
  ExtendedError told{};
  told.error.ee_errno = ENOMSG;
  told.error.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
  told.error.ee_info = report.kind;
  told.error.ee_data = report.key;
  message.control.add(IPPROTO_IP, IP_RECVERR, told);
  message.out_flags |= MSG_ERRQUEUE;
  if (!timestamps_.has(SOF_TIMESTAMPING_OPT_TSONLY)) message.out_flags |= MSG_TRUNC;
  return 0;
}

/// MSG_ERRQUEUE, the oldest first: what a handshake has failed of, times, which sends with MSG_ZEROCOPY are done (Linux' Documentation/networking/msg_zerocopy).
Result<std::size_t> StreamSocket::receive_report(Incoming& message) {
  const TimePoint failed = errors_.since();
  const TimePoint timed = timestamps_.since();
  const TimePoint done_since = zero_copy_.since();
  if (!errors_.empty() && failed < std::min(timed, done_since)) return receive_error(message, error_);
  if (const auto report = timed <= done_since ? timestamps_.take() : std::nullopt) return receive_timestamp(*report, message);
  const auto done = zero_copy_.take();
  if (!done) return error(EAGAIN);
  ExtendedError told{};
  told.error.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
  told.error.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
  told.error.ee_info = done->first;
  told.error.ee_data = done->last;
  message.control.add(IPPROTO_IP, IP_RECVERR, told);
  message.out_flags |= MSG_ERRQUEUE;
  return 0;
}

Result<std::size_t> StreamSocket::receive_bytes(Incoming& message) {
  sync();
  if ((message.flags & MSG_ERRQUEUE) != 0) return receive_report(message);
  if (listening_) return error(ENOTCONN);
  if ((message.flags & MSG_OOB) != 0) return receive_urgent(message);
  const std::size_t wanted = size_of(message.parts);
  const std::size_t low = std::min<std::size_t>(static_cast<std::size_t>(options_.receive_low), wanted);
  const std::size_t target = (message.flags & MSG_WAITALL) != 0 ? wanted : low;
  const auto deadline = deadline_after(options_.receive_timeout);
  std::size_t copied = 0;
  const bool passes = (message.flags & MSG_PEEK) != 0 && options_.peek_offset > 0;
  std::size_t peeked = passes ? static_cast<std::size_t>(options_.peek_offset) : 0;
  for (;;) {
    const Step step = receive_step(message, copied, peeked);
    copied += step.copied;
    if (wanted == 0 && connection_.unread() > 0) {
      message.arrived = connection_.arrived_at(0);
      return 0;
    }
    if (copied > 0 && (step.at_mark || copied >= std::max<std::size_t>(target, 1))) return copied;
    if (step.copied > 0) continue;
    if (copied > 0 && nothing_more_comes()) return copied;
    if (copied == 0) {
      if (auto end = end_of_reading()) return std::move(*end);
    }
    if (must_not_wait(message.flags)) return copied > 0 ? Result<std::size_t>{copied} : error(EAGAIN);
    const std::size_t seen = connection_.unread();
    const auto waited = wait_on_connection([&] { return connection_.unread() > seen || nothing_more_comes(); }, deadline);
    if (!waited) return copied > 0 ? Result<std::size_t>{copied} : fail(waited.error());
  }
}

}  // namespace tapir::posix::detail
