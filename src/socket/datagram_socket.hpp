#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <tapir/udp/socket.hpp>

#include "packet_socket.hpp"
#include "port_book.hpp"

namespace tapir::posix::detail {

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

 private:
  [[nodiscard]] Sharing sharing() const noexcept { return {.address = options_.reuse_address, .port = options_.reuse_port}; }
  /// What MSG_MORE has gathered so far.
  struct Corked {
    Endpoint to;
    Departure way;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] const ReceivedPacket* front() const override;
  void drop_front() override { front_.reset(); }
  [[nodiscard]] Result<> open(const Endpoint& local);
  [[nodiscard]] Result<> open_any();
  [[nodiscard]] Result<> gather(const Outgoing& message);
  [[nodiscard]] Result<> dispatch(const Corked& datagram);

  std::unique_ptr<Claim> claim_;
  mutable std::optional<udp::Socket> socket_;
  mutable std::optional<ReceivedPacket> front_;
  std::optional<Corked> corked_;
  std::vector<IpAddress> groups_;  ///< joined before there was a port
  bool port_bound_ = false;        ///< by bind(), so it survives a disconnect
};

}  // namespace tapir::posix::detail
