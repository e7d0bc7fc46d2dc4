#include <catch2/catch.hpp>

#include "wire_pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using sim::End;

namespace {
constexpr std::uint64_t kTenMegabits = 10'000'000;

/// Sends frames whenever its link takes them.
struct Sender final : ReadySource {
  Sender(WirePair& in, std::uint32_t count) : pair{in}, left{count} {}
  [[nodiscard]] Pulled pull() override {
    if (!pair.left->writable()) return Pulled::blocked;
    if (!pair.left->transmit(packet(pair.world, numbered(next, 1000)))) ++refused;
    ++next;
    return --left == 0 ? Pulled::drained : Pulled::more;
  }
  WirePair& pair;
  std::uint32_t left;
  std::uint32_t next = 0;
  int refused = 0;
};
}  // namespace

TEST_CASE("a 60-byte frame holds a 10 Mbit/s line for 67.2 microseconds", "[sim][POLICY-ETH-9]") {
  WirePair pair{{.rate_bits_per_second = kTenMegabits}};
  // 8 of preamble and delimiter, 60 and 4 of FCS (which the cable's frames include), 12 of gap: 84 octets.
  for (std::uint32_t i = 0; i < 3; ++i) REQUIRE(pair.left->transmit(packet(pair.world, numbered(i, 64))));
  pair.world.run_for(1s);
  CHECK(pair.at_right.times == std::vector<TimePoint>{TimePoint{67'200ns}, TimePoint{134'400ns}, TimePoint{201'600ns}});
}

TEST_CASE("the FCS takes its line time on a cable whose frames do not include it, too", "[sim][POLICY-ETH-9]") {
  WirePair pair{{.rate_bits_per_second = kTenMegabits, .carries_fcs = false}};
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(1, 60))));
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(2, 1514))));
  pair.world.run_for(1s);
  // 1538 octets are 1230.4 microseconds.
  CHECK(pair.at_right.times == std::vector<TimePoint>{TimePoint{67'200ns}, TimePoint{67'200ns + 1'230'400ns}});
}

TEST_CASE("frames arrive after line time and delay, both ways at once", "[sim]") {
  WirePair pair{{.delay = 3ms, .rate_bits_per_second = kTenMegabits}};
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(1))));
  REQUIRE(pair.right->transmit(packet(pair.world, numbered(2))));
  pair.world.run_for(3ms);
  CHECK(pair.at_right.frames.empty());
  pair.world.run_for(1s);
  CHECK(pair.at_right.frames == std::vector<Bytes>{numbered(1)});
  CHECK(pair.at_left.frames == std::vector<Bytes>{numbered(2)});
  CHECK(pair.at_right.times == std::vector<TimePoint>{TimePoint{3ms + 67'200ns}});
  CHECK(pair.at_left.times == pair.at_right.times);
  CHECK(pair.at_right.metas.at(0).ingress == pair.at_right.times[0]);
}

TEST_CASE("an infinitely fast cable delivers in order, after the moment of sending", "[sim]") {
  WirePair pair;
  CHECK(pair.left->capabilities().carries_fcs);
  CHECK(pair.left->capabilities().mtu == 1500);
  CHECK(pair.left->name() == "cable.left");
  CHECK(pair.right->name() == "cable.right");
  for (std::uint32_t i = 0; i < 100; ++i) REQUIRE(pair.left->transmit(packet(pair.world, numbered(i))));
  pair.world.run_for(0ns);
  CHECK(pair.at_right.frames.empty());
  pair.world.run_for(1ns);
  CHECK(pair.at_right.frames.size() == 100);
  const auto numbers = pair.numbers_at_right();
  CHECK(std::ranges::is_sorted(numbers));
}

TEST_CASE("a wire carries bytes and no offload state", "[sim]") {
  WirePair pair;
  Packet frame = packet(pair.world, numbered(1));
  frame.meta().checksum = ChecksumState::verified;
  frame.meta().transport = 34;
  REQUIRE(pair.left->transmit(std::move(frame)));
  pair.world.run_for(1ms);
  CHECK(pair.at_right.metas.at(0).checksum == ChecksumState::unverified);
  CHECK(pair.at_right.metas.at(0).gso == GsoKind::none);
}

TEST_CASE("a full queue refuses, counts, and keeps what it has", "[sim]") {
  WirePair pair{{.rate_bits_per_second = kTenMegabits, .queue_bytes = 8000}};
  std::uint32_t sent = 0;
  while (pair.left->writable()) REQUIRE(pair.left->transmit(packet(pair.world, numbered(sent++))));
  CHECK(sent == (8000 - 1542) / 84 + 1);  // as long as a frame of the largest size, 1542 octets, would still have fitted
  for (int i = 0; i < 1000; ++i) {
    const auto refused = pair.left->transmit(packet(pair.world, numbered(9999)));
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error() == Error::would_block);
  }
  CHECK(pair.right->writable());  // each direction has a queue of its own
  CHECK(pair.cable->stats(End::left).queue_full == 1000);
  pair.world.run_for(1s);
  CHECK(pair.left->writable());
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(sent))));
  pair.world.run_for(1s);
  std::vector<std::uint32_t> expected(sent + 1);
  for (std::uint32_t i = 0; i <= sent; ++i) expected[i] = i;
  CHECK(pair.numbers_at_right() == expected);
}

