#include <catch2/catch.hpp>

#include <array>
#include <numeric>
#include <optional>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/checksum.hpp>
#include <tapir/core/packet.hpp>

using namespace tapir;

namespace {
std::vector<std::byte> count_up(std::size_t size, unsigned from = 0) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((from + i) & 0xffU);
  return bytes;
}
std::vector<std::byte> joined(std::vector<std::byte> a, const std::vector<std::byte>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
}  // namespace

TEST_CASE("headers are prepended without copying the payload", "[core]") {
  PacketPool pool;
  const Slice payload = pool.copy(count_up(3000));
  Packet packet{pool};
  packet.append(payload);
  packet.prepend(be32{0x01020304U});
  packet.prepend(be16{0x0506U});
  CHECK(packet.size() == 3006);
  CHECK(packet.peek<be16>() == be16{0x0506U});
  CHECK(packet.peek<be32>(2) == be32{0x01020304U});
  const std::byte* last = nullptr;
  packet.for_each_chunk([&](std::span<const std::byte> chunk) { last = chunk.data(); });
  CHECK(last == payload.bytes().data());
}

TEST_CASE("a header is read across the border of two slices and never past the end", "[core]") {
  PacketPool pool;
  Packet packet{pool};
  packet.append(pool.copy(count_up(3)));
  packet.append(pool.copy(count_up(3, 3)));
  CHECK(packet.peek<be32>(1) == be32{0x01020304U});
  CHECK(packet.peek<be32>(2) == be32{0x02030405U});
  CHECK_FALSE(packet.peek<be32>(3));
  CHECK_FALSE(packet.peek<be32>(6));
  CHECK_FALSE(packet.peek<be32>(static_cast<std::size_t>(-1)));
}

TEST_CASE("trimming works across slices at every cut", "[core]") {
  PacketPool pool;
  const auto all = count_up(40);
  for (std::size_t front = 0; front <= 41; ++front) {
    for (std::size_t keep = 0; keep <= 41; ++keep) {
      Packet packet{pool, 10};
      packet.append_copy(std::span{all}.first(10));
      for (std::size_t at = 10; at < 40; at += 5) packet.append(pool.copy(std::span{all}.subspan(at, 5)));
      packet.trim_front(front);
      packet.truncate(keep);
      const std::size_t start = std::min<std::size_t>(front, 40);
      const std::size_t size = std::min(keep, 40 - start);
      const std::vector<std::byte> expected(all.begin() + static_cast<std::ptrdiff_t>(start),
                                            all.begin() + static_cast<std::ptrdiff_t>(start + size));
      if (packet.bytes() != expected || packet.size() != size) FAIL("front " << front << " keep " << keep);
    }
  }
  CHECK(pool.in_use() == 0);
}

TEST_CASE("what was trimmed off the front can be restored until something else is written there", "[core]") {
  PacketPool pool;
  Packet packet{pool, 8};
  packet.append_copy(count_up(8));
  packet.trim_front(6);
  REQUIRE(packet.restore_front(4));
  CHECK(packet.bytes() == std::vector<std::byte>(count_up(6, 2)));
  CHECK_FALSE(packet.restore_front(3));
  packet.trim_front(2);
  packet.prepend(be8{std::uint8_t{9}});
  CHECK_FALSE(packet.restore_front(1));
}

TEST_CASE("a shared packet and its origin do not see each other's headers", "[core]") {
  PacketPool pool;
  Packet packet{pool, 4};
  packet.append_copy(count_up(4));
  Packet copy = packet.share();
  packet.prepend(be16{0xaaaaU});
  copy.prepend(be16{0xbbbbU});
  CHECK(packet.peek<be16>() == be16{0xaaaaU});
  CHECK(copy.peek<be16>() == be16{0xbbbbU});
  CHECK(copy.overwrite(2, be16{0xffffU}));
  CHECK(packet.peek<be16>(2) == be16{0x0001U});
  CHECK(copy.bytes() == joined({std::byte{0xbb}, std::byte{0xbb}, std::byte{0xff}, std::byte{0xff}}, count_up(2, 2)));
}

