#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

#include "option_talk.hpp"
#include "tcp/sack_report.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
using Blocks = std::vector<std::pair<SeqNum, SeqNum>>;

struct SackTalk : OptionTalk {
  explicit SackTalk(bool timestamps = true, tcp::Config config = {}) : OptionTalk{offer(timestamps), {.config = std::move(config)}} {}

  static Offer offer(bool timestamps) {
    Offer offer;
    if (!timestamps) offer.timestamp.reset();
    return offer;
  }
  [[nodiscard]] std::pair<SeqNum, SeqNum> block(std::uint32_t from, std::uint32_t to) const { return {at(from), at(to)}; }
  /// What the stack reports right after bytes [from, to) arrive.
  Blocks after(std::uint32_t from, std::uint32_t to) {
    (void)say_stream(from, to);
    const auto answer = hear_one();
    acked = answer.ack;
    return options_of(answer).sack;
  }
  SeqNum acked;
};
}  // namespace

TEST_CASE("a block holds what arrived beyond a gap, its right edge the next number", "[tcp][RFC2018-3-1]") {
  SackTalk talk{false};
  CHECK(talk.after(1000, 1500) == Blocks{talk.block(1000, 1500)});
  CHECK(talk.acked == talk.at(0));
  // The bytes themselves: two No-Operations, kind 5, length 10.
  (void)talk.say_stream(1000, 1500);
  const auto answer = talk.hear_one();
  REQUIRE(answer.options.size() == 20);  // with the D-SACK in front
  CHECK(Bytes(answer.options.begin(), answer.options.begin() + 4) == hex("01 01 05 12"));
}

TEST_CASE("without permission there is no SACK", "[tcp][RFC2018-3-2]") {
  const bool ours = GENERATE(false, true);
  OptionTalk talk{{.sack = !ours}, {.config = {.sack = ours}}};
  REQUIRE(talk.say_stream(1000, 1500));
  const auto answer = talk.hear_one();
  CHECK(answer.pure_ack());
  CHECK(answer.ack == talk.at(0));
  CHECK(options_of(answer).sack.empty());
}

TEST_CASE("blocks take no more room than the path has", "[tcp][RFC2018-3-1]") {
  // 20 bytes of IPv4 and 20 of TCP header, 12 of timestamps: 28 are left of 80, for three blocks, and 16 of 68, for one.
  const auto [mtu, blocks] = GENERATE(table<std::size_t, std::size_t>({{1500, 3}, {80, 3}, {72, 2}, {68, 1}}));
  SackTalk talk;
  network::ErrorReport narrow;
  narrow.kind = network::ErrorKind::fragmentation_needed;
  narrow.source = talk.peer.us.address;
  narrow.destination = talk.peer.them.address;
  narrow.next_hop_mtu = static_cast<std::uint16_t>(mtu);
  talk.write("x");
  talk.advance(0s);
  const Bytes quoted = talk.network.sent.back().packet;
  narrow.transport = std::span{quoted}.first(8);
  talk.network.report(network::Protocol::tcp, narrow);
  (void)talk.peer.hear();
  for (std::uint32_t gap = 1; gap <= 4; ++gap) {
    const auto reported = talk.after(1000 * gap, 1000 * gap + 1);
    CHECK(reported.size() == std::min<std::size_t>(gap, blocks));
    CHECK(reported.front() == talk.block(1000 * gap, 1000 * gap + 1));
  }
}

TEST_CASE("every ACK reports what waits beyond a gap, with data or without", "[tcp][RFC2018-4-1]") {
  SackTalk talk;
  REQUIRE(talk.after(1000, 1500) == Blocks{talk.block(1000, 1500)});
  talk.write("our data");
  CHECK(options_of(talk.hear_one()).sack == Blocks{talk.block(1000, 1500)});
  CHECK(talk.after(0, 500) == Blocks{talk.block(1000, 1500)});
  CHECK(talk.acked == talk.at(500));
  // The gap is closed: nothing is left to report.
  CHECK(talk.after(500, 1000).empty());
  CHECK(talk.acked == talk.at(1500));
}

TEST_CASE("the first block holds the segment that arrived last, then come those reported last",
          "[tcp][RFC2018-4-2][RFC2018-4-3][RFC2018-4-4]") {
  const bool timestamps = GENERATE(false, true);
  SackTalk talk{timestamps};
  (void)talk.after(1000, 1100);
  (void)talk.after(3000, 3100);
  (void)talk.after(2000, 2100);
  CHECK(talk.after(5000, 5100) ==
        (timestamps ? Blocks{talk.block(5000, 5100), talk.block(2000, 2100), talk.block(3000, 3100)}
                    : Blocks{talk.block(5000, 5100), talk.block(2000, 2100), talk.block(3000, 3100), talk.block(1000, 1100)}));
  // The middle one grows: it comes first.
  const auto blocks = talk.after(3100, 3200);
  REQUIRE(blocks.size() == (timestamps ? 3U : 4U));
  CHECK(blocks[0] == talk.block(3000, 3200));
  CHECK(blocks[1] == talk.block(5000, 5100));
  // As many as fit, of five.
  CHECK(talk.after(7000, 7100).size() == (timestamps ? 3U : 4U));
}

