#include <catch2/catch.hpp>

#include "tcp/sack_scoreboard.hpp"

using namespace tapir;
using tcp::read_sack;
using tcp::SackBlock;
using tcp::SackBlocks;
using tcp::SeqNum;

namespace {
const SeqNum kBase{0xffff'f000U};  // the numbers wrap within the window
SeqNum at(std::uint32_t offset) { return kBase + offset; }

SackBlocks blocks(std::initializer_list<std::pair<std::int32_t, std::int32_t>> list) {
  SackBlocks all;
  for (const auto& [begin, end] : list) {
    REQUIRE(all.push_back({kBase + static_cast<std::uint32_t>(begin), kBase + static_cast<std::uint32_t>(end)}));
  }
  return all;
}
/// SND.UNA 5000, SND.NXT 20000, numbers from kBase.
tcp::SackLimits limits(std::uint32_t ack = 5000) {
  return {.ack = at(ack), .snd_una = at(5000), .snd_nxt = at(20'000), .max_window = 65535};
}
}  // namespace

TEST_CASE("blocks within SND.UNA..SND.NXT count, in order of their numbers", "[tcp][RFC2018-5-1]") {
  const auto news = read_sack(blocks({{9000, 10'000}, {6000, 7000}, {19'000, 20'000}}), limits());
  CHECK_FALSE(news.duplicate);
  REQUIRE(news.blocks.size() == 3);
  CHECK(news.blocks[0] == SackBlock{at(6000), at(7000)});
  CHECK(news.blocks[1] == SackBlock{at(9000), at(10'000)});
  CHECK(news.blocks[2] == SackBlock{at(19'000), at(20'000)});
}

TEST_CASE("blocks outside, reversed or empty are ignored", "[tcp][POLICY-SACK-1]") {
  const auto nonsense = GENERATE(std::pair{19'000, 20'001}, std::pair{20'000, 21'000}, std::pair{30'000, 31'000}, std::pair{7000, 6000},
                                 std::pair{6000, 6000}, std::pair{4999, 6000}, std::pair{6000, 0x7fff'0000}, std::pair{-0x7000'0000, 6000});
  const auto news = read_sack(blocks({nonsense, {8000, 9000}}), limits());
  CAPTURE(nonsense.first, nonsense.second);
  CHECK_FALSE(news.duplicate);
  REQUIRE(news.blocks.size() == 1);  // and the good one beside it counts
  CHECK(news.blocks[0] == SackBlock{at(8000), at(9000)});
}

TEST_CASE("a first block below the acknowledgment of its own segment reports a duplicate", "[tcp][RFC2883-5-1]") {
  const auto news = read_sack(blocks({{1000, 1500}, {8000, 9000}}), limits());
  REQUIRE(news.duplicate);
  CHECK(*news.duplicate == SackBlock{at(1000), at(1500)});
  REQUIRE(news.blocks.size() == 1);
  CHECK(news.blocks[0] == SackBlock{at(8000), at(9000)});
  CHECK_FALSE(read_sack(blocks({{6000, 6500}}), limits()).duplicate);
  // Not the first block: no report, and no news either.
  const auto second = read_sack(blocks({{8000, 9000}, {1000, 1500}}), limits());
  CHECK_FALSE(second.duplicate);
  CHECK(second.blocks.size() == 1);
}

TEST_CASE("an old segment's block above its own acknowledgment is no duplicate", "[tcp][RFC2883-5-2]") {
  // ACK 2000 with a block 3000-3500 overtaken by ACK 5000.
  CHECK_FALSE(read_sack(blocks({{3000, 3500}}), limits(2000)).duplicate);
  CHECK(read_sack(blocks({{3000, 3500}}), limits(2000)).blocks.empty());
  CHECK(read_sack(blocks({{3000, 3500}}), limits(5000)).duplicate);
}

TEST_CASE("a first block within the second reports a duplicate above the acknowledgment", "[tcp][RFC2883-5-3]") {
  const auto news = read_sack(blocks({{8000, 8500}, {7000, 9000}}), limits());
  REQUIRE(news.duplicate);
  CHECK(*news.duplicate == SackBlock{at(8000), at(8500)});
  REQUIRE(news.blocks.size() == 1);
  CHECK(news.blocks[0] == SackBlock{at(7000), at(9000)});
  CHECK_FALSE(read_sack(blocks({{8000, 9500}, {7000, 9000}}), limits()).duplicate);
}

TEST_CASE("a duplicate older than any window is not believed", "[tcp][RFC2883-5-1]") {
  auto narrow = limits();
  narrow.max_window = 1000;
  CHECK_FALSE(read_sack(blocks({{3999, 4500}}), narrow).duplicate);
  CHECK(read_sack(blocks({{4000, 4500}}), narrow).duplicate);
  CHECK_FALSE(read_sack(blocks({{4500, 4400}}), narrow).duplicate);
}
