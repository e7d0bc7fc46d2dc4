#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <deque>
#include <functional>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include <support/lab.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/runtime/shards.hpp>

#include "socket_link.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

constexpr std::size_t kCount = 2;

/// 198.51.100.7's datagram from `peers` to `ours` with `mark` as its payload, or a fragment of one: by hand, and without checksums, as steering looks at none.
Bytes udp_frame(std::uint16_t ours, std::uint16_t peers, std::uint8_t mark) {
  Bytes frame = hex("020000000002 020000000001 0800 45000021 00010000 4011 0000 c6336407 c0000202 00000000 000d0000 0000000000");
  const auto put = [&](std::size_t at, std::uint16_t value) {
    frame[at] = std::byte(value >> 8U);
    frame[at + 1] = std::byte(value & 0xffU);
  };
  put(34, peers);
  put(36, ours);
  frame.back() = std::byte{mark};
  return frame;
}
Bytes later_fragment() { return hex("020000000002 020000000001 0800 45000018 00010002 4011 0000 c6336407 c0000202 000000ff"); }
Bytes first_fragment(std::uint16_t ours, std::uint16_t peers) {
  Bytes frame = udp_frame(ours, peers, 1);
  frame[20] = std::byte{0x20};
  return frame;
}
Bytes arp_frame(std::uint8_t operation) {
  Bytes frame = hex("ffffffffffff 020000000001 0806 0001 0800 06 04 0000 020000000001 c6336407 000000000000 c0000202");
  frame[21] = std::byte{operation};
  return frame;
}

/// What a shard's stack would be: it keeps the last byte of what it hears.
struct Ear final : Demultiplexer<link::Received> {
  Accepted demultiplex(Packet&& frame, const link::Received&) override {
    heard.push_back(std::to_integer<int>(frame.bytes().back()));
    on_frame();
    return {};
  }
  std::vector<int> heard;
  std::function<void()> on_frame;
};

