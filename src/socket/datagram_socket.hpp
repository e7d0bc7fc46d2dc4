#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tapir/udp/socket.hpp>

#include "packet_socket.hpp"
#include "port_book.hpp"

namespace tapir::posix::detail {

/// What a datagram socket keeps beside SocketOptions: IPPROTO_UDP (man 7 udp).
struct UdpOptions {
  bool cork = false;
  int segment = 0;  ///< bytes of payload in each datagram that a message is cut into; 0: it is one
};

/// SOCK_DGRAM: a UDP socket in the terms of man 7 udp. It has a port from bind(), or from the first call that needs one.
class DatagramSocket final : public PacketSocket {
 public:
  explicit DatagramSocket(Environment& environment) : PacketSocket{environment, SOCK_DGRAM, IPPROTO_UDP} {}
  ~DatagramSocket() override;

  [[nodiscard]] Result<> bind(const Endpoint& local) override;
  [[nodiscard]] Result<> connect(const Endpoint& remote) override;
  [[nodiscard]] Result<> disconnect() override;
  [[nodiscard]] Result<std::size_t> send(const Outgoing& message) override;
  [[nodiscard]] Result<Endpoint> local() const override;
  void close() override;
  void options_changed() override;
  [[nodiscard]] Result<> join(IpAddress group) override;
  [[nodiscard]] Result<> leave(IpAddress group) override;
  [[nodiscard]] std::uint64_t dropped() const noexcept override { return arrivals() != nullptr ? arrivals()->dropped() : 0; }

  // Options: datagram_options.cpp
  [[nodiscard]] std::span<const Option> own_options() const noexcept override { return udp_level_options(); }
  [[nodiscard]] UdpOptions& udp() noexcept { return udp_; }
  /// What UDP_CORK has gathered leaves now. A link that is full loses it: setsockopt() does not wait, and tells of no error of this kind.
  void uncork();

 private:
  [[nodiscard]] Sharing sharing() const noexcept { return {.address = options_.reuse_address, .port = options_.reuse_port}; }
  /// What MSG_MORE and UDP_CORK have gathered so far.
  struct Corked {
    Endpoint to;
    Departure way;
    std::vector<std::byte> bytes;
    std::uint32_t zero_copies = 0;  ///< sends of it with MSG_ZEROCOPY
    std::size_t sent = 0;           ///< bytes of it that have left, those in front
    std::uint64_t port = 0;         ///< which of the socket's ports a part of it has left from; 0: none has
  };
  /// What the call under way has added to it.
  struct Share {
    bool begins = false;
    std::size_t size = 0;
    std::uint32_t zero_copies = 0;
  };

  [[nodiscard]] const ReceivedPacket* at(std::size_t older) const override;
  void drop_front() override { front_.reset(); }
  [[nodiscard]] Result<> open(const Endpoint& local);
  [[nodiscard]] Result<> open_any();
  void give_port_back();
  /// Where what has arrived waits: also when the port has been given back. nullptr: there never was one.
  [[nodiscard]] udp::Socket* arrivals() const noexcept { return socket_ ? &*socket_ : former_ ? &*former_ : nullptr; }
  [[nodiscard]] Result<Share> gather(const Outgoing& message);
  [[nodiscard]] Result<> begin(const Outgoing& message);
  [[nodiscard]] bool corks(int flags) const noexcept { return udp_.cork || (flags & MSG_MORE) != 0; }
  [[nodiscard]] Result<> may_cut(const Corked& message) const;
  [[nodiscard]] Result<std::size_t> flush(int flags, const Share& share);
  [[nodiscard]] bool leaves_at_once(const Corked& message) const;
  [[nodiscard]] Result<> send_pieces(Corked& message);
  [[nodiscard]] bool keeps_port(const Corked& message);
  void keep(Corked message, const Share& share);
  void end(const Corked& message);
  void tell_zero_copies(std::uint32_t count);
  [[nodiscard]] IpAddress source_of(const Corked& message) const;
  [[nodiscard]] Result<> dispatch(const Corked& message, std::span<const std::byte> payload);
  [[nodiscard]] Result<> take_own_control(const cmsghdr& header, std::span<const std::byte> data, Departure& way) const override;

  std::unique_ptr<Claim> claim_;
  mutable std::optional<udp::Socket> socket_;
  mutable std::optional<udp::Socket> former_;  ///< what waits where the port has been given back
  std::uint64_t ports_ = 0;                    ///< that it has had, the present one included
  UdpOptions udp_;
  std::uint32_t zero_copies_ = 0;  ///< sends with MSG_ZEROCOPY that the program has been told of
  mutable std::optional<ReceivedPacket> front_;
  mutable std::optional<ReceivedPacket> behind_;  ///< one that waits behind it, as it was last looked at
  std::optional<Corked> corked_;
  std::vector<IpAddress> groups_;  ///< joined
  bool port_bound_ = false;        ///< by bind(), so it survives a disconnect
  IpAddress bound_address_;        ///< by bind(), so it does, too
};

}  // namespace tapir::posix::detail
