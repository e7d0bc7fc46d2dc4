#pragma once

#include <netinet/udp.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>

#include <catch2/catch.hpp>

#include "two_hosts.hpp"

namespace tapir::test {

inline constexpr int kSegment = 103;  // UDP_SEGMENT
inline constexpr std::size_t kEach = 1000;
inline constexpr std::size_t kMuch = 20 * kEach;

/// A cable whose queue holds few datagrams, each of which takes milliseconds.
inline PairConfig slow() {
  PairConfig config;
  config.cable.rate_bits_per_second = 1'000'000;
  config.cable.queue_bytes = 8000;
  return config;
}

/// A receiver on the right host and a sender on the left one, which is its peer and knows its link address.
struct FullLink : TwoHosts {
  explicit FullLink(int flags = 0) : TwoHosts{slow()}, sender{left.socket(AF_INET, SOCK_DGRAM | flags, 0)} {
    const sockaddr_in in = socket_address(tapir::Ipv4Address{}, kPort);
    REQUIRE(right.bind(receiver, generic(in), sizeof(in)) == 0);
    REQUIRE(connect(sender) == 0);
    REQUIRE(send(left, sender, "first") == 5);
    pair.world.run_for(std::chrono::seconds{1});
    REQUIRE(receive(right, receiver, 10) == "first");
    REQUIRE(set(left, sender, IPPROTO_UDP, kSegment, kEach) == 0);
  }
  /// Until the link takes nothing more.
  void fill() {
    const int other = left.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    REQUIRE(connect(other) == 0);
    const std::string datagram(kEach, 'f');
    while (send(left, other, datagram) > 0) {}
    REQUIRE(errno == EAGAIN);
    REQUIRE(left.close(other) == 0);
  }
  /// A send that waits gives up earlier than the link has room.
  void limit(int fd) {
    const timeval soon{.tv_sec = 0, .tv_usec = 1000};
    REQUIRE(left.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)) == 0);
  }
  /// All that arrives.
  std::string drain() {
    pair.world.run_for(std::chrono::seconds{1});
    std::string all;
    for (std::string next; !(next = receive(right, receiver, 2 * kEach)).empty();) {
      CHECK(next.size() <= kEach);
      all += next;
    }
    return all;
  }
  int receiver = right.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  int sender;
};

/// Bytes that tell where they stand.
inline std::string pattern(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>('a' + i / kEach);
  return bytes;
}

}  // namespace tapir::test