/// Two shards on socket pairs whose other ends the test holds.
struct Pair {
  Pair() {
    std::vector<std::unique_ptr<link::Link>> links;
    for (std::size_t i = 0; i < kCount; ++i) {
      std::array<int, 2> fds{};
      REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) == 0);
      near[i] = fds[0];
      far[i] = fds[1];
      auto link = std::make_unique<SocketLink>(pools[i], fds[0]);
      below[i] = link.get();
      links.push_back(std::move(link));
      ears[i].on_frame = [this] {
        if (++total == expected) shards->stop();
      };
    }
    shards.emplace(std::move(links), ShardsOptions{});
  }
  ~Pair() {
    shards.reset();
    for (const int fd : near) ::close(fd);
    for (const int fd : far) ::close(fd);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void say(std::size_t queue, const Bytes& frame) {
    REQUIRE(::send(far[queue], frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
  }
  /// A peer's port whose conversation with our port 7 is the shard's.
  [[nodiscard]] std::uint16_t peer_of(std::size_t shard) const {
    std::uint16_t port = 1000;
    while (shards->steering().owner(Port{7}, *Ipv4Address::parse("198.51.100.7"), Port{port}) != shard) ++port;
    return port;
  }
  /// Runs until as many frames were heard in all.
  void hear(std::size_t frames) {
    expected = frames;
    CHECK(shards->run([&](Shard& shard) {
      const auto link = shard.take_link();
      link->attach(&ears[shard.index()]);
      if (!shard.runtime().watch(*link)) return 9;
      if (below[shard.index()]->deferring != &shard.runtime().scheduler()) return 8;
      const int code = shard.runtime().run();
      shard.runtime().forget(*link);
      if (shard.index() == 0) {
        for (const auto& counter : link->counters()) counted[std::string{counter.name}] = counter.value;
      }
      return code;
    }) == 0);
  }

  std::array<int, kCount> near{}, far{};
  std::array<SocketLink*, kCount> below{};
  std::deque<PacketPool> pools = std::deque<PacketPool>(kCount);
  std::array<Ear, kCount> ears;
  std::atomic<std::size_t> total = 0;
  std::size_t expected = 0;
  std::map<std::string, std::uint64_t> counted;  ///< by the first shard's link
  std::optional<Shards> shards;
};

}  // namespace

TEST_CASE("each shard hears its own conversations, in order, whichever queue they came by", "[runtime][shards]") {
  Pair pair;
  constexpr std::uint8_t kFrames = 60;
  std::array<std::vector<int>, kCount> sent;
  for (std::uint8_t mark = 0; mark < kFrames; ++mark) {
    const std::size_t owner = mark % 3 == 0 ? 0 : 1;
    pair.say(0, udp_frame(7, pair.peer_of(owner), mark));
    sent[owner].push_back(mark);
  }
  pair.hear(kFrames);
  for (std::size_t i = 0; i < kCount; ++i) CHECK((pair.ears[i].heard == sent[i]));
  CHECK(pair.counted["handedOver"] == sent[1].size());
  CHECK(pair.counted["takenOver"] == 0);
}

TEST_CASE("what is everybody's comes to each shard once", "[runtime][shards]") {
  Pair pair;
  const auto queue = GENERATE(as<std::size_t>{}, 0, 1);
  pair.say(queue, arp_frame(1));
  pair.hear(kCount);
  for (auto& ear : pair.ears) CHECK(ear.heard.size() == 1);
}

TEST_CASE("fragments find their shard by way of the first one, in any order and by any queue", "[runtime][shards]") {
  Pair pair;
  const auto owner = GENERATE(as<std::size_t>{}, 0, 1);
  const auto queue = GENERATE(as<std::size_t>{}, 0, 1);
  pair.say(queue, later_fragment());
  pair.say(queue, first_fragment(7, pair.peer_of(owner)));
  pair.hear(2);
  CHECK((pair.ears[owner].heard == std::vector{1, 0xff}));
  CHECK(pair.ears[1 - owner].heard.empty());
}

TEST_CASE("only the first shard answers ARP requests", "[runtime][shards]") {
  Pair pair;
  CHECK(pair.shards->run([&](Shard& shard) {
    const auto link = shard.take_link();
    for (const std::uint8_t operation : {std::uint8_t{2}, std::uint8_t{1}}) {
      Packet frame{shard.runtime().pool()};
      frame.append_copy(arp_frame(operation));
      if (!link->transmit(std::move(frame))) return 9;
    }
    return shard.index() == 0 ? shard.runtime().run() : (shard.shards().stop(), shard.runtime().run());
  }) == 0);
  const auto operations = [&](std::size_t queue) {
    std::vector<int> seen;
    std::array<std::byte, 64> bytes{};
    while (::recv(pair.far[queue], bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) seen.push_back(std::to_integer<int>(bytes[21]));
    return seen;
  };
  CHECK((operations(0) == std::vector{2, 1}));
  CHECK((operations(1) == std::vector{1}));  // its own requests leave
}

TEST_CASE("when one shard's function returns, the others are stopped", "[runtime][shards]") {
  Pair pair;
  const auto first = GENERATE(as<std::size_t>{}, 0, 1);
  CHECK(pair.shards->run([&](Shard& shard) { return shard.index() == first ? 5 : shard.runtime().run(); }) == 5);
}

TEST_CASE("a signal stops all shards", "[runtime][shards]") {
  Pair pair;
  REQUIRE(pair.shards->stop_on_signals({SIGUSR1}, 3));
  CHECK(pair.shards->run([&](Shard& shard) {
    if (shard.index() == 1) ::kill(::getpid(), SIGUSR1);
    return shard.runtime().run();
  }) == 3);
}

TEST_CASE("shards are one host: one hardware address, and ports of their own", "[runtime][shards]") {
  Pair pair;
  std::array<std::optional<MacAddress>, kCount> macs;
  std::array<link::Steering::Ports, kCount> ports{};
  std::array<std::thread::id, kCount> threads;
  (void)pair.shards->run([&](Shard& shard) {
    macs[shard.index()] = shard.mac();
    ports[shard.index()] = shard.ports();
    threads[shard.index()] = std::this_thread::get_id();
    return 0;
  });
  CHECK(macs[0] == macs[1]);
  CHECK(!macs[0]->is_group());
  CHECK(ports[0].last < ports[1].first);
  CHECK(threads[0] == std::this_thread::get_id());
  CHECK(threads[1] != threads[0]);
}

TEST_CASE("what a shard does not take is refused beyond a bound, and counted", "[runtime][shards]") {
  Pair pair;
  constexpr std::size_t kMost = 4096;  // as many may wait
  const Bytes frame = udp_frame(7, pair.peer_of(1), 0);
  std::uint64_t handed = 0;
  std::atomic<std::uint64_t> refused = 0;
  CHECK(pair.shards->run([&](Shard& shard) {
    if (shard.index() == 1) {
      while (refused == 0) std::this_thread::yield();
      return shard.runtime().run();
    }
    const auto link = shard.take_link();
    std::uint64_t waiting = 0;
    for (; waiting < kMost + 10; ++waiting) {
      pair.say(0, frame);
      link->drain(1);
    }
    for (const auto& counter : link->counters()) {
      if (counter.name == "handedOver") handed = counter.value;
    }
    for (const auto& counter : link->counters()) {
      if (counter.name == "notHandedOver") refused = counter.value;
    }
    return 0;
  }) == 0);
  CHECK(handed == kMost);
  CHECK(refused == 10);
}