TEST_CASE("overwriting reaches into slices and refuses to go past the end", "[core]") {
  PacketPool pool;
  const Slice shared = pool.copy(count_up(8));
  Packet packet{pool};
  packet.append(shared);
  CHECK(packet.overwrite(3, be16{0xeeffU}));
  CHECK(packet.peek<be16>(3) == be16{0xeeffU});
  CHECK(packet.size() == 8);
  CHECK(shared.bytes()[3] == std::byte{3});
  CHECK_FALSE(packet.overwrite(7, be16{0U}));
  CHECK_FALSE(packet.overwrite(static_cast<std::size_t>(-1), be16{0U}));
}

TEST_CASE("layer marks keep pointing at their header", "[core]") {
  PacketPool pool;
  Packet packet{pool};
  packet.prepend(be32{1U});
  packet.mark_transport();
  packet.prepend(be64{std::uint64_t{2}});
  packet.mark_network();
  packet.prepend(be16{std::uint16_t{3}});
  CHECK(packet.meta().network == 2);
  CHECK(packet.meta().transport == 10);
  packet.trim_front(10);
  CHECK(packet.meta().transport == 0);
  CHECK(packet.meta().network == -8);
}

TEST_CASE("more headers than headroom still fit", "[core]") {
  PacketPool pool;
  Packet packet{pool, 4};
  packet.append_copy(count_up(4));
  const auto long_header = count_up(200, 7);
  packet.prepend_bytes(long_header);
  CHECK(packet.bytes() == joined(long_header, count_up(4)));
}

TEST_CASE("many small slices are kept in order", "[core]") {
  PacketPool pool;
  Packet packet{pool};
  std::vector<std::byte> expected;
  for (unsigned i = 0; i < 50; ++i) {
    packet.append(pool.copy(count_up(3, i)));
    expected = joined(std::move(expected), count_up(3, i));
  }
  CHECK(packet.bytes() == expected);
  packet.append_zeros(100);
  CHECK(packet.bytes() == joined(expected, std::vector<std::byte>(100)));
  InternetChecksum in_pieces;
  add_packet(in_pieces, packet, 1);
  InternetChecksum whole;
  whole.add(std::span{expected}.subspan(1));
  CHECK(in_pieces.value() == whole.value());
}

TEST_CASE("a packet that is moved takes all its slices along and leaves an empty one", "[core]") {
  PacketPool pool;
  for (const unsigned slices : {0U, 1U, 4U, 5U, 20U}) {
    for (const unsigned before : {0U, 3U, 9U}) {
      Packet from{pool};
      for (unsigned i = 0; i < slices; ++i) from.append(pool.copy(count_up(3, i)));
      const auto expected = from.bytes();
      Packet constructed{std::move(from)};
      CHECK(constructed.bytes() == expected);
      CHECK(from.empty());  // NOLINT(bugprone-use-after-move): that it is empty is what is promised
      Packet assigned{pool};
      for (unsigned i = 0; i < before; ++i) assigned.append(pool.copy(count_up(5)));
      assigned = std::move(constructed);
      CHECK(assigned.bytes() == expected);
      assigned.append(pool.copy(count_up(2)));
      CHECK(assigned.bytes() == joined(expected, count_up(2)));
    }
  }
  CHECK(pool.in_use() == 0);  // nothing of what was overwritten is kept
}

TEST_CASE("slabs are reused, and may outlive their pool", "[core]") {
  std::optional<PacketPool> pool{std::in_place};
  { Packet packet{*pool}; }
  const auto allocations = pool->allocations();
  for (int i = 0; i < 100; ++i) {
    Packet packet{*pool};
    packet.append(pool->slab(10).capacity() > 0 ? Slice{pool->slab(10), 0, 10} : Slice{});
  }
  CHECK(pool->allocations() <= allocations + 2);
  const Slice survivor = pool->copy(count_up(5));
  pool.reset();
  CHECK(survivor.bytes()[4] == std::byte{4});
}

