#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>

#include <tapir/core/packet.hpp>
#include <tapir/core/scheduler.hpp>
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
  std::uint64_t dropped = 0;  ///< those before it that found no room
};

/// How one datagram is to leave, as far as it is decided when it begins, by the socket's options and by control messages. The rest are the options when it
/// leaves.
struct Departure {
  IpAddress source;
  std::optional<std::uint8_t> ttl = {};  ///< of a control message
  std::uint8_t tos = 0;
  bool no_device = false;   ///< IP_PKTINFO names an interface that there is not
  std::size_t segment = 0;  ///< bytes of payload in each of the datagrams that a message becomes (UDP_SEGMENT); 0: it is one
  SocketControl asked = {};
};

/// Where a datagram comes from, which may be unspecified, and where it goes.
struct Ends {
  IpAddress source;
  IpAddress destination;
};

/// What datagram and raw sockets share: a peer that is only remembered, a queue of packets, a queue of errors.
class PacketSocket : public Socket, private ReadySource {
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
  /// The packet that waits behind `older` others; nullptr when there is none. It stays until the next call.
  [[nodiscard]] virtual const ReceivedPacket* at(std::size_t older) const = 0;
  [[nodiscard]] const ReceivedPacket* front() const { return at(0); }
  virtual void drop_front() = 0;
  /// What a control message beyond those of IPPROTO_IP and SOL_SOCKET says. EINVAL.
  [[nodiscard]] virtual Result<> take_own_control(const cmsghdr& /*header*/, std::span<const std::byte> /*data*/,
                                                  Departure& /*way*/) const {
    return {};
  }
  /// Keeps an error as the options ask, and tells those who watch.
  void report(QueuedError error);
  /// A datagram has left: SO_TIMESTAMPING may ask when, of the socket or of the call.
  void departed(const SocketControl& asked);
  /// What is to be told of a datagram that leaves later, with its number: as the call asks, or else the socket now.
  [[nodiscard]] SocketControl asked_now(const SocketControl& asked);
  /// A link on the way there has taken nothing: waits until it does. EPIPE when there is no sending any more. EAGAIN for a call that must not wait; then
  /// there is no EPOLLOUT until the link takes something again, and those who watch are told.
  [[nodiscard]] Result<> await_room(int flags, const Ends& ends, std::optional<TimePoint> deadline);
  /// The pending error, once, then EPIPE after shutdown().
  [[nodiscard]] Result<> may_send();
  /// Whether shutdown() keeps datagrams from leaving.
  [[nodiscard]] virtual bool sending_is_over() const noexcept { return send_shut_; }
  /// What the options and the message's control say. EINVAL.
  [[nodiscard]] Result<Departure> departure(const Outgoing& message, std::size_t segment = 0) const;
  [[nodiscard]] std::optional<std::uint8_t> ttl_of(const Departure& way, IpAddress destination) const noexcept;
  /// Whether datagrams must not be cut by IP.
  [[nodiscard]] bool keeps_whole() const noexcept {
    return options_.mtu_discover >= IP_PMTUDISC_DO && options_.mtu_discover <= IP_PMTUDISC_PROBE;
  }
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
  /// What a receive call is about: a packet, and how much of it is passed over.
  struct Choice {
    const ReceivedPacket* packet = nullptr;
    std::size_t older = 0;
    std::size_t offset = 0;
  };

  [[nodiscard]] std::optional<Choice> choose(int flags) const;
  void took(const Choice& choice, int flags, std::size_t told);
  [[nodiscard]] Pulled pull() override;
  [[nodiscard]] bool has_room() const;
  void add_control(const ReceivedPacket& packet, Incoming& message);

  std::uint64_t taken_ = 0;             ///< packets that were read
  std::set<std::uint64_t> seen_empty_;  ///< those without payload that MSG_PEEK has come across, by how many were read before
  std::uint32_t departures_ = 0;        ///< since SOF_TIMESTAMPING_OPT_ID was asked for
  std::optional<Ends> full_;            ///< the link on the way there took nothing for a call that did not wait
  std::optional<TimePoint> stamp_;      ///< of the latest packet read without a message that tells it
};

}  // namespace tapir::posix::detail
