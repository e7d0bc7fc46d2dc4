#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <tapir/udp/udp.hpp>

namespace tapir::udp::detail {

/// What a Socket refers to and Udp's table points at. A callback may close the socket, so whoever calls one holds a shared_ptr meanwhile.
/// It is on the ready list only to tell when a full link takes datagrams again.
class SocketState final : public std::enable_shared_from_this<SocketState>, private ReadySource {
 public:
  /// A group, and the interface; empty: any.
  using Membership = std::pair<IpAddress, std::optional<InterfaceIndex>>;

  SocketState(Udp& udp, const Endpoint& local, SocketOptions options);

  [[nodiscard]] bool open() const noexcept { return udp_ != nullptr; }
  [[nodiscard]] const Endpoint& local() const noexcept { return local_; }
  /// What bind() was given, its port chosen.
  [[nodiscard]] const Endpoint& bound() const noexcept { return bound_; }
  [[nodiscard]] const std::optional<Endpoint>& peer() const noexcept { return peer_; }
  [[nodiscard]] const SocketOptions& options() const noexcept { return options_; }
  void set_receive_limit(std::size_t bytes) noexcept { options_.receive_limit_bytes = bytes; }
  void set_all_groups(bool on) noexcept { options_.all_groups = on; }

  /// How well a datagram from `remote` to `local` fits: 0 not at all, more for a bound address, still more for a connected peer.
  [[nodiscard]] unsigned fit(const Endpoint& local, const Endpoint& remote) const noexcept;
  /// Whether a datagram from `remote` to the multicast or broadcast address `group`, arrived by `interface`, is for this socket.
  [[nodiscard]] bool wants_group(IpAddress group, InterfaceIndex interface, const Endpoint& remote) const noexcept;
  /// Puts the datagram into the queue; Drop::queue_full, or Drop::bad_checksum when it has none and must have one.
  [[nodiscard]] Accepted offer(Datagram datagram, bool has_checksum);
  /// Calls on_readable: offer() has taken a datagram.
  void announce() const;
  void report(const SocketError& error);

  [[nodiscard]] Result<> send(const Endpoint& destination, Packet payload);
  /// A datagram has left that send() knows nothing of.
  void note_sent(const Endpoint& destination) noexcept { last_destination_ = destination; }
  /// Whether the last datagram went there. Only the last: a socket that serves many keeps no list of them.
  [[nodiscard]] bool has_sent_to(const Endpoint& destination) const noexcept { return last_destination_ == destination; }
  [[nodiscard]] Result<> connect(const Endpoint& peer);
  void disconnect() noexcept;
  [[nodiscard]] std::optional<Datagram> receive();
  [[nodiscard]] const Datagram* peek(std::size_t older) const noexcept {
    return older < waiting() ? &queue_[first_ + older].datagram : nullptr;
  }
  [[nodiscard]] std::error_code take_error() noexcept { return std::exchange(pending_, {}); }
  [[nodiscard]] Result<> join(const Membership& membership);
  void leave(const Membership& membership);
  /// Takes itself out of Udp's table; what waits stays.
  void unbind() noexcept;
  /// What waits in `former` waits here, in front of the rest.
  void take_over(SocketState& former);
  void close() noexcept;
  /// As close(), for an Udp that empties its table itself.
  void detach() noexcept;

  [[nodiscard]] PacketPool& pool() const noexcept { return udp_->context_.pool; }
  [[nodiscard]] std::size_t path_payload(IpAddress destination) const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept { return queue_.size() - first_; }
  [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

  /// Shared, so that a callback may replace itself while it runs.
  std::shared_ptr<const std::function<void()>> readable;
  std::shared_ptr<const std::function<void()>> writable;
  std::shared_ptr<const std::function<void(const SocketError&)>> failed;

 private:
  struct Way {
    IpAddress source;
    IpAddress destination;
  };
  struct Waiting {
    Datagram datagram;
    std::size_t memory;  ///< bytes that it holds
  };

  [[nodiscard]] Pulled pull() override;
  void let_go() noexcept;
  void forget() noexcept;
  [[nodiscard]] Result<> check_destination(const Endpoint& destination) const;

  Udp* udp_;  ///< nullptr once closed
  Endpoint bound_;
  Endpoint local_;
  std::optional<Endpoint> peer_;
  SocketOptions options_;
  std::vector<Waiting> queue_;  ///< from first_ on; a vector keeps its memory, so that a steady flow allocates nothing
  std::size_t first_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t dropped_ = 0;  ///< that found no room
  std::set<Membership> groups_;
  std::optional<Endpoint> last_destination_;
  Way blocked_by_;        ///< of the send that found the link full
  bool blocked_ = false;  ///< it has, and nobody has been told yet that it can be tried again
  std::error_code pending_;
};

}  // namespace tapir::udp::detail
