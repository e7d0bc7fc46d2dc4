#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/core/siphash.hpp>
#include <tapir/network/network.hpp>
#include <tapir/udp/socket.hpp>

namespace tapir::udp {

/// What is said about a datagram on its way down. The packet is its payload.
struct Send {
  Endpoint source;  ///< address unspecified: the network layer selects one; port 0: no reply is expected (RFC 768)
  Endpoint destination;
  std::optional<std::uint8_t> ttl;  ///< 1-255; empty: the stack's default
  std::uint8_t tos = 0;
  bool dont_fragment = false;
  bool checksum = true;                ///< false: the field is 0, "no checksum"
  std::span<const std::byte> options;  ///< IPv4 options, at most 40 bytes; valid during the call
  bool loop_multicast = true;          ///< see network::Send
  /// Bytes of payload in each of the datagrams that the packet is cut into, the last one's may be fewer; 0: it is one. Each has to fit the path, and has a
  /// checksum. They go down the layers in one piece (GsoKind::udp4), which is cut where the link does not take it whole.
  std::uint16_t segment = 0;
};

struct Config {
  Port first_ephemeral{1024};  ///< the range that local ports are chosen from: RFC 6056 section 3.2 wants it wide
  Port last_ephemeral{65535};
};

/// RFC 4113 udp group, under its names there.
struct Stats {
  std::uint64_t in_datagrams = 0;   ///< delivered to a socket
  std::uint64_t no_ports = 0;       ///< nobody at the destination port
  std::uint64_t in_errors = 0;      ///< not delivered for another reason
  std::uint64_t out_datagrams = 0;  ///< taken by the network layer
};

/// The User Datagram Protocol (RFC 768, RFC 1122 section 4.1). Context and network outlive it. One thread.
class Udp final : public Layer<Send, network::Received>, public network::ErrorReceiver {
 public:
  /// Attaches itself to `network` for Protocol::udp.
  Udp(Context& context, network::Network& network, Config config = {});
  Udp(const Udp&) = delete;
  Udp& operator=(const Udp&) = delete;
  ~Udp() override;

  /// A socket at `local`. Address unspecified: datagrams to any of our addresses; port 0: a random free one (RFC 6056). A specific address
  /// takes precedence over the unspecified one at the same port; a multicast or broadcast address receives only what goes there.
  /// Error::address_not_available for an address that is not ours or when no port is free, Error::address_in_use when the same endpoint is
  /// bound already, Error::invalid_argument for an option outside its range.
  [[nodiscard]] Result<Socket> bind(const Endpoint& local, SocketOptions options = {});

  /// Puts the UDP header in front of `packet` and hands it to the network layer. Error::message_too_large, Error::invalid_argument for
  /// destination port 0 and for datagrams cut without checksum, and what the network layer says.
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const Send& to) override;
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const network::Received& from) override;
  /// Of a datagram to where its socket has sent last.
  [[nodiscard]] bool believes(const network::ErrorReport& report) const override;
  void receive_error(const network::ErrorReport& report) override;

  /// Sockets bound now.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  friend class detail::SocketState;
  using Sockets = std::vector<detail::SocketState*>;

  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> drop(Drop reason) { return reject(context_, drops_, LayerId::udp, reason); }
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> malformed(Drop reason);
  [[nodiscard]] std::optional<Port> free_port();
  [[nodiscard]] std::size_t path_room(IpAddress destination, std::size_t option_size) const noexcept;
  [[nodiscard]] std::size_t choice_of(const Endpoint& local, const Endpoint& remote) const noexcept;
  [[nodiscard]] detail::SocketState* find(const Endpoint& local, const Endpoint& remote) const;
  [[nodiscard]] Accepted deliver(Packet payload, const network::Received& from, Port source, Port destination, bool has_checksum);
  [[nodiscard]] Accepted deliver_to_group(Packet payload, const network::Received& from, Port source, Port destination, bool has_checksum);
  void unbind(detail::SocketState& socket) noexcept;
  [[gnu::cold, gnu::noinline]] void observe(Direction direction, const Packet& packet) const;

  Context& context_;
  network::Network& network_;
  Config config_;
  SipKey key_;                                 ///< of the choice among sockets that balance
  std::unordered_map<Port, Sockets> sockets_;  ///< by local port
  std::size_t size_ = 0;
  Stats stats_;
  DropCounters drops_;
};

}  // namespace tapir::udp
