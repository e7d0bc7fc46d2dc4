#pragma once

#include <cstddef>
#include <cstdint>

#include <tapir/core/addresses.hpp>
#include <tapir/core/packet.hpp>

namespace tapir::link {

/// Whose a received frame is among several stacks that are one host, each on a thread of its own (see Shards). Everything of a conversation has
/// one owner: its datagrams, and the ICMP errors that quote them. Which one follows from the ports alone, so that everybody who looks comes to the
/// same answer without asking:
///
/// - a conversation of a dynamic local port, first_dynamic or above, is the shard's whose part of that range the port lies in: who opens a connection
///   chooses a port of its own part;
/// - one of a lower port, a service's, goes by a keyed hash of the peer's address and both ports.
///
/// A value; any thread.
class Steering {
 public:
  static constexpr Port first_dynamic{32768};
  static constexpr std::size_t most_shards = 64;

  /// `shards` is brought to 1 ... most_shards. `key`: random, so that nobody outside can aim all connections at one shard.
  Steering(std::size_t shards, std::uint32_t key) noexcept;

  [[nodiscard]] std::size_t shards() const noexcept { return shards_; }
  [[nodiscard]] std::uint32_t key() const noexcept { return key_; }

  struct Target {
    enum class Kind : std::uint8_t {
      one,       ///< `shard`'s
      all,       ///< everybody's: ARP, group addresses, and ICMP other than errors and echo requests
      fragment,  ///< of a fragmented datagram, whose ports only its first fragment shows: FragmentOwners of shard 0 knows more
    };
    Kind kind = Kind::one;
    std::size_t shard = 0;
  };
  /// Of an Ethernet frame, with or without an 802.1Q tag. What is no conversation of TCP's or UDP's, echo requests included, is shard 0's.
  [[nodiscard]] Target target(const Packet& frame) const noexcept;

  /// Of the conversation between a port of ours and a peer.
  [[nodiscard]] std::size_t owner(Port ours, Ipv4Address peer, Port peers) const noexcept;

  /// The dynamic ports of a shard below shards(), both included.
  struct Ports {
    Port first;
    Port last;
  };
  [[nodiscard]] Ports ports(std::size_t shard) const noexcept;

 private:
  std::size_t shards_;
  std::uint32_t key_;
};

}  // namespace tapir::link
