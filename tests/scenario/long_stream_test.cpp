#include <catch2/catch.hpp>

#include <string>

#include "pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// One connection from left to right that carries so many octets that sequence numbers come round.
struct LongStream : Pair {
  LongStream() : Pair{config()} {
    listener = right->tcp().listen(Port{9}, [this](tcp::Connection accepted) {
      sink = std::move(accepted);
      sink.handle({.readable = [this] { read(); }});
    });
    REQUIRE(listener);
    auto opened = left->tcp().connect({kRightAddress, Port{9}}, {.settings = {.minshall = true}});
    REQUIRE(opened);
    source = std::move(*opened);
    source.handle({.writable = [this] { write(); }, .closed = [this](std::error_code error) { over = error; }});
    world.run_for(1ms);
    REQUIRE(source.state() == tcp::State::established);
  }
  static PairConfig config() {
    PairConfig config;
    config.cable = {.delay = 50us, .carries_fcs = false, .mtu = 60000};
    config.cable.queue_bytes = std::size_t{1} << 30U;
    return config;
  }

  void write() {
    while (sent < target) {
      const auto taken = source.send(std::span{block}.first(std::min<std::uint64_t>(block.size(), target - sent)));
      if (!taken) return;
      sent += *taken;
    }
  }
  void read() {
    for (;;) {
      const auto slice = sink.receive_slice();
      if (!slice || slice->empty()) {
        ended = slice.has_value();
        return;
      }
      received += slice->size();
    }
  }
  /// Until `octets` in all have arrived.
  void carry_until(std::uint64_t octets) {
    target = octets;
    write();
    while (received < target && !over) world.run_for(100ms);
    world.run_for(1s);
    REQUIRE(received == octets);
  }
  /// How long so many octets take that find nothing outstanding.
  Duration time_of(std::string_view text) {
    const TimePoint began = world.now();
    target += text.size();
    sent += text.size();
    REQUIRE(source.send(std::as_bytes(std::span{text})) == text.size());
    world.run_until([this] { return received >= target; }, 10s);
    REQUIRE(received == target);
    return world.now() - began;
  }

  Result<tcp::Listener> listener;
  tcp::Connection source;
  tcp::Connection sink;
  std::vector<std::byte> block = std::vector<std::byte>(std::size_t{1} << 20U);
  std::uint64_t target = 0;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  bool ended = false;
  std::optional<std::error_code> over;
};
}  // namespace

TEST_CASE("a connection outlives the 2^32 octets that its numbers tell apart", "[tcp][RFC9293-3.4-1]") {
  constexpr std::uint64_t kRound = (std::uint64_t{1} << 32U) - 1;  // and the next octet has the number of the SYN
  LongStream stream;
  CHECK(stream.time_of("with new numbers") < 1ms);
  // Nothing of the beginning lies ahead again: a small segment does not wait for one of then.
  stream.carry_until(std::uint64_t{3} << 30U);
  CHECK(stream.time_of("nothing is outstanding") < 1ms);
  stream.carry_until(kRound);
  REQUIRE(stream.source.info().unacknowledged == 0);
  CHECK(stream.time_of("round once") < 1ms);
  stream.carry_until(kRound + (std::uint64_t{1} << 20U));
  REQUIRE(stream.source.shutdown());
  stream.world.run_for(1s);
  CHECK(stream.ended);
  CHECK_FALSE(stream.over);
  CHECK(stream.source.info().retransmissions == 0);
}
