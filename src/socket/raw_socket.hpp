#pragma once

#include <cstdint>
#include <deque>

#include "packet_socket.hpp"

namespace tapir::posix::detail {

/// SOCK_RAW (man 7 raw). With IPPROTO_ICMP it sends ICMP messages as the program has made them, and gets a copy of every one received with its IP header. With
/// IPPROTO_RAW it sends datagrams with headers of the program's, and receives nothing.
class RawSocket final : public PacketSocket {
 public:
  RawSocket(Environment& environment, int protocol);
  ~RawSocket() override;

  [[nodiscard]] Result<> bind(const Endpoint& local) override;
  [[nodiscard]] Result<> connect(const Endpoint& remote) override;
  [[nodiscard]] Result<> disconnect() override;
  [[nodiscard]] Result<std::size_t> send(const Outgoing& message) override;
  [[nodiscard]] Result<std::size_t> receive(Incoming& message) override;
  [[nodiscard]] Result<Endpoint> local() const override;
  [[nodiscard]] std::span<const Option> own_options() const noexcept override;
  void close() override;
  [[nodiscard]] std::uint64_t dropped() const noexcept override { return dropped_; }

  /// A message has arrived: its front is the ICMP header.
  void offer(const Packet& packet, const network::Received& from);
  /// An error about an ICMP message that this host has sent, perhaps by this socket.
  void hear(const network::ErrorReport& error);
  /// ICMP_FILTER: a bit for each type, 0 to 31, that is not wanted.
  std::uint32_t filter = 0;

 private:
  [[nodiscard]] const ReceivedPacket* at(std::size_t older) const override { return older < queue_.size() ? &queue_[older] : nullptr; }
  void drop_front() override;
  /// Linux looks where it makes room for a header of the program's, and else not at all.
  [[nodiscard]] bool sending_is_over() const noexcept override { return send_shut_ && options_.header_included; }

  /// From now on nothing is offered.
  void go_deaf();
  [[nodiscard]] IpAddress source_of(const Departure& way, IpAddress destination) const;
  [[nodiscard]] Result<> dispatch(const Outgoing& message, const Departure& way, IpAddress destination);

  IpAddress bound_;
  std::deque<ReceivedPacket> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t dropped_ = 0;  ///< messages that found no room
  bool hears_;
  Port name_;  ///< the protocol, as getsockname() tells it
};

}  // namespace tapir::posix::detail
