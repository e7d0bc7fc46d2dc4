#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/network/network.hpp>

namespace tapir::udp {

/// The largest payload of a UDP datagram over IPv4: 65535 less 20 bytes of IPv4 header and 8 of UDP header.
inline constexpr std::size_t kMaxPayload = 65507;

/// How a socket sends and receives.
struct SocketOptions {
  bool broadcast = false;  ///< sending to broadcast addresses is allowed
  bool balance =
      false;           ///< of several that fit a unicast datagram equally well and say so, its two ends choose one; else the latest gets it
  bool reuse = false;  ///< shares its endpoint with others that allow it too; each gets every multicast and broadcast datagram
  bool all_groups = false;               ///< also gets what comes to groups that others here have joined
  bool checksum = true;                  ///< datagrams leave with a checksum (RFC 1122 section 4.1.3.4)
  bool require_checksum = false;         ///< datagrams without checksum are dropped
  bool dont_fragment = false;            ///< a datagram beyond the path MTU fails with Error::message_too_large
  std::optional<std::uint8_t> ttl = {};  ///< 1-255; empty: the stack's default
  std::uint8_t multicast_ttl = 1;        ///< 1-255, for multicast destinations (RFC 1112 section 6.1)
  /// The own address whose interface multicast datagrams leave by, and their source; unspecified: as the route says. A socket bound to one
  /// of our addresses always sends from there.
  IpAddress multicast_source = {};
  bool multicast_loopback = true;             ///< what goes to a group that this host is in comes back to it (RFC 1112 section 6.1)
  std::uint8_t tos = 0;                       ///< Diffserv field and ECN bits
  std::vector<std::byte> ip_options = {};     ///< IPv4 options of each datagram, at most 40 bytes
  std::size_t receive_limit_bytes = 262'144;  ///< memory that waiting datagrams may hold, in bytes; the next ones are dropped
};

/// A received datagram and what the network layer reported about it (RFC 1122 sections 4.1.3.2, 4.1.3.5, 4.1.4).
struct Datagram {
  Endpoint source;
  Endpoint destination;  ///< the specific destination address, and our port
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  InterfaceIndex interface{};
  std::vector<std::byte> options;  ///< IPv4 options as received
  Packet payload;
  std::uint64_t dropped = 0;  ///< those before it that found no room in the queue
};

/// What Socket::receive() put into the reader's buffer.
struct ReceivedInto {
  std::size_t size = 0;    ///< bytes written
  bool truncated = false;  ///< the datagram was larger than the buffer; the rest of it is gone
  Endpoint source;
  Endpoint destination;
};

/// An ICMP error about a datagram of this socket, or our own failure to resolve the next hop (RFC 1122 section 4.1.3.3).
struct SocketError {
  network::ErrorKind kind{};
  std::uint8_t type = 0;  ///< ICMP type and code as received; 0, 0 for ErrorKind::unresolved
  std::uint8_t code = 0;
  IpAddress reporter;                       ///< who sent the error
  Endpoint destination;                     ///< of the datagram that caused it
  std::uint16_t next_hop_mtu = 0;           ///< bytes, for fragmentation_needed; 0: not said
  std::uint8_t pointer = 0;                 ///< for parameter_problem: the octet in error
  std::span<const std::byte> payload = {};  ///< of that datagram, as far as the error quotes it; valid during the call
};

namespace detail {
class SocketState;
}

/// A bound UDP endpoint, made by Udp::bind(). Destroying it unbinds it. It may outlive its Udp (every call then fails with
/// Error::connection_closed) and may be destroyed from within its own callbacks. One thread.
class Socket {
 public:
  explicit Socket(std::shared_ptr<detail::SocketState> state) noexcept;
  Socket(Socket&& other) noexcept = default;
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  /// Sends one datagram. Error::message_too_large beyond max_payload(), Error::permission_denied for a broadcast without the option,
  /// Error::invalid_argument for port 0 or an unspecified address, Error::network_unreachable without a route, Error::would_block when the
  /// link is full (the datagram is lost, on_writable() tells when to send it again).
  [[nodiscard]] Result<> send_to(const Endpoint& destination, std::span<const std::byte> payload);
  /// Likewise, without copying: the bytes of `payload` must not change any more.
  [[nodiscard]] Result<> send_to(const Endpoint& destination, Slice payload);