TEST_CASE("a slab is of the smallest size that is enough, and what is larger than all of them is not kept", "[core]") {
  PacketPool pool;
  const auto capacity = [&pool](std::size_t wanted) { return pool.slab(wanted).capacity(); };
  CHECK(capacity(0) == PacketPool::header_capacity);
  CHECK(capacity(PacketPool::header_capacity) == PacketPool::header_capacity);
  CHECK(capacity(PacketPool::header_capacity + 1) == PacketPool::frame_capacity);
  CHECK(capacity(PacketPool::frame_capacity) == PacketPool::frame_capacity);
  CHECK(capacity(PacketPool::frame_capacity + 1) == PacketPool::super_capacity);
  CHECK(capacity(PacketPool::super_capacity) == PacketPool::super_capacity);
  const auto allocations = pool.allocations();
  CHECK(capacity(PacketPool::super_capacity) == PacketPool::super_capacity);
  CHECK(pool.allocations() == allocations);
  constexpr std::size_t kLarger = PacketPool::super_capacity + 1;
  CHECK(capacity(kLarger) == kLarger);
  CHECK(capacity(kLarger) == kLarger);
  CHECK(pool.allocations() == allocations + 2);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("slabs of all sizes may outlive their pool, in any order", "[core]") {
  std::optional<PacketPool> pool{std::in_place};
  std::vector<SlabRef> survivors;
  for (const std::size_t size : {std::size_t{10}, PacketPool::frame_capacity, PacketPool::super_capacity, PacketPool::super_capacity + 1}) {
    {
      const SlabRef kept_for_reuse = pool->slab(size);
    }
    survivors.push_back(pool->slab(size));
  }
  survivors.push_back(survivors.front());
  pool.reset();
  for (const SlabRef& slab : survivors) slab.bytes().back() = std::byte{1};
  std::swap(survivors[0], survivors[2]);
  while (!survivors.empty()) survivors.pop_back();
}

TEST_CASE("a small slice of a large slab is copied for keeping", "[core]") {
  PacketPool pool;
  const Slice large{pool.slab(PacketPool::super_capacity), 0, PacketPool::super_capacity};
  const Slice kept = pool.compact(large.sub(100, 10));
  CHECK(kept.pinned() <= PacketPool::header_capacity);
  CHECK(kept.size() == 10);
  CHECK(pool.compact(large.sub(0, 60000)).slab().bytes().data() == large.slab().bytes().data());
}

TEST_CASE("a list of slices keeps what it holds alive through copies and moves, and nothing longer", "[core]") {
  PacketPool pool;
  const auto value = [](const SliceList& list, std::size_t i) { return std::to_integer<std::size_t>(list[i].bytes().front()); };
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, SliceList::inline_capacity, SliceList::inline_capacity + 1, std::size_t{9}}) {
    INFO(count);
    SliceList list;
    for (std::size_t i = 0; i < count; ++i) list.push_back(pool.copy(std::array{static_cast<std::byte>(i)}));
    CHECK(pool.in_use() == count);
    SliceList copy{list};
    SliceList moved{std::move(list)};
    CHECK(list.empty());  // NOLINT(bugprone-use-after-move): that is what is promised
    list = copy;          // a list that was moved from can be used again
    SliceList& same = list;
    list = std::move(same);
    REQUIRE(list.size() == count);
    REQUIRE(moved.size() == count);
    for (std::size_t i = 0; i < count; ++i) CHECK((value(list, i) == i && value(moved, i) == i && value(copy, i) == i));
    CHECK(pool.in_use() == count);
    moved = SliceList{};
    copy.clear();
    list.push_front(pool.copy(std::array{std::byte{99}}));
    CHECK(value(list, 0) == 99);
    list.pop_front();
    while (!list.empty()) {
      CHECK(value(list, list.size() - 1) == list.size() - 1);
      list.pop_back();
    }
    CHECK(pool.in_use() == 0);
  }
}