TEST_CASE("under memory pressure data beyond a gap is given up, and the newest reported nevertheless", "[tcp][RFC2018-8-1][RFC2018-8-2]") {
  SackTalk talk{true, {.memory_limit = 4000}};
  CHECK(talk.after(1000, 1500) == Blocks{talk.block(1000, 1500)});
  CHECK(talk.after(2000, 4500) == Blocks{talk.block(2000, 4500), talk.block(1000, 1500)});
  CHECK(talk.info().out_of_order == 3000);
  CHECK(talk.after(6000, 6100) == Blocks{talk.block(6000, 6100)});
  CHECK(talk.info().out_of_order == 0);
  CHECK(talk.drops(Drop::memory_limit) == 1);
  // Said once; what is not held is not claimed again. There is room again.
  CHECK(talk.after(7000, 7100) == Blocks{talk.block(7000, 7100)});
  // In order everything is still taken.
  REQUIRE(talk.say_stream(0, 1000));
  CHECK(talk.read() == stream(1000));
}

TEST_CASE("a duplicate is reported once, in the first block of the next ACK", "[tcp][RFC2883-4-1][RFC2883-4-2]") {
  SackTalk talk{true, {.quick_acks = 0}};
  REQUIRE(talk.say_stream(0, 1500));
  talk.advance(500ms);
  CHECK(talk.hear_one().ack == talk.at(1500));
  CHECK(talk.after(1000, 1500) == Blocks{talk.block(1000, 1500)});
  CHECK(talk.acked == talk.at(1500));
  REQUIRE(talk.say_stream(1500, 1600));
  talk.advance(500ms);
  const auto answer = talk.hear_one();
  CHECK(answer.ack == talk.at(1600));
  CHECK(options_of(answer).sack.empty());
}

TEST_CASE("a duplicate is reported beside what waits beyond a gap", "[tcp][RFC2883-4-1]") {
  // RFC 2883 section 4.1.2: both a gap and a duplicate below it.
  SackTalk talk;
  REQUIRE(talk.say_stream(0, 1000));
  (void)talk.hear();
  (void)talk.after(2000, 2500);
  CHECK(talk.after(500, 1000) == Blocks{talk.block(500, 1000), talk.block(2000, 2500)});
  CHECK(talk.after(2500, 3000) == Blocks{talk.block(2000, 3000)});
}

TEST_CASE("of a segment that is new in part the rest is reported", "[tcp][RFC2883-4-3]") {
  SackTalk talk;
  REQUIRE(talk.say_stream(0, 1000));
  (void)talk.hear();
  SECTION("below") {
    (void)talk.say_stream(500, 1500);
    talk.advance(500ms);
    const auto answer = talk.hear_one();
    CHECK(answer.ack == talk.at(1500));
    CHECK(options_of(answer).sack == Blocks{talk.block(500, 1000)});
  }
  SECTION("beyond a gap: the duplicate octets, then the island that holds them") {
    (void)talk.after(2000, 2500);
    CHECK(talk.after(2250, 2750) == Blocks{talk.block(2250, 2500), talk.block(2000, 2750)});
  }
  SECTION("in order, into an island") {
    (void)talk.after(1500, 2000);
    CHECK(talk.after(1000, 1750) == Blocks{talk.block(1500, 1750)});
    CHECK(talk.acked == talk.at(2000));
  }
}

TEST_CASE("a duplicate inside an island is followed by that island", "[tcp][RFC2883-4-4]") {
  SackTalk talk;
  (void)talk.after(1000, 2000);
  (void)talk.after(4000, 4500);
  CHECK(talk.after(1200, 1400) == Blocks{talk.block(1200, 1400), talk.block(1000, 2000), talk.block(4000, 4500)});
}

TEST_CASE("a segment over two islands is one duplicate only", "[tcp][RFC2883-4-5]") {
  SackTalk talk;
  (void)talk.after(1000, 1500);
  (void)talk.after(2000, 2500);
  const auto blocks = talk.after(1200, 2300);
  CHECK(blocks == Blocks{talk.block(1200, 1500), talk.block(1000, 2500)});
}

TEST_CASE("no duplicate is reported where that is switched off", "[tcp]") {
  SackTalk talk{true, {.dsack = false}};
  (void)talk.after(1000, 2000);
  CHECK(talk.after(1200, 1400) == Blocks{talk.block(1000, 2000)});
  REQUIRE(talk.say_stream(0, 1000));
  (void)talk.hear();
  CHECK(talk.after(0, 500).empty());
}

TEST_CASE("a report says one thing, once", "[tcp][RFC2883-4-2][RFC2883-4-5]") {
  constexpr auto block = [](std::uint32_t begin, std::uint32_t end) { return tcp::SackBlock{SeqNum{begin}, SeqNum{end}}; };
  tcp::SackBlocks islands;
  (void)islands.push_back(block(500, 600));
  (void)islands.push_back(block(700, 800));
  tcp::SackReport report;
  CHECK(report.blocks(islands, 4) == islands);
  report.on_duplicate(SeqNum{100}, SeqNum{100});  // no octet
  CHECK_FALSE(report.pending());
  report.on_duplicate(SeqNum{100}, SeqNum{200});
  REQUIRE(report.blocks(islands, 4).size() == 3);
  CHECK(report.blocks(islands, 4)[0] == block(100, 200));
  CHECK(report.blocks(islands, 2).size() == 2);
  CHECK(report.blocks(islands, 0).empty());
  report.on_duplicate(SeqNum{200}, SeqNum{300});  // touches
  CHECK(report.blocks({}, 4)[0] == block(100, 300));
  report.on_duplicate(SeqNum{50}, SeqNum{60});  // does not
  CHECK(report.blocks({}, 4)[0] == block(50, 60));
  report.on_discarded(SeqNum{900}, SeqNum{950});
  CHECK(report.blocks(islands, 4)[0] == block(900, 950));
  report.on_sent();
  CHECK(report.blocks(islands, 4) == islands);
}