  /// From now on only datagrams from `peer` are received, and send() goes there. Chooses the local address, if bind() left it open, which
  /// local() then tells. Errors as send_to().
  [[nodiscard]] Result<> connect(const Endpoint& peer);
  /// Ends what connect() began; the local address is again what bind() was given.
  void disconnect() noexcept;
  /// Sends to the peer. Error::not_connected without one; the pending error (see take_error()) is returned first, and nothing is sent then.
  [[nodiscard]] Result<> send(std::span<const std::byte> payload);
  [[nodiscard]] Result<> send(Slice payload);

  /// A datagram has left from this socket's endpoint by Udp::encapsulate(), with options of its own: an ICMP error that quotes it is believed, as
  /// for send_to().
  void note_sent(const Endpoint& destination) noexcept;

  /// The oldest waiting datagram; empty when none waits.
  [[nodiscard]] std::optional<Datagram> receive();
  /// The datagram that waits behind `older` others, which stay as it does; nullptr when there is none. Valid until the next call.
  [[nodiscard]] const Datagram* peek(std::size_t older = 0) const noexcept;
  /// Copies the oldest waiting datagram into `buffer`. Error::would_block when none waits; a pending error is returned first.
  [[nodiscard]] Result<ReceivedInto> receive(std::span<std::byte> buffer);
  /// The error that an ICMP message (or our own neighbour resolution) left for a connected socket, once: Error::connection_refused after port
  /// unreachable. Empty when there is none.
  [[nodiscard]] std::error_code take_error() noexcept;

  /// Datagrams to the multicast group that arrive by `interface`, or by any, reach this socket from now on. Joining twice is joining once.
  /// Errors as network::Network::join().
  [[nodiscard]] Result<> join(IpAddress group, std::optional<InterfaceIndex> interface = {});
  /// Ends what join() with the same arguments began.
  void leave(IpAddress group, std::optional<InterfaceIndex> interface = {});

  /// `callback` is called for every datagram that was put into the queue.
  void on_readable(std::function<void()> callback);
  /// `callback` is called, from the scheduler's next turn, once the link takes datagrams again after a send that failed with
  /// Error::would_block.
  void on_writable(std::function<void()> callback);
  /// `callback` is called for every error about a datagram that this socket sent, hints included.
  void on_error(std::function<void(const SocketError&)> callback);

  /// The local endpoint. Its address is unspecified unless bind() or connect() chose one.
  [[nodiscard]] Endpoint local() const noexcept;
  [[nodiscard]] std::optional<Endpoint> peer() const noexcept;
  [[nodiscard]] const SocketOptions& options() const noexcept;
  /// As SocketOptions::receive_limit_bytes, for the datagrams to come.
  void set_receive_limit(std::size_t bytes) noexcept;
  /// As SocketOptions::all_groups.
  void set_all_groups(bool on) noexcept;
  /// The largest payload that can be sent with this socket's IP options, in bytes: at most kMaxPayload (RFC 1122 section 4.1.4, MMS_S).
  [[nodiscard]] std::size_t max_payload() const noexcept;
  /// The largest payload that reaches `destination` unfragmented as far as is known, in bytes.
  [[nodiscard]] std::size_t path_payload(IpAddress destination) const noexcept;
  /// Datagrams waiting, and the memory that they hold in bytes.
  [[nodiscard]] std::size_t waiting() const noexcept;
  [[nodiscard]] std::size_t waiting_bytes() const noexcept;
  /// Datagrams that found no room in the queue.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  /// Gives the endpoint back: nothing arrives any more, and calls fail as behind close(). What waits can still be received, and dropped() tells what it told.
  void unbind() noexcept;
  /// What waits in `former`, which is unbound, waits here from now on, in front of what arrives; what found no room there counts here, too.
  void take_over(Socket former);
  /// Unbinds; every later call fails. Waiting datagrams are gone.
  void close() noexcept;

 private:
  std::shared_ptr<detail::SocketState> state_;  ///< nullptr once moved from
};

}  // namespace tapir::udp
