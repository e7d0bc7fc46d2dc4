// Whole stacks on several threads that are one host. With TSan this is the test that they share nothing.
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <list>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tapir/stack/of_shard.hpp>
#include <unit/runtime/socket_link.hpp>

using namespace tapir;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kShards = 2;
constexpr std::size_t kCalls = 32;       ///< from the client to the shards
constexpr std::size_t kCallsOfEach = 8;  ///< from each shard to the client
constexpr std::size_t kBytes = 20'000;   ///< there and back
constexpr Duration kLong = 60s;          ///< a limit that only a hanging test reaches
constexpr Ipv4Prefix kShardsAddress{Ipv4Address{0xc0000202}, 24};
constexpr Ipv4Prefix kClientAddress{Ipv4Address{0xc0000201}, 24};

/// A service that returns what it receives.
class Echoes {
 public:
  [[nodiscard]] bool start(Stack& stack) {
    auto listener = stack.tcp().listen(Port{7}, [this](tcp::Connection connection) {
      ++count;
      auto& one = serving_.emplace_back(std::move(connection));
      one.connection.handle({.readable = [&one] { one.work(); }, .writable = [&one] { one.work(); }});
      one.work();
    });
    if (!listener) return false;
    listener_.emplace(std::move(*listener));
    return true;
  }
  std::size_t count = 0;

 private:
  struct One {
    explicit One(tcp::Connection of) : connection{std::move(of)} {}
    void work() {
      for (;;) {
        while (!pending.empty()) {
          const auto sent = connection.send(pending);
          if (!sent || *sent == 0) return;
          pending.trim_front(*sent);
        }
        auto slice = connection.receive_slice();
        if (!slice) return;
        if (slice->empty()) return connection.close();
        pending = std::move(*slice);
      }
    }
    tcp::Connection connection;
    Slice pending;
  };
  std::list<One> serving_;
  std::optional<tcp::Listener> listener_;
};

/// Sends a number's worth of bytes, each that number, and counts those that come back right until the stream ends.
class Calls {
 public:
  [[nodiscard]] bool start(Stack& stack, Ipv4Address to, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto connection = stack.tcp().connect({to, Port{7}});
      if (!connection) return false;
      auto& one = calls_.emplace_back(std::move(*connection), static_cast<std::byte>(i));
      one.connection.handle({.connected = [&one] { one.send(); },
                             .readable = [this, &one] { receive(one); },
                             .writable = [&one] { one.send(); },
                             .closed = [this](std::error_code error) { failed += error ? 1U : 0U; }});
    }
    return true;
  }
  std::size_t complete = 0;
  std::size_t failed = 0;

 private:
  struct One {
    One(tcp::Connection of, std::byte with) : connection{std::move(of)}, mark{with} {}
    void send() {
      const std::vector<std::byte> bytes(kBytes, mark);
      while (sent < kBytes) {
        const auto taken = connection.send(std::span{bytes}.subspan(sent));
        if (!taken || *taken == 0) return;
        sent += *taken;
      }
      connection.shutdown();
    }
    tcp::Connection connection;
    std::byte mark;
    std::size_t sent = 0;
    std::size_t returned = 0;
  };
  void receive(One& one) {
    while (auto slice = one.connection.receive_slice()) {
      if (slice->empty()) {
        (one.returned == kBytes ? complete : failed) += 1;
        return;
      }
      for (const std::byte byte : slice->bytes()) one.returned += byte == one.mark ? 1U : kBytes + 1;
    }
  }
  std::list<One> calls_;
};

}  // namespace

TEST_CASE("stacks on two threads serve as one host, and reach others, whoever of them reads a frame", "[stack][shards]") {
  // Both shards read the one end of the pair: each frame comes to whoever is first, its owner or not.
  std::array<int, 2> wire{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, wire.data()) == 0);
  const std::array<int, kShards> ends{wire[0], ::fcntl(wire[0], F_DUPFD_CLOEXEC, 0)};
  std::list<PacketPool> pools(kShards);
  std::vector<std::unique_ptr<link::Link>> links;
  for (auto pool = pools.begin(); const int end : ends) links.push_back(std::make_unique<test::SocketLink>(*pool++, end));
  Shards shards{std::move(links), {}};

  std::atomic<std::size_t> finished = 0;  // of the client and the shards
  const auto finish = [&] {
    if (++finished == kShards + 1) shards.stop();
  };
  std::array<std::size_t, 3> complete{};
  std::size_t answered = 0;
  std::atomic<bool> over = false;
  std::thread client{[&] {
    Runtime runtime;
    PacketPool pool;
    Stack stack{runtime, test::SocketLink{pool, wire[1]}, {.address = kClientAddress}};
    Echoes echoes;
    Calls calls;
    if (!echoes.start(stack) || !calls.start(stack, kShardsAddress.address(), kCalls)) return shards.stop(9);
    runtime.run_until([&] { return calls.complete + calls.failed >= kCalls; }, kLong);
    complete[2] = calls.complete;
    finish();
    while (!over) runtime.run_until([] { return false; }, 1ms);  // the shards may still call
    answered = echoes.count;
  }};
  std::array<std::size_t, kShards> served{};
  CHECK(shards.run([&](Shard& shard) {
    const auto index = shard.index();
    Stack stack{shard.runtime(), shard.take_link(), of_shard({.address = kShardsAddress}, shard)};
    Echoes echoes;
    Calls calls;
    if (!echoes.start(stack) || !calls.start(stack, kClientAddress.address(), kCallsOfEach)) return 9;
    shard.runtime().run_until([&] { return calls.complete + calls.failed >= kCallsOfEach; }, kLong);
    complete[index] = calls.complete;
    finish();
    const int code = shard.runtime().run();
    served[index] = echoes.count;
    return code;
  }) == 0);
  over = true;
  client.join();
  CHECK(complete[2] == kCalls);
  CHECK(served[0] + served[1] == kCalls);
  CHECK(served[0] > 0);  // each of the two has a share, but once in 2^31 times
  CHECK(served[1] > 0);
  CHECK(complete[0] == kCallsOfEach);
  CHECK(complete[1] == kCallsOfEach);
  CHECK(answered == kShards * kCallsOfEach);
  for (const int fd : {ends[0], ends[1], wire[1]}) ::close(fd);
}
