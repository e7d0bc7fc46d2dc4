#include <catch2/catch.hpp>

#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include <support/lab.hpp>

#include "tcp/reassembly.hpp"

using namespace tapir;
using tcp::Reassembly;
using tcp::SackBlock;
using tcp::SeqNum;
using test::Bytes;

namespace {
const SeqNum kBase{0xffff'ff00U};  // the wrap lies inside

struct Fixture {
  PacketPool pool;
  Reassembly reassembly{pool};

  Reassembly::Inserted insert(std::uint32_t at, std::string_view text, std::uint32_t rcv_nxt = 0) {
    Packet packet{pool, text.size()};
    packet.append_copy(std::as_bytes(std::span{text}));
    return reassembly.insert(kBase + rcv_nxt, kBase + at, std::move(packet));
  }
  std::string take(std::uint32_t at) {
    std::string text;
    SeqNum next = kBase + at;
    while (const auto slice = reassembly.take(next)) {
      text.append(reinterpret_cast<const char*>(slice->bytes().data()), slice->size());
      next += static_cast<std::uint32_t>(slice->size());
    }
    return text;
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> blocks(std::size_t max = 4) const {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> all;
    for (const auto& block : reassembly.sack_blocks(max)) all.emplace_back(distance(kBase, block.begin), distance(kBase, block.end));
    return all;
  }
};
using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
}  // namespace

TEST_CASE_METHOD(Fixture, "octets beyond a gap wait until it is closed", "[tcp]") {
  CHECK(insert(250, "cdef").bytes == 4);
  CHECK(reassembly.size() == 4);
  CHECK(take(0).empty());
  CHECK(take(249).empty());
  CHECK(take(250) == "cdef");
  CHECK(reassembly.empty());
  CHECK(reassembly.size() == 0);
}

TEST_CASE_METHOD(Fixture, "what came first stays where segments overlap", "[tcp]") {
  CHECK(insert(100, "BBBB").bytes == 4);
  const auto over = insert(98, "aaaaaaaa");
  CHECK(over.bytes == 4);
  CHECK(over.duplicate == SackBlock{kBase + 100, kBase + 104});
  CHECK(reassembly.range_count() == 1);
  CHECK(take(98) == "aaBBBBaa");
}

TEST_CASE_METHOD(Fixture, "a segment over several ranges fills every gap", "[tcp]") {
  (void)insert(10, "11");
  (void)insert(14, "22");
  (void)insert(18, "33");
  CHECK(reassembly.range_count() == 3);
  const auto bridge = insert(8, "................");
  CHECK(bridge.bytes == 10);
  CHECK(bridge.duplicate == SackBlock{kBase + 10, kBase + 12});
  CHECK(reassembly.range_count() == 1);
  CHECK(take(8) == "..11..22..33....");
}

TEST_CASE_METHOD(Fixture, "touching ranges become one", "[tcp]") {
  (void)insert(10, "bb");
  (void)insert(12, "cc");
  (void)insert(8, "aa");
  CHECK(reassembly.range_count() == 1);
  CHECK(blocks() == Pairs{{8, 14}});
  CHECK(take(8) == "aabbcc");
}

TEST_CASE_METHOD(Fixture, "an exact duplicate adds nothing and is reported", "[tcp]") {
  (void)insert(10, "abc");
  const auto again = insert(10, "xyz");
  CHECK(again.bytes == 0);
  CHECK(again.duplicate == SackBlock{kBase + 10, kBase + 13});
  CHECK_FALSE(again.dropped);
  const auto inside = insert(11, "q");
  CHECK(inside.duplicate == SackBlock{kBase + 11, kBase + 12});
  CHECK(take(10) == "abc");
  CHECK_FALSE(insert(50, "new").duplicate);
}

TEST_CASE_METHOD(Fixture, "octets that were delivered meanwhile are forgotten", "[tcp]") {
  (void)insert(10, "abcdef");
  (void)insert(30, "xyz");
  CHECK(take(13) == "def");
  CHECK(reassembly.size() == 3);
  CHECK(take(33).empty());
  CHECK(reassembly.empty());
  CHECK(insert(38, "abcd", 40).bytes == 2);  // begins before RCV.NXT
  CHECK(take(40) == "cd");
}

TEST_CASE_METHOD(Fixture, "blocks are reported latest first", "[tcp]") {
  (void)insert(10, "a");
  (void)insert(20, "b");
  (void)insert(30, "c");
  CHECK(blocks() == Pairs{{30, 31}, {20, 21}, {10, 11}});
  (void)insert(11, "A");
  CHECK(blocks() == Pairs{{10, 12}, {30, 31}, {20, 21}});
  CHECK(blocks(2) == Pairs{{10, 12}, {30, 31}});
  CHECK(blocks(0).empty());
  (void)insert(40, "d");
  (void)insert(50, "e");
  CHECK(blocks() == Pairs{{50, 51}, {40, 41}, {10, 12}, {30, 31}});
  (void)insert(20, "b");  // a duplicate is the latest, too
  CHECK(blocks(1) == Pairs{{20, 21}});
}

TEST_CASE("bytes and ranges are bounded", "[tcp]") {
  PacketPool pool;
  const auto packet = [&](std::size_t size) {
    Packet made{pool};
    made.append(pool.copy(Bytes(size, std::byte{'x'})));
    return made;
  };
  SECTION("bytes") {
    Reassembly bounded{pool, {.max_bytes = 100}};
    CHECK(bounded.insert(kBase, kBase + 10, packet(60)).bytes == 60);
    const auto cut = bounded.insert(kBase, kBase + 100, packet(60));
    CHECK(cut.bytes == 40);
    CHECK(cut.dropped);
    CHECK(bounded.size() == 100);
    CHECK(bounded.insert(kBase, kBase + 200, packet(1)).dropped);
    (void)bounded.take(kBase + 10);
    CHECK(bounded.insert(kBase, kBase + 200, packet(1)).bytes == 1);
  }
  SECTION("ranges") {
    Reassembly bounded{pool, {.max_ranges = 3}};
    for (std::uint32_t i = 0; i < 3; ++i) CHECK(bounded.insert(kBase, kBase + 10 + 10 * i, packet(2)).bytes == 2);
    const auto refused = bounded.insert(kBase, kBase + 100, packet(2));
    CHECK(refused.bytes == 0);
    CHECK(refused.dropped);
    CHECK(bounded.range_count() == 3);
    CHECK(bounded.insert(kBase, kBase + 12, packet(2)).bytes == 2);  // extends one
    CHECK(bounded.insert(kBase, kBase + 18, packet(2)).bytes == 2);  // joins the front of one
    CHECK(bounded.range_count() == 3);
    CHECK(bounded.insert(kBase, kBase + 14, packet(4)).bytes == 4);  // makes two one
    CHECK(bounded.range_count() == 2);
    CHECK(bounded.insert(kBase, kBase + 100, packet(2)).bytes == 2);
  }
  SECTION("memory, against one octet at a time from the back") {
    Reassembly bounded{pool, {.max_slices = 200}};
    for (std::uint32_t i = 5000; i > 1; --i) {
      SlabRef slab = pool.slab(PacketPool::frame_capacity);
      (void)bounded.insert(kBase, kBase + i, Packet{pool, std::move(slab), 100, 1});
    }
    CHECK(bounded.size() <= 200);
    CHECK(pool.in_use() <= 200);
  }
  SECTION("memory, against one octet at a time from the front") {
    Reassembly bounded{pool};
    for (std::uint32_t i = 0; i < 20000; ++i) {
      SlabRef slab = pool.slab(PacketPool::frame_capacity);
      (void)bounded.insert(kBase, kBase + 10 + i, Packet{pool, std::move(slab), 100, 1});
    }
    CHECK(bounded.size() == 20000);
    CHECK(pool.in_use() <= 20000 / PacketPool::frame_capacity + 2);
  }
}

TEST_CASE("random segments in any order give the stream of a byte map, across the wrap", "[tcp][RFC9293-3.4-1]") {
  sim::SeededRandom random{17};
  PacketPool pool;
  for (int run = 0; run < 60; ++run) {
    Reassembly reassembly{pool, {.max_bytes = 1U << 20U, .max_ranges = 1000}};
    const SeqNum base{0xffff'fc00U + static_cast<std::uint32_t>(random.below(1024))};
    std::map<std::uint32_t, std::byte> model;  // by distance from base
    std::uint32_t next = 0;
    Bytes stream;
    Bytes expected;
    for (int i = 0; i < 150; ++i) {
      const auto at = next + 1 + static_cast<std::uint32_t>(random.below(1500));
      const auto size = static_cast<std::uint32_t>(1 + random.below(200));
      Packet packet{pool};
      std::size_t fresh = 0;
      for (std::uint32_t k = 0; k < size;) {  // in slices of any size
        const auto part = static_cast<std::uint32_t>(1 + random.below(size - k));
        Bytes bytes(part);
        for (auto& byte : bytes) byte = static_cast<std::byte>(random.next());
        for (std::uint32_t n = 0; n < part; ++n) fresh += model.emplace(at + k + n, bytes[n]).second ? 1 : 0;
        packet.append(pool.copy(bytes));
        k += part;
      }
      const auto inserted = reassembly.insert(base + next, base + at, std::move(packet));
      REQUIRE(inserted.bytes == fresh);
      REQUIRE(inserted.duplicate.has_value() == (fresh != size));
      REQUIRE_FALSE(inserted.dropped);
      if (random.below(10) == 0) {  // the missing octets arrive: time to deliver
        const auto first = model.begin()->first;
        next = first;
        while (const auto slice = reassembly.take(base + next)) {
          stream.insert(stream.end(), slice->bytes().begin(), slice->bytes().end());
          next += static_cast<std::uint32_t>(slice->size());
        }
        for (auto at_model = first; !model.empty() && model.begin()->first == at_model; ++at_model) {
          expected.push_back(model.begin()->second);
          model.erase(model.begin());
        }
        REQUIRE(stream == expected);
      }
      REQUIRE(reassembly.size() == model.size());
      std::size_t ranges = 0;
      std::optional<std::uint32_t> last;
      for (const auto& [position, byte] : model) {
        if (!last || *last + 1 != position) ++ranges;
        last = position;
      }
      REQUIRE(reassembly.range_count() == ranges);
      const auto blocks = reassembly.sack_blocks();
      REQUIRE(blocks.size() == std::min<std::size_t>(4, ranges));
      if (next <= at) {  // not delivered: what came last is reported first
        REQUIRE(blocks[0].begin <= base + at);
        REQUIRE(base + at < blocks[0].end);
      }
    }
  }
  CHECK(pool.in_use() == 0);
}

TEST_CASE_METHOD(Fixture, "hundreds of ranges wait side by side, and each is found again", "[tcp]") {
  constexpr std::uint32_t kRanges = 500;
  for (std::uint32_t i = 0; i < kRanges;
       ++i) {  // first the even ones from the middle on, then the others, so that they are not inserted in order
    const std::uint32_t range = (i * 2 + kRanges / 2) % kRanges + (i >= kRanges / 2 ? 1 : 0);
    CHECK(insert(range * 20 + 10, "0123456789").bytes == 10);
  }
  CHECK(reassembly.range_count() == kRanges);
  CHECK(reassembly.size() == kRanges * 10);
  CHECK(blocks(4).size() == 4);
  // The gaps close one after the other, each with the range behind it.
  for (std::uint32_t range = 0; range < kRanges; ++range) {
    CHECK(take(range * 20 + 10) == "0123456789");
    CHECK(reassembly.range_count() == kRanges - range - 1);
  }
  CHECK(reassembly.empty());
}

TEST_CASE("beyond the most ranges what stands alone is left out, what extends one is not", "[tcp]") {
  PacketPool pool;
  Reassembly reassembly{pool, {.max_ranges = 100}};
  const auto insert = [&](std::uint32_t at) {
    Packet packet{pool, 10};
    packet.append_copy(std::as_bytes(std::span{"0123456789", 10}));
    return reassembly.insert(kBase, kBase + at, std::move(packet));
  };
  for (std::uint32_t i = 0; i < 100; ++i) CHECK(insert(i * 100 + 10).bytes == 10);
  CHECK(insert(100 * 100 + 10).bytes == 0);
  CHECK(insert(100 * 100 + 10).dropped);
  CHECK(insert(20).bytes == 10);  // behind the first
  CHECK(reassembly.range_count() == 100);
  CHECK(reassembly.size() == 101 * 10);
}
