#include <catch2/catch.hpp>

#include <algorithm>

#include <tapir/ethernet/fcs.hpp>
#include <tapir/link/capture.hpp>

#include "wire_pair.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using sim::End;

namespace {

/// `count` frames from left to right, one each 100 us.
void send_many(WirePair& pair, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    pair.world.after(i * 100us, [&pair, i] { (void)pair.left->transmit(packet(pair.world, numbered(i))); });
  }
  pair.world.run_for(60s);
}

}  // namespace

TEST_CASE("an observer sees every frame on the line, with its sender", "[sim]") {
  WirePair pair{{.faults = {.loss = 1}}};
  std::vector<std::pair<End, Bytes>> seen;
  pair.cable->observe([&](End from, std::span<const std::byte> frame) { seen.emplace_back(from, bytes_of(frame)); });
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(1))));
  REQUIRE(pair.right->transmit(packet(pair.world, numbered(2))));
  CHECK(seen == std::vector<std::pair<End, Bytes>>{{End::left, numbered(1)}, {End::right, numbered(2)}});
  pair.world.run_for(1s);
  CHECK(pair.at_right.frames.empty());
  CHECK(pair.cable->stats(End::left).lost == 1);
}

TEST_CASE("a filter drops exactly the frames it names", "[sim]") {
  WirePair pair;
  pair.cable->filter([](End from, std::span<const std::byte> frame) {
    return from == End::left && number_of(bytes_of(frame)) == 3 ? sim::Verdict::drop : sim::Verdict::pass;
  });
  send_many(pair, 6);
  REQUIRE(pair.right->transmit(packet(pair.world, numbered(3))));
  pair.world.run_for(1s);
  CHECK(pair.numbers_at_right() == std::vector<std::uint32_t>{0, 1, 2, 4, 5});
  CHECK(pair.cable->stats(End::left).filtered == 1);
  CHECK(pair.at_left.frames.size() == 1);
  pair.cable->filter(nullptr);
  REQUIRE(pair.left->transmit(packet(pair.world, numbered(3))));
  pair.world.run_for(1s);
  CHECK(pair.numbers_at_right().back() == 3);
}

TEST_CASE("loss and duplication account for every frame", "[sim]") {
  WirePair pair{{.faults = {.loss = 0.1, .duplication = 0.05}}};
  send_many(pair, 2000);
  const auto& stats = pair.cable->stats(End::left);
  CHECK(stats.frames == 2000);
  CHECK(stats.lost > 100);
  CHECK(stats.duplicated > 50);
  CHECK(stats.delivered == 2000 - stats.lost + stats.duplicated);
  CHECK(pair.at_right.frames.size() == stats.delivered);
  CHECK(pair.cable->stats(End::right).frames == 0);
}

TEST_CASE("jitter delays without reordering; reordering reorders without loss", "[sim]") {
  SECTION("jitter") {
    WirePair pair{{.faults = {.delay = 1ms, .jitter = 5ms}}};
    send_many(pair, 500);
    const auto numbers = pair.numbers_at_right();
    CHECK(numbers.size() == 500);
    CHECK(std::ranges::is_sorted(numbers));
    CHECK(pair.at_right.times.front() >= TimePoint{1ms});
  }
  SECTION("reordering") {
    WirePair pair{{.faults = {.reordering = 0.05, .reordering_delay = 1ms}}};
    send_many(pair, 500);
    auto numbers = pair.numbers_at_right();
    CHECK(numbers.size() == 500);
    CHECK_FALSE(std::ranges::is_sorted(numbers));
    std::ranges::sort(numbers);
    CHECK(std::ranges::adjacent_find(numbers) == numbers.end());
  }
}

TEST_CASE("corruption flips one bit, which the FCS shows", "[sim]") {
  WirePair pair;
  Packet good = packet(pair.world, numbered(1, 100));
  ethernet::append_fcs(good);
  const Bytes sent = good.bytes();
  REQUIRE(pair.left->transmit(good.share()));
  pair.cable->set_faults(End::left, {.corruption = 1});
  for (int i = 0; i < 200; ++i) REQUIRE(pair.left->transmit(good.share()));
  pair.world.run_for(1s);
  REQUIRE(pair.at_right.frames.size() == 201);
  CHECK(pair.at_right.frames[0] == sent);
  CHECK(ethernet::fcs_ok(packet(pair.world, pair.at_right.frames[0])));
  for (std::size_t i = 1; i < 201; ++i) {
    REQUIRE(pair.at_right.frames[i].size() == sent.size());
    REQUIRE_FALSE(ethernet::fcs_ok(packet(pair.world, pair.at_right.frames[i])));
  }
  CHECK(good.bytes() == sent);  // the sender's bytes are not the wire's
}

TEST_CASE("faults can be changed while the cable is in use", "[sim]") {
  WirePair pair{{.faults = {.loss = 1}}};
  send_many(pair, 10);
  CHECK(pair.at_right.frames.empty());
  pair.cable->set_faults({});
  send_many(pair, 10);
  CHECK(pair.at_right.frames.size() == 10);
}

TEST_CASE("one seed gives a byte-identical capture, another seed another", "[sim]") {
  const auto capture = [](std::uint64_t seed) {
    Bytes file;
    WirePair pair{{.delay = 1ms, .faults = {.loss = 0.05, .duplication = 0.05, .corruption = 0.05, .reordering = 0.05, .jitter = 300us}},
                  seed};
    link::Capture recorder{std::move(pair.right), pair.world.scheduler(), std::make_unique<link::MemorySink>(file)};
    recorder.attach(&pair.at_right);
    send_many(pair, 300);
    return file;
  };
  const Bytes first = capture(1);
  CHECK(first.size() > 300 * 64);
  CHECK(capture(1) == first);
  CHECK(capture(2) != first);
}
