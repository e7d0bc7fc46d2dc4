#pragma once

#include <linux/errqueue.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>
#include <tapir/network/network.hpp>

#include "icmp_errno.hpp"
#include "message.hpp"

namespace tapir::posix::detail {

/// What waits for MSG_ERRQUEUE: an ICMP error, or one that was found out here (man 7 ip, IP_RECVERR); or when a datagram left (SO_TIMESTAMPING), or
/// which are done that were not to be copied (MSG_ZEROCOPY).
struct QueuedError {
  IcmpErrno why;
  std::uint8_t origin = SO_EE_ORIGIN_ICMP;
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint32_t info = 0;  ///< the MTU, for EMSGSIZE; of a datagram that left, what has happened to it, SCM_TSTAMP_*
  std::uint32_t data = 0;  ///< the last of those that are done, behind the first in `info`; of a datagram that left, which one
  IpAddress reporter;
  Endpoint destination;            ///< of the datagram or segment that caused it
  std::vector<std::byte> payload;  ///< of that datagram, or that segment, as far as it was quoted
  bool cut_off = false;            ///< the program is due the datagram, which was not kept
  TimePoint at{};

  [[nodiscard]] bool local() const noexcept { return origin == SO_EE_ORIGIN_LOCAL; }
};

/// What `error`, a udp::SocketError or a network::ErrorReport, is to the error queue. Where nobody answers on the link Linux makes the message that a
/// router would send.
template <class Error>
[[nodiscard]] QueuedError queued_error(const Error& error, const Endpoint& destination, std::span<const std::byte> payload) {
  constexpr std::uint8_t kDestinationUnreachable = 3;
  constexpr std::uint8_t kHost = 1;
  const bool unresolved = error.kind == network::ErrorKind::unresolved;
  return {.why = icmp_errno(error.kind, error.type, error.code),
          .type = unresolved ? kDestinationUnreachable : error.type,
          .code = unresolved ? kHost : error.code,
          .info = error.kind == network::ErrorKind::parameter_problem ? std::uint32_t{error.pointer} : error.next_hop_mtu,
          .reporter = error.reporter,
          .destination = destination,
          .payload = {payload.begin(), payload.end()}};
}

/// The errors of one socket, the oldest first.
class ErrorQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return errors_.empty(); }
  /// When the oldest came; TimePoint::max(): there is none.
  [[nodiscard]] TimePoint since() const noexcept { return errors_.empty() ? TimePoint::max() : errors_.front().at; }
  /// What a program does not read is not kept for ever: there is a bound.
  void add(QueuedError error);
  void clear() noexcept { errors_.clear(); }
  /// Takes the oldest of those that there are. SO_ERROR follows the queue: `pending` becomes the next ICMP error's number, or 0 behind the last one.
  [[nodiscard]] QueuedError take(int& pending);

 private:
  std::deque<QueuedError> errors_;
};

/// Fills a message with what there is to say of an error. Returns how many octets of it.
[[nodiscard]] std::size_t tell(const QueuedError& error, Incoming& message);

}  // namespace tapir::posix::detail
