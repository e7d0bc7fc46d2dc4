#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include <tapir/core/packet.hpp>
#include <tapir/network/network.hpp>

#include "icmp_errno.hpp"
#include "socket.hpp"

namespace tapir::posix::detail {

/// A datagram that waits to be read.
struct ReceivedPacket {
  Packet payload;
  Endpoint from;
  IpAddress to;  ///< as it stood in the header
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  InterfaceIndex interface{};
  TimePoint at{};
};

/// How one datagram is to leave: the socket's options, and what control messages say of this one.
struct Departure {
  IpAddress source;
  std::optional<std::uint8_t> ttl;
  std::uint8_t tos = 0;
  bool dont_fragment = false;
};

/// An ICMP error that waits for MSG_ERRQUEUE (man 7 ip, IP_RECVERR).
struct QueuedError {
  IcmpErrno why;
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  bool local = false;      ///< found out here, not reported by ICMP
  std::uint32_t info = 0;  ///< the MTU, for EMSGSIZE
  IpAddress reporter;
  Endpoint destination;            ///< of the datagram that caused it
  std::vector<std::byte> payload;  ///< of that datagram, as far as it was quoted
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

/// What datagram and raw sockets share: a peer that is only remembered, a queue of packets, a queue of errors.
class PacketSocket : public Socket {
 public:
  using Socket::Socket;

  [[nodiscard]] Result<std::size_t> receive(Incoming& message) override;
  [[nodiscard]] Result<> shutdown(int how) override;
  [[nodiscard]] std::uint32_t readiness() const override;
  [[nodiscard]] Result<Endpoint> peer() const override;
  [[nodiscard]] Result<int> ioctl(unsigned long request) override;
  [[nodiscard]] int take_error() override;

 protected:
  /// The oldest packet that waits; nullptr when none does. It stays until drop_front().
  [[nodiscard]] virtual const ReceivedPacket* front() const = 0;
  virtual void drop_front() = 0;
  /// Keeps an error as the options ask, and tells those who watch.
  void report(QueuedError error);
  /// EPIPE after shutdown(), then the pending error, once.
  [[nodiscard]] Result<> may_send();
  /// What the options and the message's control say. EINVAL.
  [[nodiscard]] Result<Departure> departure(const Outgoing& message, IpAddress destination) const;
  /// Where a message goes. EDESTADDRREQ, EINVAL, EACCES for a broadcast without SO_BROADCAST.
  [[nodiscard]] Result<Endpoint> destination_of(const Outgoing& message) const;
  [[nodiscard]] Result<> check_destination(const Endpoint& to) const;
  /// The error of a send, which IP_RECVERR also queues when it is the size.
  [[nodiscard]] std::unexpected<std::error_code> send_failed(const std::error_code& why, const Endpoint& to);

  std::optional<Endpoint> peer_;
  std::deque<QueuedError> errors_;
  int error_ = 0;
  bool receive_shut_ = false;
  bool send_shut_ = false;

 private:
  [[nodiscard]] Result<std::size_t> receive_error(Incoming& message);
  void add_control(const ReceivedPacket& packet, Incoming& message) const;
};

}  // namespace tapir::posix::detail