TEST_CASE("a blocked sender goes on when the queue has room, and keeps the line busy", "[sim]") {
  WirePair pair{{.rate_bits_per_second = kTenMegabits, .queue_bytes = 4000}};
  Sender sender{pair, 200};
  pair.world.scheduler().make_ready(sender);
  REQUIRE(pair.world.run_until([&] { return pair.at_right.frames.size() == 200; }, 10s));
  CHECK(sender.refused == 0);
  CHECK(pair.cable->stats(End::left).queue_full == 0);
  CHECK(pair.world.now() == TimePoint{200 * 816us});  // 1020 octets each, without a break
}

TEST_CASE("a queue smaller than a frame still takes one when the line is idle", "[sim]") {
  WirePair pair{{.rate_bits_per_second = kTenMegabits, .queue_bytes = 10}};
  Sender sender{pair, 5};
  pair.world.scheduler().make_ready(sender);
  CHECK(pair.world.run_until([&] { return pair.at_right.frames.size() == 5; }, 1s));
}

TEST_CASE("a frame beyond the MTU is refused", "[sim]") {
  WirePair pair{{.mtu = 1500}};
  CHECK(pair.left->transmit(packet(pair.world, Bytes(1522))));  // header, 802.1Q tag, 1500, FCS
  const auto refused = pair.left->transmit(packet(pair.world, Bytes(1523)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == Error::message_too_large);
}

TEST_CASE("a cut cable loses what is on its way and what comes, until it is plugged in again", "[sim]") {
  WirePair pair{{.delay = 10ms}};
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(1))));
  pair.world.run_for(5ms);
  pair.cable->cut(true);
  CHECK(pair.left->transmit(packet(pair.world, numbered(2))));
  pair.world.run_for(1s);
  CHECK(pair.at_right.frames.empty());
  CHECK(pair.cable->stats(End::left).unplugged == 2);
  pair.cable->cut(false);
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(3))));
  pair.world.run_for(1s);
  CHECK(pair.numbers_at_right() == std::vector<std::uint32_t>{3});
}

TEST_CASE("cable, ends and listeners may go in any order", "[sim]") {
  WirePair pair{{.delay = 10ms}};
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(1))));
  SECTION("the cable first: the ends find themselves unplugged") {
    pair.cable.reset();
    CHECK(pair.left->transmit(packet(pair.world, numbered(2))));
    pair.world.run_for(1s);
    CHECK(pair.at_right.frames.empty());
  }
  SECTION("the receiving end first") {
    pair.right.reset();
    pair.world.run_for(1s);
    CHECK(pair.at_right.frames.empty());
    CHECK(pair.cable->stats(End::left).delivered == 1);
  }
  SECTION("the sending end first: the frame is on its way") {
    pair.left.reset();
    pair.world.run_for(1s);
    CHECK(pair.at_right.frames.size() == 1);
  }
  SECTION("both ends") {
    pair.left.reset();
    pair.right.reset();
    pair.world.run_for(1s);
    CHECK(pair.at_right.frames.empty());
    CHECK(pair.cable->stats(End::left).frames == 1);
  }
  SECTION("all of it, by whom a frame is delivered to") {
    pair.at_right.heard = [&] {
      pair.left.reset();
      pair.right.reset();
      pair.cable.reset();
    };
    pair.world.run_for(1s);
    CHECK(pair.at_right.frames.size() == 1);
  }
}
