#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapir/core/packet.hpp>
#include <tapir/network/network.hpp>

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
  SocketControl asked = {};
};

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
  [[nodiscard]] Result<Duration> stamp() const override;
  [[nodiscard]] Result<> set_timestamping(std::uint32_t flags) override;

 protected:
  /// The oldest packet that waits; nullptr when none does. It stays until drop_front().
  [[nodiscard]] virtual const ReceivedPacket* front() const = 0;
  virtual void drop_front() = 0;
  /// Keeps an error as the options ask, and tells those who watch.
  void report(QueuedError error);
  /// A datagram has left: SO_TIMESTAMPING may ask when, of the socket or of the call.
  void departed(const SocketControl& asked);
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
  int error_ = 0;
  bool receive_shut_ = false;
  bool send_shut_ = false;

 private:
  void add_control(const ReceivedPacket& packet, Incoming& message);

  std::uint32_t departures_ = 0;    ///< since SOF_TIMESTAMPING_OPT_ID was asked for
  std::optional<TimePoint> stamp_;  ///< of the latest packet read without a message that tells it
};

}  // namespace tapir::posix::detail
