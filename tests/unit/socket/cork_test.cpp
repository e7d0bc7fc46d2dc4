// What is gathered into a datagram, or cut into several, on a link that is full.
#include <catch2/catch.hpp>

#include <netinet/udp.h>

#include <cerrno>
#include <string>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::generic;
using tapir::test::PairConfig;
using tapir::test::socket_address;
using tapir::test::TwoHosts;

namespace {

constexpr int kSegment = 103;  // UDP_SEGMENT
constexpr std::size_t kEach = 1000;
constexpr std::size_t kMuch = 20 * kEach;

PairConfig slow() {
  PairConfig config;
  config.cable.rate_bits_per_second = 1'000'000;
  config.cable.queue_bytes = 8000;
  return config;
}

/// A receiver on the right host and a sender on the left one, which is its peer and knows its link address.
struct Ends : TwoHosts {
  explicit Ends(int flags = 0) : TwoHosts{slow()}, sender{left.socket(AF_INET, SOCK_DGRAM | flags, 0)} {
    const sockaddr_in in = socket_address(tapir::Ipv4Address{}, kPort);
    REQUIRE(right.bind(receiver, generic(in), sizeof(in)) == 0);
    REQUIRE(connect(sender) == 0);
    REQUIRE(send(left, sender, "first") == 5);
    pair.world.run_for(1s);
    REQUIRE(receive(right, receiver, 10) == "first");
    REQUIRE(set(left, sender, IPPROTO_UDP, kSegment, kEach) == 0);
  }
  /// Until the link takes nothing more.
  void fill() {
    const std::string datagram(kEach, 'f');
    while (send(left, sender, datagram) > 0) {}
    REQUIRE(errno == EAGAIN);
  }
  /// All that arrives.
  std::string drain() {
    pair.world.run_for(1s);
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
std::string pattern(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>('a' + i / kEach);
  return bytes;
}

}  // namespace

TEST_CASE("a send that becomes several datagrams tells how much of it a full link took", "[socket]") {
  Ends ends{SOCK_NONBLOCK};
  const std::string all = pattern(kMuch);
  std::string arrived;
  std::size_t sent = 0;
  int calls = 0;
  for (; sent < all.size() && calls < 100; ++calls) {
    const ssize_t count = TwoHosts::send(ends.left, ends.sender, std::string_view{all}.substr(sent));
    REQUIRE(count > 0);
    CHECK(static_cast<std::size_t>(count) % kEach == 0);
    sent += static_cast<std::size_t>(count);
    arrived += ends.drain();
  }
  CHECK(calls > 1);
  CHECK(arrived == all);
}

TEST_CASE("a send that becomes several datagrams waits for a full link", "[socket]") {
  Ends ends;
  const std::string all = pattern(kMuch);
  CHECK(TwoHosts::send(ends.left, ends.sender, all) == static_cast<ssize_t>(all.size()));
  CHECK(ends.drain() == all);
}

TEST_CASE("what MSG_MORE has gathered outlasts a send that finds the link full", "[socket]") {
  Ends ends{SOCK_NONBLOCK};
  ends.fill();
  CHECK(TwoHosts::send(ends.left, ends.sender, "ab", MSG_MORE) == 2);
  CHECK(TwoHosts::send(ends.left, ends.sender, "cd") == -1);
  CHECK(errno == EAGAIN);
  (void)ends.drain();
  CHECK(TwoHosts::send(ends.left, ends.sender, "cd") == 2);
  CHECK(ends.drain() == "abcd");
}
